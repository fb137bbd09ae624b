"""The life of objects: identity, versions, generation, dry runs, deletion."""

import re
from typing import Any

import pytest

from tests.simulator.conftest import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    JSON_PATCH,
    PODS,
    Api,
    config_map,
    deployment,
    pod,
)


def test_a_created_object_gets_its_identity_from_the_server(api: Api) -> None:
    made = api.create(DEPLOYMENTS, deployment())
    meta = made["metadata"]
    assert re.fullmatch(r"[0-9a-f-]{36}", meta["uid"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", meta["creationTimestamp"])
    assert meta["generation"] == 1
    assert meta["namespace"] == "default"
    assert (made["kind"], made["apiVersion"]) == ("Deployment", "apps/v1")
    assert api.get(f"{DEPLOYMENTS}/web") == made


def test_one_counter_numbers_the_versions_of_every_kind(api: Api) -> None:
    first = api.create(CONFIG_MAPS, config_map("a"))
    second = api.create(PODS, pod())
    versions = [int(one["metadata"]["resourceVersion"]) for one in (first, second)]
    assert versions == [versions[0], versions[0] + 1]


def test_the_same_name_twice_is_refused(api: Api) -> None:
    api.create(DEPLOYMENTS, deployment())
    refused = api.create(DEPLOYMENTS, deployment())
    assert (refused["code"], refused["reason"]) == (409, "AlreadyExists")
    assert refused["message"] == 'deployments.apps "web" already exists'


def test_a_generated_name_extends_its_base(api: Api) -> None:
    body = {"metadata": {"generateName": "web-"}, "data": {}}
    names = {api.create(CONFIG_MAPS, body)["metadata"]["name"] for _ in range(5)}
    assert len(names) == 5
    assert all(re.fullmatch("web-[bcdfghjklmnpqrstvwxz2456789]{5}", name) for name in names)


def test_equal_seeds_give_equal_uids() -> None:
    from tests.simulator.conftest import serving

    uids = []
    for _ in range(2):
        with serving(seed=7) as api:
            uids.append(api.get("/api/v1/namespaces/kube-system")["metadata"]["uid"])
    assert uids[0] == uids[1]


def test_a_put_with_a_stale_version_is_a_conflict(api: Api) -> None:
    stale = api.create(DEPLOYMENTS, deployment())
    api.patch(f"{DEPLOYMENTS}/web", {"spec": {"replicas": 2}})
    refused = api.update(f"{DEPLOYMENTS}/web", stale)
    assert (refused["code"], refused["reason"]) == (409, "Conflict")
    assert refused["message"] == (
        'Operation cannot be fulfilled on deployments.apps "web": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )


def test_a_put_without_a_version_overwrites(api: Api) -> None:
    api.create(DEPLOYMENTS, deployment())
    made = api.update(f"{DEPLOYMENTS}/web", deployment(replicas=4))
    assert made["spec"]["replicas"] == 4


def test_a_patch_that_names_a_stale_version_is_a_conflict(api: Api) -> None:
    old = api.create(CONFIG_MAPS, config_map("a"))["metadata"]["resourceVersion"]
    api.patch(f"{CONFIG_MAPS}/a", {"data": {"k": "v"}})
    refused = api.patch(f"{CONFIG_MAPS}/a", {"metadata": {"resourceVersion": old}, "data": {"k": "w"}})
    assert (refused["code"], refused["reason"]) == (409, "Conflict")


def test_another_uid_is_a_conflict(api: Api) -> None:
    api.create(CONFIG_MAPS, config_map("a"))
    body = config_map("a")
    body["metadata"]["uid"] = "other"
    refused = api.update(f"{CONFIG_MAPS}/a", body)
    assert refused["code"] == 409
    assert "Precondition failed: UID in precondition: other" in refused["message"]


def test_a_patch_may_not_change_uid_or_name(api: Api) -> None:
    api.create(CONFIG_MAPS, config_map("a"))
    refused = api.patch(f"{CONFIG_MAPS}/a", {"metadata": {"uid": "other"}})
    assert refused["message"] == ('ConfigMap "a" is invalid: metadata.uid: Invalid value: "other": field is immutable')
    assert api.patch(f"{CONFIG_MAPS}/a", {"metadata": {"name": "b"}})["code"] == 400


@pytest.mark.parametrize(
    ("change", "bumps"),
    [
        ({"spec": {"replicas": 3}}, True),
        ({"metadata": {"labels": {"x": "y"}}}, False),
        ({"metadata": {"annotations": {"x": "y"}}}, True),
        ({"status": {"replicas": 3}}, False),
    ],
    ids=["spec", "labels", "annotations", "status"],
)
def test_a_deployments_generation_counts_spec_and_annotations(api: Api, change: Any, bumps: bool) -> None:
    api.create(DEPLOYMENTS, deployment())
    changed = api.patch(f"{DEPLOYMENTS}/web", change)
    assert changed["metadata"]["generation"] == (2 if bumps else 1)


def test_a_kind_without_generation_has_none(api: Api) -> None:
    assert "generation" not in api.create(CONFIG_MAPS, config_map("a"))["metadata"]


def test_a_write_that_changes_nothing_takes_no_version(api: Api) -> None:
    made = api.create(DEPLOYMENTS, deployment())
    assert api.patch(f"{DEPLOYMENTS}/web", {"spec": {"replicas": 1}}) == made
    assert api.update(f"{DEPLOYMENTS}/web", made) == made


def test_clients_cannot_set_what_the_server_owns(api: Api) -> None:
    body = config_map("a")
    body["metadata"] |= {"uid": "mine", "creationTimestamp": "2001-01-01T00:00:00Z", "generation": 7}
    meta = api.create(CONFIG_MAPS, body)["metadata"]
    assert meta["uid"] != "mine"
    assert meta["creationTimestamp"] > "2001-01-01T00:00:00Z"
    assert "generation" not in meta


def test_an_emptied_list_and_a_null_are_not_kept(api: Api) -> None:
    body = deployment("web", {"name": "web", "image": "nginx:1", "env": [{"name": "A", "value": "b"}], "args": None})
    api.create(DEPLOYMENTS, body)
    operation = {"op": "remove", "path": "/spec/template/spec/containers/0/env/0"}
    changed = api.patch(f"{DEPLOYMENTS}/web", [operation], JSON_PATCH)
    kept = changed["spec"]["template"]["spec"]["containers"][0]
    assert "env" not in kept
    assert "args" not in kept


class TestDryRun:
    """dryRun=All answers as a write would and changes nothing."""

    def test_a_dry_create_shows_the_object_and_stores_none(self, api: Api) -> None:
        shown = api.create(DEPLOYMENTS, deployment(), dryRun="All")
        assert shown["spec"]["replicas"] == 1
        assert shown["metadata"]["uid"]
        assert "resourceVersion" not in shown["metadata"]
        assert api.get(f"{DEPLOYMENTS}/web")["code"] == 404

    def test_a_dry_patch_shows_the_change_and_stores_none(self, api: Api) -> None:
        made = api.create(DEPLOYMENTS, deployment())
        shown = api.patch(f"{DEPLOYMENTS}/web", {"spec": {"replicas": 3}}, dryRun="All")
        assert (shown["spec"]["replicas"], shown["metadata"]["generation"]) == (3, 2)
        assert shown["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
        assert api.get(f"{DEPLOYMENTS}/web") == made

    def test_a_dry_delete_leaves_the_object(self, api: Api) -> None:
        made = api.create(DEPLOYMENTS, deployment())
        assert api.delete(f"{DEPLOYMENTS}/web", dryRun="All")["status"] == "Success"
        assert api.get(f"{DEPLOYMENTS}/web") == made

    def test_a_dry_run_refuses_what_a_write_refuses(self, api: Api) -> None:
        assert api.create(DEPLOYMENTS, deployment(replicas=-1), dryRun="All")["code"] == 422

    def test_nobody_watching_hears_of_a_dry_run(self, api: Api) -> None:
        version = api.create(DEPLOYMENTS, deployment())["metadata"]["resourceVersion"]
        api.patch(f"{DEPLOYMENTS}/web", {"spec": {"replicas": 3}}, dryRun="All")
        api.patch(f"{DEPLOYMENTS}/web", {"spec": {"replicas": 5}})
        [event] = api.events(DEPLOYMENTS, 1, resourceVersion=version)
        assert event["object"]["spec"]["replicas"] == 5

    def test_anything_but_all_is_refused(self, api: Api) -> None:
        refused = api.create(DEPLOYMENTS, deployment(), dryRun="Some")
        assert refused["code"] == 422
        assert 'supported values: "All"' in refused["message"]


class TestDeletion:
    """Finalizers, grace periods and preconditions."""

    def test_a_plain_object_goes_at_once(self, api: Api) -> None:
        made = api.create(DEPLOYMENTS, deployment())
        answer = api.delete(f"{DEPLOYMENTS}/web")
        assert answer["status"] == "Success"
        assert answer["details"] == {
            "name": "web", "group": "apps", "kind": "deployments", "uid": made["metadata"]["uid"],
        }  # fmt: skip
        assert api.get(f"{DEPLOYMENTS}/web")["reason"] == "NotFound"

    def test_a_finalizer_keeps_the_object_until_it_is_removed(self, api: Api) -> None:
        body = config_map("a")
        body["metadata"]["finalizers"] = ["example.com/wait"]
        api.create(CONFIG_MAPS, body)
        waiting = api.delete(f"{CONFIG_MAPS}/a")
        assert waiting["metadata"]["deletionTimestamp"]
        assert api.get(f"{CONFIG_MAPS}/a")["metadata"]["finalizers"] == ["example.com/wait"]
        api.patch(f"{CONFIG_MAPS}/a", {"metadata": {"finalizers": None}})
        assert api.get(f"{CONFIG_MAPS}/a")["code"] == 404

    def test_a_scheduled_pod_is_given_its_grace_period(self, api: Api) -> None:
        api.create(PODS, pod(nodeName="node-1", terminationGracePeriodSeconds=20))
        ending = api.delete(f"{PODS}/web")
        assert ending["metadata"]["deletionGracePeriodSeconds"] == 20
        assert ending["metadata"]["generation"] == 2
        assert api.get(f"{PODS}/web")["metadata"]["deletionTimestamp"]
        api.delete(f"{PODS}/web", {"gracePeriodSeconds": 0})
        assert api.get(f"{PODS}/web")["code"] == 404

    def test_a_second_deletion_may_only_shorten_the_grace(self, api: Api) -> None:
        api.create(PODS, pod(nodeName="node-1"))
        first = api.delete(f"{PODS}/web", gracePeriodSeconds="10")
        assert api.delete(f"{PODS}/web", gracePeriodSeconds="60") == first
        assert api.delete(f"{PODS}/web", gracePeriodSeconds="5")["metadata"]["deletionGracePeriodSeconds"] == 5

    def test_an_unscheduled_pod_goes_at_once(self, api: Api) -> None:
        api.create(PODS, pod())
        assert api.delete(f"{PODS}/web")["kind"] == "Pod"
        assert api.get(f"{PODS}/web")["code"] == 404

    def test_a_finished_pod_goes_at_once(self, api: Api) -> None:
        api.create(PODS, pod(nodeName="node-1"))
        api.patch(f"{PODS}/web/status", {"status": {"phase": "Succeeded"}})
        api.delete(f"{PODS}/web")
        assert api.get(f"{PODS}/web")["code"] == 404

    def test_another_uid_protects_from_deletion(self, api: Api) -> None:
        api.create(PODS, pod())
        refused = api.delete(f"{PODS}/web", {"preconditions": {"uid": "other"}})
        assert (refused["code"], refused["reason"]) == (409, "Conflict")
        assert refused["message"].startswith(
            'Operation cannot be fulfilled on Pod "web": the UID in the precondition (other) does not match'
        )
        assert api.get(f"{PODS}/web")["kind"] == "Pod"

    def test_foreground_deletion_waits_behind_a_finalizer(self, api: Api) -> None:
        api.create(DEPLOYMENTS, deployment())
        waiting = api.delete(f"{DEPLOYMENTS}/web", {"propagationPolicy": "Foreground"})
        assert waiting["metadata"]["finalizers"] == ["foregroundDeletion"]

    def test_a_collection_is_deleted_by_its_labels(self, api: Api) -> None:
        api.create(CONFIG_MAPS, config_map("a", labels={"x": "1"}))
        api.create(CONFIG_MAPS, config_map("b", labels={"x": "2"}))
        gone = api.delete(CONFIG_MAPS, labelSelector="x=1")
        assert [one["metadata"]["name"] for one in gone["items"]] == ["a"]
        assert [one["metadata"]["name"] for one in api.get(CONFIG_MAPS)["items"]] == ["b"]


class TestNamespaces:
    """What a namespace allows and how it ends."""

    def test_the_system_namespaces_are_there_from_the_start(self, api: Api) -> None:
        names = [one["metadata"]["name"] for one in api.get("/api/v1/namespaces")["items"]]
        assert names == ["default", "kube-node-lease", "kube-public", "kube-system"]
        found = api.get("/api/v1/namespaces/default")
        assert found["status"] == {"phase": "Active"}
        assert found["metadata"]["labels"] == {"kubernetes.io/metadata.name": "default"}

    def test_nothing_is_created_in_a_namespace_that_is_not_there(self, api: Api) -> None:
        refused = api.create("/api/v1/namespaces/none/configmaps", config_map("a"))
        assert (refused["code"], refused["message"]) == (404, 'namespaces "none" not found')

    def test_a_terminating_namespace_takes_nothing_new_and_goes_when_finalized(self, api: Api) -> None:
        api.create("/api/v1/namespaces", {"metadata": {"name": "shop"}})
        ending = api.delete("/api/v1/namespaces/shop")
        assert ending["status"]["phase"] == "Terminating"
        refused = api.create("/api/v1/namespaces/shop/configmaps", config_map("a"))
        assert (refused["code"], refused["details"]["causes"][0]["reason"]) == (403, "NamespaceTerminating")
        api.update("/api/v1/namespaces/shop/finalize", ending | {"spec": {}})
        assert api.get("/api/v1/namespaces/shop")["code"] == 404

    def test_default_cannot_be_deleted(self, api: Api) -> None:
        refused = api.delete("/api/v1/namespaces/default")
        assert refused["message"] == 'namespaces "default" is forbidden: this namespace may not be deleted'
