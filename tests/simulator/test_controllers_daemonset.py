"""DaemonSets: one pod a node, tolerations, rolling updates by replacement and by surge."""

from typing import Any

from simulator.controllers.daemon_placement import daemon_pod, node_of, should_run
from simulator.controllers.daemon_rollout import View, manage, roll
from simulator.controllers.workload_kinds import DAEMON_SETS
from simulator.resources import NODES, PODS
from tests.simulator.workloads import daemon_set, template
from tests.simulator.world import NAMESPACE, World, running_world


async def settled(world: World, **wanted: Any) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        status = (await world.client.get(DAEMON_SETS, "web", NAMESPACE)).get("status") or {}
        return status if all(status.get(key, 0) == value for key, value in wanted.items()) else None

    return dict(await world.eventually(look))


async def test_every_node_that_fits_gets_a_pod_and_an_update_replaces_them() -> None:
    async with running_world(nodes=3) as world:
        await world.client.patch(NODES, "node-3", {"metadata": {"labels": {"disk": "slow"}}})
        await world.client.patch(NODES, "node-1", {"spec": {"taints": [{"key": "own", "effect": "NoSchedule"}]}})
        required = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "disk", "operator": "DoesNotExist"}]}]}
        affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
        spec = template(affinity=affinity, tolerations=[{"key": "own", "operator": "Exists"}])
        await world.client.create(DAEMON_SETS, daemon_set(template=spec))
        await settled(world, desiredNumberScheduled=2, currentNumberScheduled=2)
        assert {node_of(pod) for pod in await world.all(PODS)} <= {"node-1", "node-2"}
        event = await world.event("SuccessfulCreate")
        assert event["source"]["component"] == "daemonset-controller"
        await settled(world, numberAvailable=2)
        await world.client.patch(DAEMON_SETS, "web", {"spec": {"template": template("nginx:1.28")}}, NAMESPACE)
        await settled(world, updatedNumberScheduled=2, numberAvailable=2)


def node(name: str, *, labels: dict[str, str] | None = None, taints: tuple[str, ...] = ()) -> dict[str, Any]:
    marks = [{"key": key, "effect": effect} for key, _, effect in (taint.partition(":") for taint in taints)]
    return {"metadata": {"name": name, "labels": labels or {}}, "spec": {"taints": marks}}


def a_pod(name: str, on: str, *, digest: str = "old", **fields: Any) -> dict[str, Any]:
    metadata = {"name": name, "labels": {"controller-revision-hash": digest}, "creationTimestamp": f"2026-01-01T{name}"}
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]} | fields
    return {"metadata": metadata, "spec": {"nodeName": on}, "status": status}


def view(pods: dict[str, list[dict[str, Any]]], unavailable: tuple[str, ...] = (), **rolling: Any) -> View:
    body = daemon_set(updateStrategy={"type": "RollingUpdate", "rollingUpdate": rolling})
    nodes = [node("a"), node("b"), node("c")]
    return View(body, nodes, pods, "new", lambda pod: pod["metadata"]["name"] not in unavailable)


def names(pods: list[dict[str, Any]]) -> list[str]:
    return [pod["metadata"]["name"] for pod in pods]


def test_a_pod_is_pinned_to_its_node_and_outlives_its_troubles() -> None:
    body = daemon_set()
    body["metadata"] |= {"uid": "set", "annotations": {"deprecated.daemonset.template.generation": "4"}}
    pod = daemon_pod(body, "a", "digest")
    assert node_of(pod) == "a"
    assert pod["metadata"]["labels"]["pod-template-generation"] == "4"
    tolerated = {(item["key"].rpartition("/")[2], item["effect"]) for item in pod["spec"]["tolerations"]}
    assert ("unreachable", "NoExecute") in tolerated
    assert ("unschedulable", "NoSchedule") in tolerated


def test_a_taint_keeps_new_pods_away_and_drives_out_only_if_it_says_so() -> None:
    body = daemon_set(template=template(nodeSelector={"disk": "ssd"}))
    fast = {"disk": "ssd"}
    assert should_run(body, node("a")) == (False, False)
    assert should_run(body, node("a", labels=fast)) == (True, True)
    assert should_run(body, node("a", labels=fast, taints=("own:NoSchedule",))) == (False, True)
    assert should_run(body, node("a", labels=fast, taints=("own:NoExecute",)))[0] is False


def test_pods_are_created_where_they_are_missing_and_doubles_removed() -> None:
    found = manage(view({"a": [a_pod("1", "a"), a_pod("2", "a")], "gone": [a_pod("3", "")]}))
    assert sorted(found.create) == ["b", "c"]
    assert names(found.delete) == ["2", "3"]


def test_an_update_takes_broken_pods_first_and_no_more_than_allowed() -> None:
    pods = {name: [a_pod(name, name)] for name in "abc"}
    assert names(roll(view(pods, maxUnavailable=1)).delete) == ["a"]
    assert names(roll(view(pods, unavailable=("b",), maxUnavailable=1)).delete) == ["b"]
    assert len(roll(view(pods, maxUnavailable="50%")).delete) == 2


def test_a_surge_starts_the_new_pod_before_the_old_one_goes() -> None:
    pods = {name: [a_pod(name, name)] for name in "abc"}
    plan = roll(view(pods, maxSurge=1))
    assert (plan.create, plan.delete) == (["a"], [])
    pods["a"].append(a_pod("new", "a", digest="new"))
    assert roll(view(pods, unavailable=("new",), maxSurge=1)).delete == []
    assert names(roll(view(pods, maxSurge=1)).delete) == ["a"]
