"""Server-side apply and managedFields: who owns what."""

from __future__ import annotations

from typing import Any

from .bodies import config_map, container, deployment, pod, service
from .client import Api
from .expectations import causes, expect_refusal

MAPS = "configmaps"


def _managers(found: Any) -> list[tuple[str, str]]:
    return [(entry["manager"], entry["operation"]) for entry in found["metadata"]["managedFields"]]


def test_apply_creates_and_then_changes(api: Api) -> None:
    answer = api.apply(MAPS, config_map(a="1"))
    assert answer.code == 201
    [entry] = answer.body["metadata"]["managedFields"]
    assert {key: entry[key] for key in ("manager", "operation", "apiVersion", "fieldsType", "fieldsV1")} == {
        "manager": "one",
        "operation": "Apply",
        "apiVersion": "v1",
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:data": {"f:a": {}}},
    }
    answer = api.apply(MAPS, config_map(a="2"))
    assert (answer.code, answer.body["data"]) == (200, {"a": "2"})


def test_an_apply_that_changes_nothing_keeps_the_version(api: Api) -> None:
    made = api.apply(MAPS, config_map(a="1")).ok()
    assert api.apply(MAPS, config_map(a="1")).ok()["metadata"] == made["metadata"]


def test_anothers_field_is_a_conflict(api: Api) -> None:
    api.apply(MAPS, config_map(a="1")).ok()
    answer = api.apply(MAPS, config_map(a="2"), manager="two")
    expect_refusal(answer, 409, 'Apply failed with 1 conflict: conflict with "one": .data.a')
    assert answer.body["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "one"', "field": ".data.a"}
    ]


def test_all_conflicts_are_told_at_once(api: Api) -> None:
    api.apply("deployments", deployment(replicas=0)).ok()
    answer = api.apply("deployments", deployment("web", container(image="nginx:1.28"), replicas=1), manager="two")
    image = '.spec.template.spec.containers[name="web"].image'
    expect_refusal(answer, 409, f'Apply failed with 2 conflicts: conflicts with "one":\n- .spec.replicas\n- {image}')
    assert [field for field, _ in causes(answer)] == [".spec.replicas", image]


def test_the_same_value_is_shared_not_fought_over(api: Api) -> None:
    api.apply(MAPS, config_map(a="1")).ok()
    found = api.apply(MAPS, config_map(a="1"), manager="two").ok()
    assert sorted(_managers(found)) == [("one", "Apply"), ("two", "Apply")]


def test_force_takes_the_field_over(api: Api) -> None:
    api.apply(MAPS, config_map(a="1", b="1")).ok()
    found = api.apply(MAPS, config_map(a="2"), manager="two", force="true").ok()
    assert found["data"] == {"a": "2", "b": "1"}
    fields = {entry["manager"]: entry["fieldsV1"] for entry in found["metadata"]["managedFields"]}
    assert fields == {"one": {"f:data": {"f:b": {}}}, "two": {"f:data": {"f:a": {}}}}


def test_what_is_no_longer_applied_is_removed(api: Api) -> None:
    api.apply(MAPS, config_map(a="1", b="2")).ok()
    assert api.apply(MAPS, config_map(a="1")).ok()["data"] == {"a": "1"}


def test_what_somebody_else_wants_too_stays(api: Api) -> None:
    api.apply(MAPS, config_map(a="1", b="2")).ok()
    api.apply(MAPS, config_map(b="2"), manager="two").ok()
    assert api.apply(MAPS, config_map(a="1")).ok()["data"] == {"a": "1", "b": "2"}


def test_an_update_owns_what_it_changes(api: Api) -> None:
    api.apply(MAPS, config_map(a="1", b="1")).ok()
    api.patch(MAPS, "settings", {"data": {"b": "2"}}, fieldManager="editor").ok()
    answer = api.apply(MAPS, config_map(a="1", b="1"))
    expect_refusal(answer, 409, 'Apply failed with 1 conflict: conflict with "editor"', starts=True)
    assert answer.body["message"].endswith(": .data.b")


def test_list_maps_are_merged_by_key(api: Api) -> None:
    api.apply("deployments", deployment("web", container("a"), replicas=0)).ok()
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"template": {"spec": {"containers": [{"name": "b", "image": "busybox:1.36"}]}}},
    }
    found = api.apply("deployments", body, manager="two").ok()
    assert [one["name"] for one in found["spec"]["template"]["spec"]["containers"]] == ["a", "b"]
    body["spec"]["template"]["spec"]["containers"] = []  # type: ignore[index]
    found = api.apply("deployments", body, manager="two").ok()
    assert [one["name"] for one in found["spec"]["template"]["spec"]["containers"]] == ["a"]


def test_service_ports_are_keyed_by_number_and_protocol(api: Api) -> None:
    api.apply("services", service(ports=[{"name": "a", "port": 53, "protocol": "TCP"}])).ok()
    other = service(ports=[{"name": "b", "port": 53, "protocol": "UDP"}])
    found = api.apply("services", other, manager="two").ok()
    assert [(port["port"], port["protocol"]) for port in found["spec"]["ports"]] == [(53, "TCP"), (53, "UDP")]


def test_env_is_keyed_by_name_and_args_are_one_value(api: Api) -> None:
    first = container("a", env=[{"name": "X", "value": "1"}], args=["--one"])
    api.apply("deployments", deployment("web", first, replicas=0)).ok()
    second = container("a", env=[{"name": "Y", "value": "2"}], args=["--two"])
    answer = api.apply("deployments", deployment("web", second, replicas=0), manager="two")
    expect_refusal(
        answer,
        409,
        'Apply failed with 1 conflict: conflict with "one": .spec.template.spec.containers[name="a"].args',
    )


def test_apply_is_strict_about_fields_and_keys(api: Api) -> None:
    answer = api.apply(MAPS, {**config_map("u"), "dat": {}})
    assert answer.code == 500
    assert answer.body["message"] == (
        "failed to create typed patch object (/u; /v1, Kind=ConfigMap): .dat: field not declared in schema"
    )
    answer = api.apply("pods", pod("p", container(), container()))
    assert answer.code == 500
    assert answer.body["message"] == (
        "failed to create typed patch object (/p; /v1, Kind=Pod): "
        '.spec.containers: duplicate entries for key [name="web"]'
    )


def test_managed_fields_cannot_be_applied(api: Api) -> None:
    body = {**config_map(), "metadata": {"name": "settings", "managedFields": [{}]}}
    expect_refusal(api.apply(MAPS, body), 400, "metadata.managedFields must be nil")


def test_managed_fields_are_reset_by_an_empty_entry(api: Api) -> None:
    api.apply(MAPS, config_map(a="1")).ok()
    found = api.patch(MAPS, "settings", {"metadata": {"managedFields": [{}]}}).ok()
    assert "managedFields" not in found["metadata"]


def test_a_create_owns_what_it_wrote_by_the_name_of_its_program(api: Api) -> None:
    found = api.create(MAPS, config_map(a="1")).ok()
    assert _managers(found) == [("conformance", "Update")]
    assert found["metadata"]["managedFields"][0]["fieldsV1"] == {"f:data": {".": {}, "f:a": {}}}


def test_the_status_is_owned_apart(api: Api) -> None:
    api.apply("deployments", deployment(replicas=0)).ok()
    path = api.at("deployments", "web", "status")
    patch = {"status": {"collisionCount": 1}}
    query = {"fieldManager": "conductor"}
    found = api.request("PATCH", path, patch, content_type="application/merge-patch+json", query=query).ok()
    [entry] = [one for one in found["metadata"]["managedFields"] if one["manager"] == "conductor"]
    assert entry["subresource"] == "status"
