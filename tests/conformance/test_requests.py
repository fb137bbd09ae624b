"""Requests that are refused before any object is looked at: paths, verbs, media types, options, bodies."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .bodies import config_map, pod
from .client import APPLY, JSON, JSON_PATCH, Api
from .expectations import causes, expect_refusal

MAPS = "configmaps"


def test_an_unknown_resource_is_not_found_without_a_name(api: Api) -> None:
    answer = api.request("GET", "/api/v1/nothing")
    expect_refusal(answer, 404, "the server could not find the requested resource")
    assert answer.body["details"] == {}


def test_an_unknown_group_is_a_plain_404(api: Api) -> None:
    answer = api.request("GET", "/apis/nope.example/v1/things")
    assert (answer.code, answer.body) == (404, "404 page not found\n")
    assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize(("method", "name"), [("POST", "x"), ("PUT", ""), ("PATCH", "")])
def test_a_verb_that_a_path_does_not_have_is_not_allowed(api: Api, method: str, name: str) -> None:
    answer = api.request(method, api.at(MAPS, name), {})
    expect_refusal(answer, 405, "the server does not allow this method on the requested resource")
    assert answer.body["details"] == {}


def test_an_unknown_token_is_unauthorized(api: Api) -> None:
    expect_refusal(api.request("GET", api.at(MAPS), token="nobody"), 401, "Unauthorized")


def test_a_patch_of_no_patch_type_is_an_unsupported_media_type(api: Api) -> None:
    api.create(MAPS, config_map()).ok()
    answer = api.request("PATCH", api.at(MAPS, "settings"), {}, content_type=JSON)
    assert (answer.code, answer.body["reason"]) == (415, "UnsupportedMediaType")


def test_a_body_that_is_neither_json_nor_yaml_is_an_unsupported_media_type(api: Api) -> None:
    answer = api.request("POST", api.at(MAPS), "x", content_type="text/plain")
    expect_refusal(
        answer,
        415,
        "the body of the request was in an unknown format - accepted media types include: "
        "application/json, application/yaml, application/vnd.kubernetes.protobuf",
    )


def test_a_client_that_accepts_nothing_we_have_is_told_what_there_is(api: Api) -> None:
    answer = api.request("GET", api.at(MAPS), headers={"Accept": "text/html"})
    assert (answer.code, answer.body["reason"]) == (406, "NotAcceptable")


def test_yaml_is_as_good_as_json(api: Api) -> None:
    text = "metadata: {name: written}\ndata: {answer: 'yes'}\n"
    found = api.request("POST", api.at(MAPS), text, content_type="application/yaml").ok()
    assert found["data"] == {"answer": "yes"}


AS_MAP = 'ConfigMap in version "v1" cannot be handled as a ConfigMap: '


@pytest.mark.parametrize(
    ("resource", "body", "message"),
    [
        pytest.param(
            MAPS,
            "{",
            "the object provided is unrecognized (must be of type ConfigMap): "
            "couldn't get version/kind; json parse error: unexpected end of JSON input ({)",
            id="not JSON",
        ),
        pytest.param(
            MAPS,
            "[1]",
            "the object provided is unrecognized (must be of type ConfigMap): "
            "couldn't get version/kind; json parse error: json: cannot unmarshal array into Go value of type "
            'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" } '
            "(5b315d)",
            id="a list",
        ),
        pytest.param(
            MAPS,
            '{"apiVersion": "v9", "kind": "ConfigMap"}',
            'ConfigMap in version "v9" cannot be handled as a ConfigMap: no kind "ConfigMap" is registered for version '
            '"v9" in scheme "pkg/runtime/scheme.go:111"',
            id="a version that is none",
        ),
        pytest.param(
            MAPS,
            {"metadata": {"name": "a", "namespace": "other"}},
            "the namespace of the provided object does not match the namespace sent on the request",
            id="another namespace",
        ),
        pytest.param(
            MAPS,
            {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "a"}},
            'Secret in version "v1" cannot be handled as a ConfigMap: '
            "converting (v1.Secret) to (core.ConfigMap): unknown conversion",
            id="another kind",
        ),
        pytest.param(
            MAPS,
            {"metadata": {"name": "a"}, "data": {"a": 1}},
            AS_MAP + "json: cannot unmarshal number into Go struct field ConfigMap.data of type string",
            id="a number for a string",
        ),
        pytest.param(
            "pods",
            pod(hostNetwork="yes"),
            'Pod in version "v1" cannot be handled as a Pod: '
            "json: cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool",
            id="a string for a bool",
        ),
        pytest.param(
            "secrets",
            {"metadata": {"name": "s"}, "data": {"a": "not base64!"}},
            'Secret in version "v1" cannot be handled as a Secret: illegal base64 data at input byte 3',
            id="no base64",
        ),
    ],
)
def test_a_body_that_does_not_decode_is_a_bad_request(api: Api, resource: str, body: Any, message: str) -> None:
    answer = api.create(resource, body)
    expect_refusal(answer, 400, message)
    assert "details" not in answer.body


def test_another_name_than_the_paths_is_a_bad_request(api: Api) -> None:
    api.create(MAPS, config_map()).ok()
    answer = api.request("PUT", api.at(MAPS, "settings"), config_map("other"))
    expect_refusal(answer, 400, "the name of the object (other) does not match the name on the URL (settings)")


@pytest.mark.parametrize(
    ("query", "message", "blamed"),
    [
        pytest.param(
            {"dryRun": "Some"}, 'dryRun: Unsupported value: ["Some"]: supported values: "All"', "dryRun", id="dryRun"
        ),
        pytest.param(
            {"fieldValidation": "Some"},
            'fieldValidation: Unsupported value: "Some": supported values: "", "Ignore", "Strict", "Warn"',
            "fieldValidation",
            id="fieldValidation",
        ),
        pytest.param(
            {"fieldManager": "x" * 129},
            "fieldManager: Too long: may not be more than 128 bytes",
            "fieldManager",
            id="fieldManager",
        ),
    ],
)
def test_an_option_of_no_known_value_is_invalid(api: Api, query: dict[str, str], message: str, blamed: str) -> None:
    answer = api.create(MAPS, config_map(), **query)
    expect_refusal(answer, 422, f'CreateOptions.meta.k8s.io "" is invalid: {message}')
    assert [field for field, _ in causes(answer)] == [blamed]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(
            {"propagationPolicy": "Xx"},
            'propagationPolicy: Unsupported value: "Xx": supported values: "Foreground", "Background", "Orphan", "nil"',
            id="unknown policy",
        ),
        pytest.param(
            {"propagationPolicy": "Orphan", "orphanDependents": True},
            'propagationPolicy: Invalid value: "Orphan": orphanDependents and deletionPropagation cannot be both set',
            id="two policies",
        ),
    ],
)
def test_delete_options_are_validated(api: Api, body: Any, message: str) -> None:
    api.create(MAPS, config_map()).ok()
    answer = api.delete(MAPS, "settings", body)
    expect_refusal(answer, 422, f'DeleteOptions.meta.k8s.io "" is invalid: {message}')


@pytest.mark.parametrize("kind", ["field", "duplicate"])
def test_strict_validation_refuses(api: Api, kind: str) -> None:
    body: Any = {**config_map("strict"), "dat": {}, "metadata": {"name": "strict", "lables": {}}}
    found = 'unknown field "metadata.lables", unknown field "dat"'
    if kind == "duplicate":
        body, found = '{"metadata":{"name":"strict"},"data":{"a":"1","a":"2"}}', 'duplicate field "data.a"'
    answer = api.create(MAPS, body, fieldValidation="Strict")
    expect_refusal(answer, 400, f"{AS_MAP}strict decoding error: {found}")


def test_without_a_word_about_validation_it_warns(api: Api) -> None:
    body = {**config_map("warned"), "dat": {}, "metadata": {"name": "warned", "lables": {}}}
    answer = api.create(MAPS, body)
    assert answer.code == 201
    assert answer.warnings == '299 - "unknown field \\"metadata.lables\\"", 299 - "unknown field \\"dat\\""'
    assert "dat" not in answer.body
    assert api.create(MAPS, {**body, "metadata": {"name": "ignored"}}, fieldValidation="Ignore").warnings == ""


def test_of_a_field_given_twice_the_last_counts(api: Api) -> None:
    answer = api.create(MAPS, '{"metadata":{"name":"twice"},"data":{"a":"1","a":"2"}}')
    assert answer.ok()["data"] == {"a": "2"}
    assert answer.warnings == '299 - "duplicate field \\"data.a\\""'


def test_a_version_on_create_is_refused(api: Api) -> None:
    answer = api.create(MAPS, {"metadata": {"name": "a", "resourceVersion": "5"}})
    assert answer.code == 500
    assert answer.body["message"] == "resourceVersion should not be set on objects to be created"


def test_an_apply_patch_needs_a_manager_and_force_needs_an_apply_patch(api: Api) -> None:
    api.create(MAPS, config_map()).ok()
    answer = api.request("PATCH", api.at(MAPS, "settings"), config_map(), content_type=APPLY)
    where = 'PatchOptions.meta.k8s.io "" is invalid: '
    expect_refusal(answer, 422, where + "fieldManager: Required value: is required for apply patch")
    answer = api.patch(MAPS, "settings", {"data": {}}, force="true")
    expect_refusal(answer, 422, where + "force: Forbidden: may not be specified for non-apply patch")
    answer = api.patch(MAPS, "settings", [], JSON_PATCH, force="true")
    expect_refusal(answer, 422, where + "force: Forbidden: may not be specified for non-apply patch")


def test_without_a_namespace_nothing_is_deleted_at_once(api: Api) -> None:
    answer = api.request("DELETE", f"/api/v1/{MAPS}")
    expect_refusal(answer, 405, "the server does not allow this method on the requested resource")


def test_a_new_node_is_tainted_until_it_is_ready(api: Api) -> None:
    body = {"metadata": {"name": "newcomer"}, "spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}}
    made = api.request("POST", "/api/v1/nodes", body, query={"dryRun": "All"}).ok()
    assert [one["key"] for one in made["spec"]["taints"]] == ["a", "node.kubernetes.io/not-ready"]


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ("soon", 'invalid duration "soon"'),
        ("5", 'missing unit in duration "5"'),
        ("1h30", 'missing unit in duration "1h30"'),
        ("5x", 'unknown unit "x" in duration "5x"'),
        ("--1s", 'invalid duration "--1s"'),
    ],
)
def test_a_timeout_that_is_no_duration_is_a_bad_request(api: Api, asked: str, why: str) -> None:
    answer = api.get(MAPS, timeout=asked)
    expect_refusal(answer, 400, f"invalid timeout specified in the request URL - time: {why}")


@pytest.mark.parametrize("asked", ["0", "-1s", "5m", "1m30.5s"])
def test_a_timeout_that_is_none_or_too_long_is_the_servers_own(api: Api, asked: str) -> None:
    api.get(MAPS, timeout=asked).ok()


def test_what_is_not_done_in_time_is_not_done_later(api: Api) -> None:
    answer = api.create(MAPS, config_map("late"), timeout="1ns")
    assert (answer.code, answer.headers["content-type"]) == (504, "text/plain; charset=utf-8")
    assert json.loads(answer.body) == {
        "metadata": {},
        "status": "Failure",
        "message": "Timeout: request did not complete within the allotted timeout",
        "reason": "Timeout",
        "details": {},
        "code": 504,
    }
    api.create(MAPS, config_map("next")).ok()
    assert api.get(MAPS, "late").code == 404


def test_a_watch_has_no_timeout(api: Api) -> None:
    api.create(MAPS, config_map()).ok()
    assert api.watch(api.at(MAPS), 1, timeout="1ns")


@pytest.mark.parametrize(
    ("selector", "why"),
    [
        ("a=" + "b" * 64, f'values[0][a]: Invalid value: "{"b" * 64}": must be no more than 63 bytes'),
        ("b" * 64, f'<nil>: Invalid value: "{"b" * 64}": name part must be no more than 63 bytes'),
        (
            "y" * 254 + "/b",
            f'<nil>: Invalid value: "{"y" * 254}/b": prefix part must be no more than 253 bytes',
        ),
    ],
    ids=["value", "name", "prefix"],
)
def test_a_selector_is_counted_in_bytes(api: Api, selector: str, why: str) -> None:
    expect_refusal(api.get(MAPS, labelSelector=selector), 400, f"unable to parse requirement: {why}")


@pytest.mark.parametrize(
    ("text", "place"), [("a", 0), ("MTIz12", 4), ("MTIz12=", 7), ("MTI=x", 4), ("M=", 1), ("ab=c", 2), ("MT z", 2)]
)
def test_what_is_no_base64_is_told_by_its_place(api: Api, text: str, place: int) -> None:
    answer = api.create("secrets", {"metadata": {"name": "s"}, "data": {"a": text}})
    assert answer.code == 400
    assert answer.body["message"].endswith(f"illegal base64 data at input byte {place}")


@pytest.mark.parametrize(("text", "kept"), [("MT\nIz", "MTIz"), ("MTIz12==", "MTIz1w==")])
def test_base64_is_kept_as_its_bytes_are_written(api: Api, text: str, kept: str) -> None:
    made = api.create("secrets", {"metadata": {"name": "s"}, "data": {"a": text}}).ok()
    assert made["data"] == {"a": kept}
