"""The real Python clients work against the server unchanged."""

from collections.abc import Iterator
from typing import Any

import kubernetes
import orjson
import pytest
from kubernetes.client.exceptions import ApiException

from tests.simulator.conftest import CONFIG_MAPS, Api, config_map, deployment

pytestmark = pytest.mark.conformance


@pytest.fixture
def kube(api: Api) -> Iterator[Any]:
    """The synchronous client of the kubernetes package."""
    configuration = kubernetes.client.Configuration(host=api.url)
    configuration.api_key = {"authorization": f"Bearer {api.token}"}
    with kubernetes.client.ApiClient(configuration) as client:
        yield client


def test_typed_objects_are_created_read_listed_and_deleted(api: Api, kube: Any) -> None:
    apps = kubernetes.client.AppsV1Api(kube)
    made = apps.create_namespaced_deployment("default", deployment(replicas=2))
    assert (made.metadata.name, made.spec.replicas) == ("web", 2)
    found = apps.list_namespaced_deployment("default", label_selector="app=web")
    assert [one.metadata.uid for one in found.items] == [made.metadata.uid]
    apps.delete_namespaced_deployment("web", "default")
    assert apps.list_namespaced_deployment("default").items == []


def test_patches_choose_their_content_type_by_body(api: Api, kube: Any) -> None:
    apps = kubernetes.client.AppsV1Api(kube)
    apps.create_namespaced_deployment("default", deployment())
    operations = [{"op": "replace", "path": "/spec/replicas", "value": 3}]
    dry = apps.patch_namespaced_deployment("web", "default", operations, dry_run="All", field_manager="t")
    assert dry.spec.replicas == 3
    assert apps.read_namespaced_deployment("web", "default").spec.replicas == 1
    strategic = {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "nginx:9"}]}}}}
    changed = apps.patch_namespaced_deployment("web", "default", strategic)
    assert changed.spec.template.spec.containers[0].image == "nginx:9"


def test_scale_and_status_are_typed_too(api: Api, kube: Any) -> None:
    apps = kubernetes.client.AppsV1Api(kube)
    apps.create_namespaced_deployment("default", deployment())
    assert apps.read_namespaced_deployment_scale("web", "default").spec.replicas == 1
    scaled = apps.patch_namespaced_deployment_scale("web", "default", {"spec": {"replicas": 2}})
    assert scaled.spec.replicas == 2


def test_an_error_carries_code_and_status(api: Api, kube: Any) -> None:
    with pytest.raises(ApiException) as caught:
        kubernetes.client.CoreV1Api(kube).read_namespaced_pod("none", "default")
    assert caught.value.status == 404
    assert orjson.loads(caught.value.body)["reason"] == "NotFound"


def test_a_watch_streams_typed_events(api: Api, kube: Any) -> None:
    core = kubernetes.client.CoreV1Api(kube)
    api.create(CONFIG_MAPS, config_map("a"))
    watch = kubernetes.watch.Watch()
    for event in watch.stream(core.list_namespaced_config_map, "default", timeout_seconds=5):
        assert (event["type"], event["object"].metadata.name) == ("ADDED", "a")
        watch.stop()


def test_the_dynamic_client_discovers_kinds(api: Api, kube: Any) -> None:
    client = kubernetes.dynamic.DynamicClient(kube)
    resource = client.resources.get(api_version="apps/v1", kind="Deployment")
    made = resource.create(body=deployment(), namespace="default")
    assert made.spec.replicas == 1
    changed = resource.patch(
        body={"spec": {"replicas": 2}},
        name="web",
        namespace="default",
        content_type="application/merge-patch+json",
    )
    assert changed.spec.replicas == 2


async def test_the_asynchronous_client_calls_and_streams_raw(api: Api) -> None:
    import kubernetes.aio.client as aio

    configuration = aio.Configuration(host=api.url)
    configuration.api_key = {"authorization": f"Bearer {api.token}"}
    async with aio.ApiClient(configuration) as client:
        core = aio.CoreV1Api(client)
        made = await core.create_namespaced_config_map("default", config_map("a", k="v"))
        assert made.data == {"k": "v"}
        response = await core.list_namespaced_config_map_without_preload_content(
            "default", watch=True, timeout_seconds=5
        )
        line = await response.content.readline()
        response.close()
    assert orjson.loads(line)["object"]["metadata"]["name"] == "a"
