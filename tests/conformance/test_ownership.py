"""Owners, finalizers and propagation: what goes, in which order, and what stays."""

from __future__ import annotations

from typing import Any

import pytest

from .bodies import config_map, deployment, pod
from .client import Api
from .expectations import expect_refusal

MAPS = "configmaps"


def _owned(api: Api, *, blocking: bool = False) -> None:
    owner = api.create(MAPS, config_map("owner")).ok()["metadata"]
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["uid"]}
    body = config_map("owned")
    body["metadata"]["ownerReferences"] = [reference | ({"blockOwnerDeletion": True} if blocking else {})]
    api.create(MAPS, body).ok()


def _gone(api: Api, name: str) -> bool:
    return api.get(MAPS, name).code == 404


def test_what_is_owned_goes_with_its_owner(api: Api) -> None:
    _owned(api)
    api.delete(MAPS, "owner").ok()
    assert _gone(api, "owner")
    api.eventually(lambda: _gone(api, "owned"))


def test_an_orphan_stays_and_loses_its_reference(api: Api) -> None:
    _owned(api)
    api.delete(MAPS, "owner", {"propagationPolicy": "Orphan"}).ok()
    api.eventually(lambda: _gone(api, "owner"))
    assert "ownerReferences" not in api.get(MAPS, "owned").ok()["metadata"]


def test_in_the_foreground_the_owner_goes_last(api: Api) -> None:
    _owned(api, blocking=True)
    api.patch(MAPS, "owned", {"metadata": {"finalizers": ["example.com/wait"]}}).ok()
    answer = api.delete(MAPS, "owner", {"propagationPolicy": "Foreground"}).ok()
    assert answer["kind"] == "ConfigMap"
    assert answer["metadata"]["finalizers"] == ["foregroundDeletion"]
    assert answer["metadata"]["deletionTimestamp"]
    api.eventually(lambda: "deletionTimestamp" in api.get(MAPS, "owned").ok()["metadata"])
    assert api.get(MAPS, "owner").code == 200
    api.patch(MAPS, "owned", {"metadata": {"finalizers": None}}).ok()
    api.eventually(lambda: _gone(api, "owner"))


def test_an_owner_that_never_was_takes_its_own_along(api: Api) -> None:
    body = config_map("owned")
    uid = "00000000-0000-0000-0000-000000000000"
    body["metadata"]["ownerReferences"] = [{"apiVersion": "v1", "kind": "ConfigMap", "name": "never", "uid": uid}]
    api.create(MAPS, body).ok()
    api.eventually(lambda: _gone(api, "owned"))


def test_a_finalizer_holds_an_object_back(api: Api) -> None:
    body = config_map()
    body["metadata"]["finalizers"] = ["example.com/wait"]
    api.create(MAPS, body).ok()
    answer = api.delete(MAPS, "settings").ok()
    assert answer["metadata"]["deletionTimestamp"]
    assert answer["metadata"]["deletionGracePeriodSeconds"] == 0
    again = api.delete(MAPS, "settings").ok()
    assert again["metadata"]["deletionTimestamp"] == answer["metadata"]["deletionTimestamp"]
    api.patch(MAPS, "settings", {"metadata": {"finalizers": []}}).ok()
    assert _gone(api, "settings")


def test_of_what_is_being_deleted_no_finalizer_can_be_added(api: Api) -> None:
    body = config_map()
    body["metadata"]["finalizers"] = ["example.com/wait"]
    api.create(MAPS, body).ok()
    api.delete(MAPS, "settings").ok()
    answer = api.patch(MAPS, "settings", {"metadata": {"finalizers": ["example.com/wait", "example.com/more"]}})
    api.patch(MAPS, "settings", {"metadata": {"finalizers": None}})
    expect_refusal(
        answer,
        422,
        'ConfigMap "settings" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added if the '
        'object is being deleted, found new finalizers []string{"example.com/more"}',
    )


def test_two_controllers_are_one_too_many(api: Api) -> None:
    body = config_map("owned")
    body["metadata"]["ownerReferences"] = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": name, "controller": True} for name in ("a", "b")
    ]
    answer = api.create(MAPS, body)
    assert answer.code == 422
    assert "Only one reference can have Controller set to true" in answer.body["message"]


@pytest.mark.parametrize("policy", ["Background", "Foreground"])
def test_a_deployment_takes_its_replica_sets_and_pods_along(api: Api, policy: str) -> None:
    api.create("deployments", deployment(replicas=1)).ok()
    api.eventually(lambda: api.get("pods").ok()["items"])
    api.delete("deployments", "web", {"propagationPolicy": policy}).ok()

    def counts() -> list[int]:
        return [len(api.get(one).ok()["items"]) for one in ("deployments", "replicasets", "pods")]

    api.eventually(lambda: counts() == [0, 0, 0])


def test_an_orphaned_replica_set_is_adopted(api: Api) -> None:
    api.create("deployments", deployment(replicas=1)).ok()
    [before] = api.eventually(lambda: api.get("replicasets").ok()["items"])
    api.delete("deployments", "web", {"propagationPolicy": "Orphan"}).ok()
    api.eventually(lambda: "ownerReferences" not in api.get("replicasets").ok()["items"][0]["metadata"])
    made = api.eventually(lambda: _created(api))

    def owners() -> Any:
        [found] = api.get("replicasets").ok()["items"]
        assert found["metadata"]["uid"] == before["metadata"]["uid"]
        return [one["uid"] for one in found["metadata"].get("ownerReferences", [])]

    api.eventually(lambda: owners() == [made["metadata"]["uid"]])


def _created(api: Api) -> Any:
    answer = api.create("deployments", deployment(replicas=1))
    return answer.body if answer.code == 201 else None


def test_a_pod_ends_gracefully(api: Api) -> None:
    api.create("pods", pod(terminationGracePeriodSeconds=30)).ok()
    api.eventually(lambda: api.get("pods", "web").ok()["status"]["phase"] == "Running")
    answer = api.delete("pods", "web", {"gracePeriodSeconds": 20}).ok()
    assert answer["kind"] == "Pod"
    assert answer["metadata"]["deletionGracePeriodSeconds"] == 20
    api.eventually(lambda: api.get("pods", "web").code == 404)


def test_a_pod_on_no_node_ends_at_once(api: Api) -> None:
    api.create("pods", pod(terminationGracePeriodSeconds=30, schedulerName="nobody")).ok()
    answer = api.delete("pods", "web").ok()
    assert answer["metadata"]["deletionGracePeriodSeconds"] == 0
    assert api.get("pods", "web").code == 404
