"""No body that a client can send makes the server fail, whatever it holds and however it is written."""

import copy
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.apiserver.protobuf import ProtobufError, decode_protobuf
from tests.simulator.conftest import (
    DEPLOYMENTS,
    MERGE_PATCH,
    PODS,
    STRATEGIC_PATCH,
    Api,
    container,
    deployment,
    pod,
)

pytestmark = pytest.mark.conformance

ODD_VALUES: list[Any] = [None, 0, -1, 1.5, True, "", "x", [], {}, [1], [None], [[]], {"x": 1}, {"x": None}]
FULL = container(
    env=[
        {"name": "A", "value": "b"},
        {"name": "F", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    ],
    ports=[{"containerPort": 80, "name": "http"}],
    resources={"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1"}},
    volumeMounts=[{"name": "v", "mountPath": "/v"}],
    readinessProbe={"httpGet": {"port": 80}},
    lifecycle={"preStop": {"httpGet": {"port": 80}}},
)
VOLUMES = [
    {"name": "v", "configMap": {"name": "c"}},
    {"name": "p", "projected": {"sources": [{"configMap": {"name": "c"}}]}},
]
SERVICE = {
    "metadata": {"name": "web"},
    "spec": {"type": "NodePort", "selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]},
}
EVENT = {
    "metadata": {"name": "web"},
    "involvedObject": {"kind": "Pod", "namespace": "default", "name": "web"},
    "source": {"component": "kubelet"},
    "count": 1,
}
NODE = {
    "metadata": {"name": "web"},
    "status": {
        "capacity": {"cpu": "1"},
        "addresses": [{"type": "InternalIP", "address": "1.2.3.4"}],
        "conditions": [{"type": "Ready", "status": "True"}],
    },
}
SLICE = {
    "metadata": {"name": "web"},
    "addressType": "IPv4",
    "ports": [{"port": 80}],
    "endpoints": [{"addresses": ["10.0.0.1"]}],
}


def _with_volumes(body: Any) -> Any:
    body["spec"]["template"]["spec"]["volumes"] = VOLUMES
    return body


SPACE = "/api/v1/namespaces/default"
BODIES: dict[str, tuple[str, Any]] = {
    "deployment": (
        DEPLOYMENTS,
        _with_volumes(deployment("web", FULL, strategy={"rollingUpdate": {"maxSurge": 1}})),
    ),
    "pod": (PODS, pod("web", FULL, volumes=VOLUMES, tolerations=[{"key": "a"}], nodeSelector={"a": "b"})),
    "service": (f"{SPACE}/services", SERVICE),
    "event": (f"{SPACE}/events", EVENT),
    "node": ("/api/v1/nodes", NODE),
    "slice": ("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", SLICE),
    "secret": (
        f"{SPACE}/secrets",
        {"metadata": {"name": "web"}, "stringData": {"a": "b"}, "data": {"c": "ZA=="}},
    ),
}


def variants(body: Any) -> Iterator[Any]:
    """The body with each of its places, one after another, holding each of the odd values."""
    for path in list(_places(body)):
        for value in ODD_VALUES:
            changed = copy.deepcopy(body)
            inner = changed
            for step in path[:-1]:
                inner = inner[step]
            inner[path[-1]] = value
            yield changed


def _places(body: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    steps = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    for step, inner in steps:
        yield (*path, step)
        yield from _places(inner, (*path, step))


@pytest.mark.parametrize("word", BODIES)
def test_an_odd_value_anywhere_is_stored_or_refused_and_never_a_failure(api: Api, word: str) -> None:
    path, body = BODIES[word]
    for changed in variants(body):
        answer = api.create(path, changed, dryRun="All")
        assert answer.get("code") != 500, (changed, answer)


@pytest.mark.parametrize("content_type", [MERGE_PATCH, STRATEGIC_PATCH])
@pytest.mark.parametrize("word", ["deployment", "service"])
def test_an_odd_patch_is_applied_or_refused_and_never_a_failure(api: Api, word: str, content_type: str) -> None:
    path, body = BODIES[word]
    assert "code" not in api.create(path, {"metadata": {"name": "web"}} | body)
    allowed = "does not contain declared merge key"  # the real server fails on that one too
    for changed in variants({"spec": body["spec"]}):
        answer = api.patch(f"{path}/web", changed, content_type, dryRun="All")
        assert answer.get("code") != 500 or allowed in answer["message"], (changed, answer)


def test_what_was_stored_can_be_shown_as_a_table(api: Api) -> None:
    table = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    for path, body in BODIES.values():
        for number, changed in enumerate(variants(body)):
            if isinstance(changed.get("metadata"), dict):
                changed["metadata"] = {"name": f"web-{number}"}
                api.create(path, changed)
        assert api.http.get(path, headers=table).status_code == 200


def _message(*fields: tuple[int, bytes]) -> bytes:
    return b"".join(bytes([number << 3 | 2, len(value)]) + value for number, value in fields)


def _protobuf(kind: str, body: bytes) -> bytes:
    return b"k8s\x00" + _message((1, _message((1, b"v1"), (2, kind.encode()))), (2, body))


def test_a_protobuf_body_is_read(api: Api) -> None:
    body = _message((1, _message((1, b"a"))), (2, _message((1, b"k"), (2, b"v"))))
    headers = {"Content-Type": "application/vnd.kubernetes.protobuf"}
    made = api.http.post(f"{SPACE}/configmaps", content=_protobuf("ConfigMap", body), headers=headers).json()
    assert (made["metadata"]["name"], made["data"]) == ("a", {"k": "v"})


def test_a_protobuf_field_that_is_not_known_is_refused_not_dropped(api: Api) -> None:
    body = _protobuf("ConfigMap", _message((9, b"x")))
    headers = {"Content-Type": "application/vnd.kubernetes.protobuf"}
    refused = api.http.post(f"{SPACE}/configmaps", content=body, headers=headers)
    assert refused.status_code == 415
    assert "field 9 of ConfigMap" in refused.json()["message"]


@given(st.binary(max_size=60))
def test_any_bytes_are_protobuf_or_refused(body: bytes) -> None:
    for prefix in (b"", b"k8s\x00", _protobuf("Deployment", b"")):
        with suppress(ProtobufError):
            orjson.dumps(decode_protobuf(prefix + body))
