"""Bodies are read by the facts about their kind: unknown and doubled fields, wrong types, what stays of empty ones."""

from typing import Any

import httpx
import orjson
import pytest

from simulator.apiserver.kinds import KINDS
from simulator.apiserver.schema import Misfit, Reading, read, struct, struct_of
from tests.simulator.conftest import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    MERGE_PATCH,
    PODS,
    STRATEGIC_PATCH,
    Api,
    container,
    deployment,
    pod,
)

DOUBLED = b"""{"metadata": {"name": "web"}, "spec": {"replicas": 1, "replicas": 2,
 "selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b", "a": "b"}},
 "spec": {"containers": [{"name": "c", "name": "d", "image": "nginx:1"}]}}}}"""


def odd_deployment() -> dict[str, Any]:
    body = deployment("web", container(imagee="x"), foo=1)
    body["metadata"]["lables"] = {}
    return body


def send(api: Api, body: bytes, **query: str) -> httpx.Response:
    return api.http.post(DEPLOYMENTS, content=body, params=query, headers={"Content-Type": "application/json"})


class TestUnknownFields:
    def test_strict_refuses_them_by_their_paths(self, api: Api) -> None:
        refused = api.create(DEPLOYMENTS, odd_deployment(), fieldValidation="Strict")
        assert (refused["code"], refused["reason"]) == (400, "BadRequest")
        assert refused["message"] == (
            'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: '
            'unknown field "metadata.lables", unknown field "spec.template.spec.containers[0].imagee", '
            'unknown field "spec.foo"'
        )

    @pytest.mark.parametrize("query", [{}, {"fieldValidation": "Warn"}])
    def test_without_a_word_they_are_dropped_with_a_warning(self, api: Api, query: dict[str, str]) -> None:
        answer = send(api, orjson.dumps(odd_deployment()), **query)
        assert answer.status_code == 201
        assert answer.headers["Warning"].split(", ")[-1] == r'299 - "unknown field \"spec.foo\""'
        assert "foo" not in answer.json()["spec"]
        assert "imagee" not in answer.json()["spec"]["template"]["spec"]["containers"][0]

    def test_ignore_drops_them_silently(self, api: Api) -> None:
        answer = send(api, orjson.dumps(odd_deployment()), fieldValidation="Ignore")
        assert answer.status_code == 201
        assert "Warning" not in answer.headers
        assert "lables" not in api.get(f"{DEPLOYMENTS}/web")["metadata"]

    def test_another_word_is_invalid(self, api: Api) -> None:
        refused = api.create(DEPLOYMENTS, deployment(), fieldValidation="Bogus")
        assert refused["message"] == (
            'CreateOptions.meta.k8s.io "" is invalid: fieldValidation: Unsupported value: "Bogus": '
            'supported values: "", "Ignore", "Strict", "Warn"'
        )

    @pytest.mark.parametrize(
        ("content_type", "shown"),
        [(STRATEGIC_PATCH, "map[spec:map[foo:1]]"), (MERGE_PATCH, '{\\"kind\\":\\"Deployment\\"')],
    )
    def test_a_patch_may_not_bring_them_in_strict_mode(self, api: Api, content_type: str, shown: str) -> None:
        api.create(DEPLOYMENTS, deployment())
        path = f"{DEPLOYMENTS}/web"
        refused = api.patch(path, {"spec": {"foo": 1}}, content_type, fieldValidation="Strict")
        assert refused["code"] == 422
        assert refused["message"].startswith(f' "" is invalid: patch: Invalid value: "{shown}')
        assert refused["message"].endswith('strict decoding error: unknown field "spec.foo"')


class TestDoubledFields:
    def test_strict_refuses_them(self, api: Api) -> None:
        assert (
            send(api, DOUBLED, fieldValidation="Strict")
            .json()["message"]
            .endswith(
                'strict decoding error: duplicate field "spec.replicas", '
                'duplicate field "spec.template.metadata.labels.a", '
                'duplicate field "spec.template.spec.containers[0].name"'
            )
        )

    def test_the_last_one_counts_otherwise_and_a_warning_is_sent(self, api: Api) -> None:
        answer = send(api, DOUBLED)
        assert answer.json()["spec"]["replicas"] == 2
        assert r"duplicate field \"spec.replicas\"" in answer.headers["Warning"]


@pytest.mark.parametrize(
    ("spec", "found", "field", "wanted"),
    [
        ({"replicas": 1.5}, "number 1.5", "DeploymentSpec.spec.replicas", "int32"),
        ({"replicas": 2**40}, "number 1099511627776", "DeploymentSpec.spec.replicas", "int32"),
        ({"replicas": True}, "bool", "DeploymentSpec.spec.replicas", "int32"),
        ({"selector": "x"}, "string", "DeploymentSpec.spec.selector", "v1.LabelSelector"),
        (
            {"template": {"spec": {"containers": {}}}},
            "object",
            "PodSpec.spec.template.spec.containers",
            "[]v1.Container",
        ),
        (
            {"template": {"spec": {"containers": ["x"]}}},
            "string",
            "PodSpec.spec.template.spec.containers",
            "v1.Container",
        ),
        (
            {"template": {"spec": {"containers": [{"command": "x"}]}}},
            "string",
            "Container.spec.template.spec.containers.command",
            "[]string",
        ),
        (
            {"template": {"metadata": {"labels": {"a": 1}}}},
            "number",
            "ObjectMeta.spec.template.metadata.labels",
            "string",
        ),
        (
            {"strategy": {"rollingUpdate": {"maxSurge": True}}},
            "bool",
            "RollingUpdateDeployment.spec.strategy.rollingUpdate.maxSurge",
            "int32",
        ),
    ],
)
def test_a_value_of_another_type_is_refused_in_the_decoders_words(
    api: Api, spec: Any, found: str, field: str, wanted: str
) -> None:
    refused = api.create(DEPLOYMENTS, deployment(**spec))
    assert refused["code"] == 400
    assert refused["message"] == (
        'Deployment in version "v1" cannot be handled as a Deployment: '
        f"json: cannot unmarshal {found} into Go struct field {field} of type {wanted}"
    )


def test_times_and_base64_text_are_read(api: Api) -> None:
    refused = api.create(CONFIG_MAPS, {"metadata": {"name": "a"}, "binaryData": {"a": "!"}})
    assert refused["message"].endswith("illegal base64 data at input byte 0")
    refused = api.create(CONFIG_MAPS, {"metadata": {"name": "a", "creationTimestamp": "x"}})
    assert refused["message"].endswith('parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006"')


class TestAnotherKind:
    def test_a_known_one_cannot_be_converted(self, api: Api) -> None:
        refused = api.create(DEPLOYMENTS, {"kind": "Pod", "apiVersion": "v1"})
        assert refused["message"] == (
            'Pod in version "v1" cannot be handled as a Deployment: '
            "converting (v1.Pod) to (apps.Deployment): unknown conversion"
        )

    def test_an_unknown_one_is_not_registered(self, api: Api) -> None:
        refused = api.create(DEPLOYMENTS, {"kind": "Foo", "apiVersion": "v1"})
        assert refused["message"].startswith(
            'Foo in version "v1" cannot be handled as a Deployment: no kind "Foo" is registered for version "v1"'
        )


class TestEmptyFields:
    def test_pointers_stay_and_plain_zeros_go(self, api: Api) -> None:
        body = deployment("web", container(securityContext={"privileged": False}, tty=False), replicas=0, paused=False)
        spec = api.create(DEPLOYMENTS, body)["spec"]
        assert spec["replicas"] == 0
        assert "paused" not in spec
        made = spec["template"]["spec"]["containers"][0]
        assert made["securityContext"] == {"privileged": False}
        assert "tty" not in made

    def test_a_null_is_no_field(self, api: Api) -> None:
        made = api.create(PODS, pod("web", container(env=None, args=[]), nodeSelector={}, affinity=None))["spec"]
        assert not {"env", "args"} & set(made["containers"][0])
        assert not {"nodeSelector", "affinity"} & set(made)

    @pytest.mark.parametrize(
        ("group", "kind", "empty"),
        [
            ("apps", "ReplicaSet", {"replicas": 0}),
            ("", "Service", {"loadBalancer": {}}),
            ("batch", "Job", {}),
            ("policy", "PodDisruptionBudget", dict.fromkeys(
                ("currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods"), 0
            )),
        ],
    )  # fmt: skip
    def test_what_is_always_encoded_appears(self, group: str, kind: str, empty: Any) -> None:
        facts = struct_of(group, "v1", kind)
        assert facts is not None
        assert read({}, facts, Reading())["status"] == empty


class TestFacts:
    def test_every_stored_kind_has_them(self) -> None:
        assert [kind.kind for kind in KINDS if struct_of(kind.group, kind.version, kind.kind) is None] == []

    def test_they_know_merge_keys_list_types_and_map_keys(self) -> None:
        ports = struct("core/v1.Service").at("spec", "ports")
        assert ports is not None
        assert (ports.merge_key, ports.list_type, ports.map_keys) == ("port", "map", ("port", "protocol"))
        containers = struct("apps/v1.Deployment").at("spec", "template", "spec", "containers")
        assert containers is not None
        assert (containers.merge_key, containers.strategy, containers.map_keys) == ("name", "merge", ("name",))
        assert struct("meta/v1.LabelSelector").atomic

    def test_they_know_enums_required_fields_and_defaults(self) -> None:
        policy = struct("core/v1.Container").at("imagePullPolicy")
        protocol = struct("core/v1.ContainerPort").at("protocol")
        selector = struct("apps/v1.DeploymentSpec").at("selector")
        assert policy is not None
        assert protocol is not None
        assert selector is not None
        assert policy.enum == ("Always", "IfNotPresent", "Never")
        assert protocol.default == "TCP"
        assert selector.required

    def test_quantities_take_their_canonical_form_wherever_they_stand(self) -> None:
        claim = {"spec": {"resources": {"requests": {"storage": "1024Mi"}}}}
        found = read(claim, struct("core/v1.PersistentVolumeClaim"), Reading())
        assert found["spec"]["resources"]["requests"] == {"storage": "1Gi"}
        with pytest.raises(Misfit, match="quantities must match"):
            read({"spec": {"hard": {"pods": "many"}}}, struct("core/v1.ResourceQuota"), Reading())
