"""status, scale, binding, eviction, log, token; and the kinds that are questions."""

import asyncio
import threading
from collections.abc import Iterator

import pytest
from aiohttp import web

from tests.simulator.conftest import (
    DEPLOYMENTS,
    JSON_PATCH,
    MERGE_PATCH,
    PODS,
    Api,
    container,
    deployment,
    pod,
)

WEB = f"{DEPLOYMENTS}/web"


class TestStatus:
    """The status is written through its subresource, everything else past it."""

    def test_the_main_resource_ignores_the_status(self, api: Api) -> None:
        api.create(DEPLOYMENTS, deployment() | {"status": {"replicas": 3}})
        assert api.patch(WEB, {"status": {"replicas": 3}, "spec": {"replicas": 2}})["status"] == {}

    def test_the_subresource_ignores_the_spec(self, api: Api) -> None:
        api.create(DEPLOYMENTS, deployment())
        changed = api.patch(f"{WEB}/status", {"status": {"replicas": 3}, "spec": {"replicas": 9}})
        assert (changed["status"]["replicas"], changed["spec"]["replicas"]) == (3, 1)
        assert changed["metadata"]["generation"] == 1

    def test_a_controller_may_annotate_a_deployment_through_its_status(self, api: Api) -> None:
        made = api.create(DEPLOYMENTS, deployment())
        made["metadata"]["annotations"] = {"deployment.kubernetes.io/revision": "1"}
        made["metadata"]["labels"] = {"other": "label"}
        changed = api.update(f"{WEB}/status", made)
        assert changed["metadata"]["annotations"] == {"deployment.kubernetes.io/revision": "1"}
        assert changed["metadata"]["labels"] == {"app": "web"}
        assert changed["metadata"]["generation"] == 1

    def test_the_status_can_be_read_alone(self, api: Api) -> None:
        assert api.create(DEPLOYMENTS, deployment()) == api.get(f"{WEB}/status")

    def test_a_pod_starts_pending_with_its_quality_of_service(self, api: Api) -> None:
        exact = {"limits": {"cpu": "1", "memory": "1Gi"}}
        assert api.create(PODS, pod("a"))["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
        burst = container(resources={"requests": {"cpu": "1"}})
        assert api.create(PODS, pod("b", burst))["status"]["qosClass"] == "Burstable"
        assert api.create(PODS, pod("c", container(resources=exact)))["status"]["qosClass"] == "Guaranteed"


class TestScale:
    """autoscaling/v1 Scale of workloads."""

    def test_a_scale_shows_the_replicas_and_the_selector(self, api: Api) -> None:
        made = api.create(DEPLOYMENTS, deployment(replicas=2))
        scale = api.get(f"{WEB}/scale")
        assert (scale["kind"], scale["apiVersion"]) == ("Scale", "autoscaling/v1")
        assert scale["spec"] == {"replicas": 2}
        assert scale["status"] == {"replicas": 0, "selector": "app=web"}
        assert scale["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]

    def test_a_patched_scale_changes_the_replicas_and_the_generation(self, api: Api) -> None:
        api.create(DEPLOYMENTS, deployment())
        assert api.patch(f"{WEB}/scale", {"spec": {"replicas": 4}}, MERGE_PATCH)["spec"] == {"replicas": 4}
        found = api.get(WEB)
        assert (found["spec"]["replicas"], found["metadata"]["generation"]) == (4, 2)

    def test_a_json_patch_tests_the_scale(self, api: Api) -> None:
        api.create(DEPLOYMENTS, deployment())
        operations = [
            {"op": "test", "path": "/spec/replicas", "value": 7},
            {"op": "replace", "path": "/spec/replicas", "value": 2},
        ]
        assert api.patch(f"{WEB}/scale", operations, JSON_PATCH)["code"] == 422

    def test_a_scale_with_a_stale_version_is_a_conflict(self, api: Api) -> None:
        api.create(DEPLOYMENTS, deployment())
        scale = api.get(f"{WEB}/scale")
        api.patch(WEB, {"spec": {"replicas": 5}})
        assert api.update(f"{WEB}/scale", scale | {"spec": {"replicas": 2}})["code"] == 409

    def test_negative_replicas_are_invalid(self, api: Api) -> None:
        api.create(DEPLOYMENTS, deployment())
        assert api.patch(f"{WEB}/scale", {"spec": {"replicas": -1}})["code"] == 422

    def test_a_dry_scale_changes_nothing(self, api: Api) -> None:
        api.create(DEPLOYMENTS, deployment())
        assert api.patch(f"{WEB}/scale", {"spec": {"replicas": 4}}, dryRun="All")["spec"] == {"replicas": 4}
        assert api.get(WEB)["spec"]["replicas"] == 1


class TestBinding:
    """How a scheduler places a pod."""

    BODY = {"metadata": {"name": "web"}, "target": {"kind": "Node", "name": "n1"}}  # noqa: RUF012 - never changed

    def test_a_binding_sets_the_node_and_the_condition(self, api: Api) -> None:
        api.create(PODS, pod())
        assert api.create(f"{PODS}/web/binding", self.BODY)["status"] == "Success"
        found = api.get(f"{PODS}/web")
        assert found["spec"]["nodeName"] == "n1"
        assert [(one["type"], one["status"]) for one in found["status"]["conditions"]] == [("PodScheduled", "True")]

    def test_a_pod_is_bound_once(self, api: Api) -> None:
        api.create(PODS, pod())
        api.create(f"{PODS}/web/binding", self.BODY)
        refused = api.create(f"{PODS}/web/binding", self.BODY)
        assert refused["code"] == 409
        assert refused["message"] == (
            'Operation cannot be fulfilled on pods/binding "web": pod web is already assigned to node "n1"'
        )


def test_an_eviction_deletes_the_pod(api: Api) -> None:
    api.create(PODS, pod())
    assert api.create(f"{PODS}/web/eviction", {"metadata": {"name": "web"}})["code"] == 201
    assert api.get(f"{PODS}/web")["code"] == 404


def test_a_service_account_token_speaks_for_the_account(api: Api) -> None:
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": 600},
    }
    answer = api.create("/api/v1/namespaces/default/serviceaccounts/default/token", body)
    headers = {"Authorization": f"Bearer {answer['status']['token']}"}
    review = api.http.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", json={}, headers=headers).json()
    assert review["status"]["userInfo"]["username"] == "system:serviceaccount:default:default"


def test_every_known_user_may_do_everything(api: Api) -> None:
    body = {"spec": {"resourceAttributes": {"verb": "delete", "resource": "nodes"}}}
    answer = api.create("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body)
    assert answer["status"]["allowed"] is True
    assert answer["spec"] == body["spec"]


@pytest.fixture
def kubelet_port() -> Iterator[int]:
    """A log endpoint that answers with the path and query it was asked; the container `gone` is refused."""
    ready, loop, found = threading.Event(), asyncio.new_event_loop(), [0]
    stopping = asyncio.Event()

    async def log(request: web.Request) -> web.Response:
        if request.path.endswith("/gone"):
            return web.Response(status=400, text='container "gone" in pod "web" is waiting to start: ContainerCreating')
        return web.Response(text=f"{request.path}?{request.query_string}\n")

    async def serve() -> None:
        app = web.Application()
        app.router.add_get("/{path:.*}", log)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        found[0] = runner.addresses[0][1]
        ready.set()
        await stopping.wait()
        await runner.cleanup()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(10)
    yield found[0]
    loop.call_soon_threadsafe(stopping.set)
    thread.join(10)


class TestLogs:
    """pods/log is passed through from the node's kubelet."""

    @pytest.fixture(autouse=True)
    def _node(self, api: Api, kubelet_port: int) -> None:
        status = {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": kubelet_port}},
        }
        annotations = {"simulator/kubelet-scheme": "http"}
        api.create("/api/v1/nodes", {"metadata": {"name": "n1", "annotations": annotations}, "status": status})

    def test_the_kubelet_is_asked_for_the_container_with_the_query(self, api: Api) -> None:
        api.create(PODS, pod(nodeName="n1"))
        query = {
            "previous": "true",
            "tailLines": "5",
            "timestamps": "true",
            "limitBytes": "9",
            "sinceSeconds": "3",
        }
        answer = api.http.get(f"{PODS}/web/log", params=query)
        assert answer.headers["Content-Type"].startswith("text/plain")
        path, _, asked = answer.text.strip().partition("?")
        assert path == "/containerLogs/default/web/web"
        assert dict(part.split("=") for part in asked.split("&")) == query

    def test_a_container_must_be_named_among_several(self, api: Api) -> None:
        api.create(PODS, pod("web", container("a"), container("b"), nodeName="n1"))
        refused = api.get(f"{PODS}/web/log")
        assert refused["code"] == 400
        assert refused["message"] == "a container name must be specified for pod web, choose one of: [a b]"
        assert api.http.get(f"{PODS}/web/log", params={"container": "b"}).text.startswith(
            "/containerLogs/default/web/b"
        )
        assert api.get(f"{PODS}/web/log", container="c")["message"] == "container c is not valid for pod web"

    def test_the_kubelets_refusal_is_the_answer(self, api: Api) -> None:
        api.create(PODS, pod("web", container("gone"), nodeName="n1"))
        refused = api.get(f"{PODS}/web/log")
        assert (refused["code"], refused["reason"]) == (400, "BadRequest")
        assert refused["message"] == 'container "gone" in pod "web" is waiting to start: ContainerCreating'

    def test_a_pod_without_a_node_has_no_log(self, api: Api) -> None:
        api.create(PODS, pod())
        assert api.http.get(f"{PODS}/web/log").text == ""

    def test_a_missing_pod_is_not_found(self, api: Api) -> None:
        assert api.get(f"{PODS}/web/log")["code"] == 404
