"""Whose trouble an event speaks of: the walk up the owners, and owners that are not to be believed."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from incidents.objects import (
    AUTOSCALER,
    CLAIM,
    DEPLOYMENT,
    NODE,
    POD,
    QUOTA,
    REPLICA_SET,
    SERVICE,
    ClusterId,
    Kind,
    ObjectRef,
    Uid,
    reference,
)
from tests.world import World
from tools.cluster.errors import Forbidden, NotFound
from tools.cluster.owners import Owners
from tools.cluster.reader import Reader

Object = dict[str, Any]
CLUSTER = ClusterId("the-cluster")


class Objects(Reader):
    """A reader of these objects and no others."""

    def __init__(self, *objects: Object) -> None:
        self._objects = {
            (item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"]): item for item in objects
        }
        self.requests = 0

    async def get(self, kind: Kind, namespace: str, name: str) -> Object:
        self.requests += 1
        try:
            return self._objects[kind.kind, namespace, name]
        except KeyError:
            raise NotFound(name) from None

    async def each(
        self, kind: Kind, namespace: str = "", *, labels: str = "", fields: str = ""
    ) -> AsyncIterator[Object]:
        self.requests += 1
        for (one, where, _), item in self._objects.items():
            if one == kind.kind and where == namespace:
                yield item

    def forget(self, manifest: Object) -> None:
        """It has been deleted."""
        metadata = manifest["metadata"]
        del self._objects[manifest["kind"], metadata["namespace"], metadata["name"]]


def manifest(kind: Kind, name: str, *, owner: Object | None = None, namespace: str = "shop", **changes: Any) -> Object:
    labels = {"app": "web"}
    metadata: Object = {"name": name, "namespace": namespace, "uid": f"uid-of-{name}", "labels": labels}
    if owner is not None:
        metadata["ownerReferences"] = [
            {
                "apiVersion": owner["apiVersion"],
                "kind": owner["kind"],
                "name": owner["metadata"]["name"],
                "uid": owner["metadata"]["uid"],
                "controller": True,
            }
        ]
    spec = {} if kind is POD else {"selector": {"matchLabels": labels}}
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata | changes, "spec": spec}


WEB = manifest(DEPLOYMENT, "web")
REVISION = manifest(REPLICA_SET, "web-1", owner=WEB)
REPLICA = manifest(POD, "web-1-a", owner=REVISION)


async def subject_of(about: Object, *others: Object) -> str:
    subject = await Owners(Objects(about, *others), CLUSTER).subject(reference(about))
    return str(subject)


async def test_a_pods_trouble_is_its_deployments() -> None:
    assert await subject_of(REPLICA, REVISION, WEB) == "deployment/web in shop"


async def test_a_pods_trouble_is_its_deployments_on_a_cluster_too(world: World) -> None:
    await world.namespace()
    made = await world.deploy("nginx:1.27")
    await world.available("web", "shop")
    pod = (await world.pods("shop"))[0]
    async with world.app() as app:
        subject = await app.owners.subject(reference({"apiVersion": "v1", "kind": "Pod", **pod}))
    assert subject is not None
    assert subject.uid == made["metadata"]["uid"]


async def test_a_pod_that_is_gone_meanwhile_is_still_placed_if_it_was_seen() -> None:
    reader = Objects(REPLICA, REVISION, WEB)
    owners = Owners(reader, CLUSTER)
    await owners.subject(reference(REPLICA))
    reader.forget(REPLICA)
    assert str(await owners.subject(reference(REPLICA))) == "deployment/web in shop"


async def test_what_was_seen_is_not_asked_for_again() -> None:
    reader = Objects(REPLICA, REVISION, WEB)
    owners = Owners(reader, CLUSTER)
    await owners.subject(reference(REPLICA))
    asked = reader.requests
    await owners.subject(reference(REPLICA))
    assert reader.requests == asked


async def test_a_pod_that_was_never_seen_and_is_gone_has_no_subject() -> None:
    assert await Owners(Objects(REVISION, WEB), CLUSTER).subject(reference(REPLICA)) is None


async def test_a_name_that_belongs_to_another_object_now_has_no_subject() -> None:
    old = ObjectRef(api_version="v1", kind="Pod", namespace="shop", name="web-1-a", uid=Uid("of-an-earlier-pod"))
    assert await Owners(Objects(REPLICA, REVISION, WEB), CLUSTER).subject(old) is None


async def test_an_owner_of_the_right_name_and_another_uid_is_not_believed() -> None:
    claimed = manifest(REPLICA_SET, "web-1", owner=WEB)
    claimed["metadata"]["uid"] = "made-up"
    forged = manifest(POD, "forged", owner=claimed)
    assert await subject_of(forged, REVISION, WEB) == "pod/forged in shop"


async def test_an_owner_of_the_right_uid_whose_selector_does_not_match_is_not_believed() -> None:
    forged = manifest(POD, "forged", owner=REVISION, labels={"app": "something-else"})
    assert await subject_of(forged, REVISION, WEB) == "pod/forged in shop"


async def test_an_owner_in_another_namespace_is_not_believed() -> None:
    forged = manifest(POD, "forged", owner=REVISION, namespace="attacker")
    assert await subject_of(forged, REVISION, WEB) == "pod/forged in attacker"


async def test_an_event_of_another_namespace_does_not_reach_a_victim_by_its_uid() -> None:
    owners = Owners(Objects(REPLICA, REVISION, WEB), CLUSTER)
    await owners.subject(reference(REPLICA))  # so that it is remembered
    forged = ObjectRef(api_version="v1", kind="Pod", namespace="attacker", name="x", uid=Uid("uid-of-web-1-a"))
    assert await owners.subject(forged) is None


async def test_an_unknown_controller_above_is_recorded_as_the_manager() -> None:
    operator = {"apiVersion": "example.com/v1", "kind": "Shop", "metadata": {"name": "main", "uid": "uid-of-main"}}
    managed = manifest(DEPLOYMENT, "web", owner=operator)
    subject = await Owners(Objects(managed), CLUSTER).subject(reference(managed))
    assert subject is not None
    assert subject.manager == "Shop/main"


async def test_a_controller_that_may_not_be_read_is_recorded_as_the_manager() -> None:
    class Refusing(Objects):
        async def get(self, kind: Kind, namespace: str, name: str) -> Object:
            if kind == SERVICE:
                raise Forbidden("services is forbidden", code=403)
            return await super().get(kind, namespace, name)

    pod = manifest(POD, "web-1", owner=manifest(SERVICE, "leader"))
    subject = await Owners(Refusing(pod), CLUSTER).subject(reference(pod))
    assert subject is not None
    assert (subject.kind, subject.manager) == ("Pod", "Service/leader")


async def test_owners_that_own_one_another_end_the_walk() -> None:
    one = manifest(REPLICA_SET, "one", owner=manifest(REPLICA_SET, "two"))
    two = manifest(REPLICA_SET, "two", owner=one)
    assert await Owners(Objects(one, two), CLUSTER).subject(reference(one)) is None


@pytest.mark.parametrize(
    "name", ["../../victim/pods/web", "..", "web?watch=true", "web/log", "web#", "", "%2e%2e", "Web", "web\n"]
)
async def test_a_name_that_is_a_path_reaches_nothing(world: World, name: str) -> None:
    async with world.app() as app:
        before = len(world.requests())
        about = ObjectRef(api_version="v1", kind="Pod", namespace="shop", name=name, uid=Uid(""))
        assert await app.owners.subject(about) is None
        assert len(world.requests()) == before


# --- what is no workload


OTHER = manifest(DEPLOYMENT, "other")
OTHER_REVISION = manifest(REPLICA_SET, "other-1", owner=OTHER)


def mounting(owner: Object, name: str) -> Object:
    found = manifest(POD, name, owner=owner)
    found["spec"] = {"volumes": [{"persistentVolumeClaim": {"claimName": "data"}}]}
    return found


DATA = manifest(CLAIM, "data")
FRONT: Object = {**manifest(SERVICE, "front"), "spec": {"selector": {"app": "web"}}}
SCALER: Object = {
    **manifest(AUTOSCALER, "scaler"),
    "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}},
}


@pytest.mark.parametrize(
    ("about", "others", "subject"),
    [
        (DATA, [mounting(REVISION, "a"), mounting(REVISION, "b"), REVISION, WEB], "deployment/web in shop"),
        (DATA, [REPLICA, REVISION, WEB], "persistentvolumeclaim/data in shop"),
        (
            DATA,
            [mounting(REVISION, "a"), mounting(OTHER_REVISION, "b"), REVISION, WEB, OTHER_REVISION, OTHER],
            "persistentvolumeclaim/data in shop",
        ),
        (FRONT, [REPLICA, REVISION, WEB], "deployment/web in shop"),
        (FRONT, [], "service/front in shop"),
        (SCALER, [WEB], "deployment/web in shop"),
        (SCALER, [], "horizontalpodautoscaler/scaler in shop"),
        (manifest(QUOTA, "small"), [], "resourcequota/small in shop"),
    ],
    ids=["mounted", "not mounted", "mounted by two", "selected", "nothing selected", "target", "no target", "quota"],
)
async def test_what_workloads_use_speaks_for_the_one_workload_that_uses_it(
    about: Object, others: list[Object], subject: str
) -> None:
    assert await subject_of(about, *others) == subject


async def test_a_workload_that_comes_to_use_a_claim_gets_its_signals_from_then_on() -> None:
    owners = Owners(Objects(DATA), CLUSTER)
    assert str(await owners.subject(reference(DATA))) == "persistentvolumeclaim/data in shop"
    owners._reader = Objects(DATA, mounting(REVISION, "a"), REVISION, WEB)
    assert str(await owners.subject(reference(DATA))) == "deployment/web in shop"


async def test_a_claim_of_another_uid_has_no_subject() -> None:
    forged = ObjectRef(
        api_version="v1", kind="PersistentVolumeClaim", namespace="shop", name="data", uid=Uid("guessed")
    )
    assert await Owners(Objects(DATA), CLUSTER).subject(forged) is None


async def test_a_node_is_known_by_the_name_that_its_kubelet_puts_for_a_uid() -> None:
    node: Object = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1", "uid": "real"}}
    about = ObjectRef(api_version="v1", kind="Node", namespace="", name="node-1", uid=Uid("node-1"))
    subject = await Owners(Objects(node), CLUSTER).subject(about)
    assert subject is not None
    assert subject.uid == "real"
    assert NODE.path("", "node-1") == "/api/v1/nodes/node-1"


async def test_an_event_of_a_namespace_does_not_speak_for_what_belongs_to_the_whole_cluster() -> None:
    node: Object = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1", "uid": "real"}}
    forged = ObjectRef(api_version="v1", kind="Node", namespace="attacker", name="node-1", uid=Uid("real"))
    assert await Owners(Objects(node), CLUSTER).subject(forged) is None
