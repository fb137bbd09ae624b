"""ControllerRevisions as the rollout history of a DaemonSet or StatefulSet: their templates and their pods."""

from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from evidence.snapshots import owned_controller_revisions
from incidents.objects import ChangeId, reference
from incidents.proposals import RollBack
from incidents.snapshot import REVISION, Snapshot, as_replica_set, revision_number, template_digest
from remediation.seal import seal
from simulator.controllers.revisions import revision_of
from tests.builders import NOW, container, owned_by, pod, proposal, template
from tools.cluster.errors import Forbidden
from tools.cluster.reader import Reader
from tools.cluster.transport import Query, Transport

Object = dict[str, Any]


def daemon_set(kind: str = "DaemonSet") -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": "web", "namespace": "shop", "uid": "uid-web"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template()},
    }


def revision(number: int, hash_: str, *, image: str = "nginx:1.27", owner: str = "uid-web", **data: Any) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": f"web-{hash_}",
            "namespace": "shop",
            "uid": f"uid-{hash_}",
            "labels": {"app": "web", "controller-revision-hash": hash_},
            "ownerReferences": [owned_by("DaemonSet", "web", owner)],
        },
        "revision": number,
        "data": data or {"spec": {"template": {**template(container(image=image)), "$patch": "replace"}}},
    }


class Serving(Transport):
    """Serves one list, or refuses it."""

    def __init__(self, *items: Object, refuse: bool = False) -> None:
        self._items = items
        self._refuse = refuse
        self.asked: list[str] = []

    async def read(self, path: str, query: Query | None = None) -> bytes:
        self.asked.append(path)
        if self._refuse:
            raise Forbidden("may not", code=403)
        return orjson.dumps({"items": list(self._items), "metadata": {}})


def of(name: str, hash_: str, *, ready: bool) -> Object:
    made = pod(name=name, ready=ready)
    made["metadata"]["labels"] = {"app": "web", "controller-revision-hash": hash_}
    return made


async def test_the_revisions_that_the_workload_owns_are_read_with_their_templates() -> None:
    served = Serving(revision(1, "a"), revision(2, "b", image="nginx:9"), revision(3, "c", owner="stranger"))
    found = await owned_controller_revisions(Reader(served), daemon_set())
    assert [revision_number(item) for item in found] == [1, 2]
    assert template_digest(found[0]["spec"]["template"]) == template_digest(template())
    assert served.asked == ["/apis/apps/v1/namespaces/shop/controllerrevisions"]


def test_a_revision_that_no_controller_counts_to_is_none() -> None:
    for text, number in (("9" * 19, int("9" * 19)), ("9" * 20, 0), ("9" * 4301, 0)):
        numbered = {"metadata": {"annotations": {REVISION: text}}}
        assert (revision_number(numbered), revision_of(numbered)) == (number, number)


async def test_a_right_that_was_not_given_makes_the_history_empty_and_is_no_error() -> None:
    assert await owned_controller_revisions(Reader(Serving(refuse=True)), daemon_set()) == []


async def test_of_a_kind_without_such_a_history_nobody_asks() -> None:
    served = Serving()
    assert await owned_controller_revisions(Reader(served), daemon_set("Job")) == []
    assert not served.asked


@pytest.mark.parametrize("data", [{"spec": {}}, {"spec": {"template": "text"}}, {"other": 1}])
def test_data_that_is_no_template_is_no_revision(data: Mapping[str, Any]) -> None:
    assert as_replica_set(revision(1, "a", **data)) is None


def test_a_revisions_pods_are_those_that_carry_its_hash_or_its_name() -> None:
    old, new = as_replica_set(revision(1, "a")), as_replica_set(revision(2, "b"))
    assert old is not None
    assert new is not None
    pods = (of("web-1", "a", ready=True), of("web-2", "web-a", ready=True), of("web-3", "b", ready=False))
    taken = Snapshot(workload=daemon_set(), replica_sets=(old, new), pods=pods, read_at=NOW)
    assert [one["metadata"]["name"] for one in taken.pods_of(old)] == ["web-1", "web-2"]
    assert [one["metadata"]["name"] for one in taken.pods_of(new)] == ["web-3"]


def test_a_revision_is_put_back_as_the_template_that_stood() -> None:
    old = as_replica_set(revision(1, "a"))
    assert old is not None
    live = {**daemon_set(), "spec": {**daemon_set()["spec"], "template": template(container(image="nginx:9"))}}
    action = RollBack(replica_set="web-a", digest=template_digest(template()))
    asked = proposal(action=action, target=reference(live))
    patch = seal(asked, live, replica_sets=[old], change=ChangeId("c"), until=NOW)
    assert {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "nginx:1.27"} in patch
    assert not any("$patch" in str(operation) for operation in patch)
