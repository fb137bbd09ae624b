"""What a model may look up: the evidence first, a bounded number of requests, this subject's namespace, masked."""

from typing import Any, cast

import msgspec
import orjson
import pytest

from evidence.field_schemas import FieldSchemas
from evidence.inspection import ANSWER_BYTES, Inspection
from incidents.evidence import Evidence, LogExcerpt
from incidents.objects import Kind
from tests.builders import container, deployment, evidence, not_there, pod, replica_set, snapshot, template
from tools.cluster.errors import Forbidden, NotFound
from tools.cluster.reader import Reader

DOCUMENT = {
    "components": {
        "schemas": {
            "Deployment": {
                "x-kubernetes-group-version-kind": [{"group": "apps", "kind": "Deployment", "version": "v1"}],
                "properties": {
                    "spec": {"allOf": [{"$ref": "#/components/schemas/Spec"}], "description": "what is wanted"}
                },
            },
            "Spec": {
                "type": "object",
                "properties": {
                    "replicas": {"type": "integer", "description": "how many pods"},
                    "template": {"$ref": "#/components/schemas/Spec"},
                    "containers": {"type": "array", "items": {"$ref": "#/components/schemas/Container"}},
                },
            },
            "Container": {
                "properties": {"image": {"type": "string"}, "imagePullPolicy": {"enum": ["Always", "Never"]}}
            },
        }
    }
}


class Cluster:
    """Answers reads, and keeps what was asked for."""

    def __init__(self, error: Exception | None = None) -> None:
        self.asked: list[str] = []
        self._error = error

    def _keep(self, what: str) -> None:
        self.asked.append(what)
        if self._error is not None:
            raise self._error

    async def get(self, kind: Kind, namespace: str, name: str) -> dict[str, Any]:
        self._keep(f"{kind.kind}/{namespace}/{name}")
        secret = {"name": "x", "value": "password=hunter2"}
        return {"kind": kind.kind, "metadata": {"name": name, "managedFields": [1]}, "spec": {"env": [secret]}}

    async def list(self, kind: Kind, namespace: str) -> list[dict[str, Any]]:
        self._keep(f"{kind.kind}/{namespace}")
        return [{"metadata": {"name": "web-svc"}}]

    async def logs(self, namespace: str, pod: str, container: str, **_: Any) -> str:
        self._keep(f"log/{namespace}/{pod}/{container}")
        return "token: abcdefgh12345\nstarting"

    async def raw(self, path: str, query: Any) -> bytes:
        self._keep(path)
        return orjson.dumps(DOCUMENT)


def seen() -> Evidence:
    present = template(container(image="nginx:x", envFrom=[{"secretRef": {"name": "db"}}]))
    owner = replica_set(present)
    taken = snapshot(deployment(present), [owner], [pod(not_there("nginx:x"), of=owner)])
    excerpt = LogExcerpt(pod="web-1", container="web", previous=True, text="it ended\n" * 1000)
    return msgspec.structs.replace(evidence(taken), logs=(excerpt,))


def looking(cluster: Cluster, **given: Any) -> Inspection:
    reader = cast("Reader", cluster)
    return Inspection(seen(), reader, FieldSchemas(reader), **given)


async def test_what_the_evidence_holds_costs_no_request() -> None:
    cluster = Cluster()
    inspection = looking(cluster)
    told = [
        await inspection.states(),
        await inspection.events(),
        await inspection.history(),
        await inspection.key_names(),
        await inspection.manifest("/spec/template/spec/containers[web]/image"),
        await inspection.logs("web", previous=True),
        await inspection.related("Pod", "web-1"),
    ]
    assert cluster.asked == []
    assert "image-pull" in told[0]
    assert "all keys of secret db" in told[3]
    assert told[4] == '"nginx:x"'
    assert all(len(text.encode()) <= ANSWER_BYTES for text in told)


async def test_more_is_read_from_this_namespace_alone_and_masked() -> None:
    cluster = Cluster()
    inspection = looking(cluster)
    claim = await inspection.related("PersistentVolumeClaim", "data")
    assert "hunter2" not in claim
    assert "managedFields" not in claim
    assert "abcdefgh12345" not in await inspection.logs("web")
    assert await inspection.related("service") == "Service: web-svc"
    assert cluster.asked == ["PersistentVolumeClaim/shop/data", "log/shop/web-1/web", "Service/shop"]


@pytest.mark.parametrize("kind", ["Secret", "ConfigMap", "Namespace", "Lease", "secrets", ""])
async def test_kinds_that_are_nobodys_business_are_not_read(kind: str) -> None:
    cluster = Cluster()
    assert "Only these kinds" in await looking(cluster).related(kind, "x")
    assert cluster.asked == []


@pytest.mark.parametrize(("kind", "name"), [("Node", "other"), ("StorageClass", "fast"), ("Pod", "somebody-elses")])
async def test_objects_that_the_subject_does_not_refer_to_are_not_read(kind: str, name: str) -> None:
    cluster = Cluster()
    assert name not in await looking(cluster).related(kind, name)
    assert cluster.asked == []


@pytest.mark.parametrize("name", ["../secrets/db", "web/proxy/admin", "web?watch=1", "..", "Web", "a" * 300])
async def test_a_name_that_would_lead_elsewhere_is_not_asked_for(name: str) -> None:
    cluster = Cluster()
    assert "no name of an object" in await looking(cluster).related("Service", name)
    assert cluster.asked == []


async def test_a_field_that_is_called_metadata_is_a_field_like_any_other() -> None:
    labelled = deployment(template(container()))
    labelled["metadata"]["labels"] = {"metadata": "x"}
    inspection = Inspection(
        evidence(snapshot(labelled, [], [])), cast("Reader", Cluster()), FieldSchemas(cast("Reader", Cluster()))
    )
    assert await inspection.manifest("/metadata/labels") == '{"metadata":"x"}'


async def test_a_log_is_read_of_a_pod_of_the_workload_or_not_at_all() -> None:
    cluster = Cluster()
    assert "No pod of the workload" in await looking(cluster).logs("../../secrets")
    assert cluster.asked == []


async def test_its_requests_end() -> None:
    cluster = Cluster()
    inspection = looking(cluster, requests=2)
    for _ in range(3):
        last = await inspection.related("Service", "web")
    assert len(cluster.asked) == 2
    assert "Nothing more can be read" in last


@pytest.mark.parametrize("error", [NotFound("gone"), Forbidden("not allowed")])
async def test_what_cannot_be_read_is_said_and_no_error(error: Exception) -> None:
    assert "It cannot be read" in await looking(Cluster(error)).related("Service", "web")


async def test_a_field_is_described_by_the_server_itself_and_asked_for_once() -> None:
    cluster = Cluster()
    inspection = looking(cluster)
    assert "integer" in await inspection.schema("/spec/replicas")
    told = await inspection.schema("/spec/template/containers[web]/imagePullPolicy")
    assert "one of Always, Never" in told
    assert "There is no field 'imagge'" in await inspection.schema("/spec/template/containers[web]/imagge")
    assert cluster.asked == ["/openapi/v3/apis/apps/v1"]


async def test_a_path_that_is_none_is_answered_with_what_is_wrong() -> None:
    inspection = looking(Cluster())
    assert "0 items of containers" in await inspection.manifest("/spec/template/spec/containers[no]/image")
    assert "not set" in await inspection.manifest("/spec/nothing/there")
    assert "starts with" in await inspection.schema("spec")
