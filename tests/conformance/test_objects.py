"""One object's life: names, versions, preconditions, dry runs, generations, collections."""

from __future__ import annotations

import re

import pytest

from .bodies import config_map, deployment, pod, service
from .client import JSON_PATCH, STRATEGIC, Api
from .expectations import causes, expect_refusal

MAPS = "configmaps"
RFC_1123 = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


def test_what_is_not_there_is_not_found(api: Api) -> None:
    answer = api.get("deployments", "no")
    expect_refusal(answer, 404, 'deployments.apps "no" not found')
    assert answer.body["details"] == {"name": "no", "group": "apps", "kind": "deployments"}
    for again in (api.delete(MAPS, "no"), api.patch(MAPS, "no", {"data": {}}), api.get(MAPS, "no")):
        expect_refusal(again, 404, 'configmaps "no" not found')
        assert again.body["details"] == {"name": "no", "kind": "configmaps"}


def test_nothing_can_be_created_in_a_namespace_that_is_not_there(api: Api) -> None:
    answer = api.request("POST", "/api/v1/namespaces/nope/configmaps", config_map())
    expect_refusal(answer, 404, 'namespaces "nope" not found')


def test_a_list_in_a_namespace_that_is_not_there_is_empty(api: Api) -> None:
    assert api.request("GET", "/api/v1/namespaces/nope/configmaps").ok()["items"] == []


def test_a_name_that_is_taken_already_exists(api: Api) -> None:
    api.create(MAPS, config_map()).ok()
    answer = api.create(MAPS, config_map())
    expect_refusal(answer, 409, 'configmaps "settings" already exists', reason="AlreadyExists")
    assert answer.body["details"] == {"name": "settings", "kind": "configmaps"}


def test_a_name_is_a_subdomain(api: Api) -> None:
    answer = api.create(MAPS, config_map("A_b"))
    said = f'metadata.name: Invalid value: "A_b": {RFC_1123}'
    expect_refusal(answer, 422, f'ConfigMap "A_b" is invalid: {said}')
    assert causes(answer) == [("metadata.name", "FieldValueInvalid")]


def test_a_name_is_required(api: Api) -> None:
    answer = api.create(MAPS, {"metadata": {}})
    said = "metadata.name: Required value: name or generateName is required"
    expect_refusal(answer, 422, f'ConfigMap "" is invalid: {said}')
    assert causes(answer) == [("metadata.name", "FieldValueRequired")]


def test_a_generated_name_ends_in_five_characters_that_spell_nothing(api: Api) -> None:
    found = api.create(MAPS, {"metadata": {"generateName": "x-"}}).ok()["metadata"]
    assert found["generateName"] == "x-"
    assert re.fullmatch("x-[bcdfghjklmnpqrstvwxz2456789]{5}", found["name"])


def test_a_long_generated_name_is_cut_before_its_ending(api: Api) -> None:
    found = api.create(MAPS, {"metadata": {"generateName": "y" * 70}}).ok()["metadata"]
    assert len(found["name"]) == 63
    assert found["name"].startswith("y" * 58)


def test_an_update_of_an_old_version_is_a_conflict(api: Api) -> None:
    api.create(MAPS, config_map()).ok()
    old = {**config_map(), "metadata": {"name": "settings", "resourceVersion": "1"}}
    said = f'Operation cannot be fulfilled on configmaps "settings": {MODIFIED}'
    expect_refusal(api.update(MAPS, old), 409, said)
    expect_refusal(api.patch(MAPS, "settings", {"metadata": {"resourceVersion": "1"}}), 409, said)


def test_an_update_without_a_version_always_passes(api: Api) -> None:
    api.create(MAPS, config_map(a="1")).ok()
    assert api.update(MAPS, config_map(b="2")).ok()["data"] == {"b": "2"}


def test_an_update_that_changes_nothing_keeps_the_version(api: Api) -> None:
    made = api.create(MAPS, config_map(a="1")).ok()
    assert (
        api.update(MAPS, config_map(a="1")).ok()["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    )


def test_a_delete_can_ask_for_a_uid_or_a_version(api: Api) -> None:
    made = api.create(MAPS, config_map()).ok()["metadata"]
    said = 'Operation cannot be fulfilled on ConfigMap "settings": the '
    answer = api.delete(MAPS, "settings", {"preconditions": {"uid": "abc"}})
    uid = f"UID in the precondition (abc) does not match the UID in record ({made['uid']})"
    expect_refusal(answer, 409, f"{said}{uid}. The object might have been deleted and then recreated")
    answer = api.delete(MAPS, "settings", {"preconditions": {"resourceVersion": "1"}})
    version = (
        f"ResourceVersion in the precondition (1) does not match the ResourceVersion in record "
        f"({made['resourceVersion']})"
    )
    expect_refusal(answer, 409, f"{said}{version}. The object might have been modified")
    api.delete(MAPS, "settings", {"preconditions": {"uid": made["uid"]}}).ok()


def test_a_delete_answers_with_what_it_deleted(api: Api) -> None:
    made = api.create(MAPS, config_map()).ok()["metadata"]
    answer = api.delete(MAPS, "settings").ok()
    assert (answer["kind"], answer["status"]) == ("Status", "Success")
    assert answer["details"] == {"name": "settings", "kind": "configmaps", "uid": made["uid"]}


def test_a_put_creates_nothing(api: Api) -> None:
    expect_refusal(api.update(MAPS, config_map()), 404, 'configmaps "settings" not found')


def test_the_server_owns_uid_and_creation_time(api: Api) -> None:
    made = api.create(MAPS, config_map()).ok()["metadata"]
    changes = {"metadata": {"creationTimestamp": None, "generation": 7, "selfLink": "x"}}
    found = api.patch(MAPS, "settings", changes).ok()["metadata"]
    assert (found["uid"], found["creationTimestamp"]) == (made["uid"], made["creationTimestamp"])
    assert "generation" not in found
    answer = api.patch(MAPS, "settings", {"metadata": {"uid": "1"}})
    expect_refusal(answer, 422, 'ConfigMap "settings" is invalid: metadata.uid: Invalid value: "1": field is immutable')


# --- dry run ---


def test_a_dry_run_of_create_keeps_nothing(api: Api) -> None:
    answer = api.create(MAPS, config_map(), dryRun="All")
    assert answer.code == 201
    assert answer.body["metadata"]["uid"]
    assert "resourceVersion" not in answer.body["metadata"]
    assert api.get(MAPS, "settings").code == 404


def test_a_deletion_with_a_body_reads_no_dry_run_from_its_query(api: Api) -> None:
    api.create(MAPS, config_map()).ok()
    options = {"kind": "DeleteOptions", "apiVersion": "v1"}
    api.delete(MAPS, "settings", {**options, "dryRun": ["All"]}).ok()
    assert api.get(MAPS, "settings").code == 200
    api.delete(MAPS, "settings", options, dryRun="All").ok()
    assert api.get(MAPS, "settings").code == 404


@pytest.mark.parametrize("verb", ["update", "patch", "apply", "delete", "deletecollection"])
def test_a_dry_run_changes_nothing(api: Api, verb: str) -> None:
    before = api.create(MAPS, config_map(a="1")).ok()
    calls = {
        "update": lambda: api.update(MAPS, config_map(a="2"), dryRun="All"),
        "patch": lambda: api.patch(MAPS, "settings", {"data": {"a": "2"}}, dryRun="All"),
        "apply": lambda: api.apply(MAPS, config_map(b="2"), dryRun="All"),
        "delete": lambda: api.delete(MAPS, "settings", dryRun="All"),
        "deletecollection": lambda: api.delete(MAPS, dryRun="All"),
    }
    answer = calls[verb]().ok()
    if verb in ("update", "patch"):
        assert answer["data"] == {"a": "2"}
    assert api.get(MAPS, "settings").ok() == before


def test_a_dry_run_is_validated_and_admitted(api: Api) -> None:
    assert api.create("pods", pod("A"), dryRun="All").code == 422
    answer = api.create("pods", pod("web", serviceAccountName="none"), dryRun="All")
    assert answer.code == 403


# --- generation ---


def test_the_generation_counts_changes_of_the_spec(api: Api) -> None:
    assert api.create("deployments", deployment(replicas=0)).ok()["metadata"]["generation"] == 1
    changed = api.patch("deployments", "web", {"spec": {"minReadySeconds": 1}}).ok()
    assert changed["metadata"]["generation"] == 2
    labelled = api.patch("deployments", "web", {"metadata": {"labels": {"a": "b"}}}).ok()
    assert labelled["metadata"]["generation"] == 2


def test_an_annotation_on_a_deployment_counts_as_a_change_of_its_spec(api: Api) -> None:
    api.create("deployments", deployment(replicas=0)).ok()
    changed = api.patch("deployments", "web", {"metadata": {"annotations": {"a": "b"}}}).ok()
    assert changed["metadata"]["generation"] == 2


def test_services_and_config_maps_have_no_generation_but_pods_do(api: Api) -> None:
    assert "generation" not in api.create(MAPS, config_map()).ok()["metadata"]
    assert "generation" not in api.create("services", service()).ok()["metadata"]
    assert api.create("pods", pod(schedulerName="nobody")).ok()["metadata"]["generation"] == 1
    image = {"spec": {"containers": [{"name": "web", "image": "nginx:1.28"}]}}
    assert api.patch("pods", "web", image, STRATEGIC).ok()["metadata"]["generation"] == 2


# --- collections ---


def test_a_collection_is_deleted_by_label(api: Api) -> None:
    for name, value in (("a", "x"), ("b", "x"), ("c", "y")):
        api.create(MAPS, config_map(name, labels={"k": value})).ok()
    answer = api.delete(MAPS, labelSelector="k=x").ok()
    assert answer["kind"] == "ConfigMapList"
    assert [item["metadata"]["name"] for item in answer["items"]] == ["a", "b"]
    left = api.get(MAPS, labelSelector="k").ok()["items"]
    assert [item["metadata"]["name"] for item in left] == ["c"]


def test_a_failing_test_of_a_json_patch_leaves_everything(api: Api) -> None:
    made = api.create(MAPS, config_map(a="1")).ok()
    patch = [{"op": "replace", "path": "/data/a", "value": "2"}, {"op": "test", "path": "/data/a", "value": "3"}]
    answer = api.patch(MAPS, "settings", patch, JSON_PATCH)
    expect_refusal(answer, 422, "the server rejected our request due to an error in our request")
    assert api.get(MAPS, "settings").ok() == made
