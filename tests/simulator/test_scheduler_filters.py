"""Filters and preemption alone: what the first filter that refuses a node says, and who would have to leave."""

from collections.abc import Iterable
from typing import Any

import pytest

from simulator.informer import Object
from simulator.node_fit import requests_of
from simulator.scheduler.attempt import Attempt
from simulator.scheduler.board import Board
from simulator.scheduler.preemption import Victims, find_victims
from simulator.scheduler.verdicts import Refusals, Verdict

SELECTOR = "node(s) didn't match Pod's node affinity/selector"
TAINT = "node(s) had untolerated taint(s)"
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
HOST = "kubernetes.io/hostname"


class NoVolumes:
    """A cluster without storage."""

    def claim(self, namespace: str, name: str) -> Object | None:
        return None

    def volume(self, name: str) -> Object | None:
        return None

    def storage_class(self, name: str) -> Object | None:
        return None

    def volumes(self) -> Iterable[Object]:
        return ()


def node(name: str = "n", labels: dict[str, str] | None = None, **spec: Any) -> Object:
    metadata = {"name": name, "labels": {"disk": "ssd", "cores": "8", HOST: name} | (labels or {})}
    room = {"cpu": "2", "memory": "1Gi", "pods": "3", "example.com/gpu": "1"}
    return {"metadata": metadata, "spec": spec, "status": {"allocatable": room}}


def pod(name: str = "p", labels: dict[str, str] | None = None, where: str = "", **spec: Any) -> Object:
    own = {"containers": [{"name": "c"}], **spec} | ({"nodeName": where} if where else {})
    return {"metadata": {"name": name, "namespace": "d", "uid": name, "labels": labels or {}}, "spec": own}


def asking(cpu: str, name: str = "c", **fields: Any) -> dict[str, Any]:
    return {"name": name, "resources": {"requests": {"cpu": cpu}}} | fields


def attempt(wanted: Object, nodes: Iterable[Object], there: Iterable[Object] = ()) -> Attempt:
    board = Board()
    for item in nodes:
        board.set_node(item)
    for item in there:
        board.set_pod(item)
    return Attempt(wanted, board, NoVolumes(), {"d": {}})


def reasons(wanted: Object, where: Object, there: Iterable[Object] = ()) -> tuple[str, ...]:
    found = attempt(wanted, [where], there)
    return found.verdict(found.board.nodes["n"]).reasons


def node_affinity(key: str, operator: str, *values: str) -> dict[str, Any]:
    term = {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}
    return {"affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [term]}}}}


def pod_affinity(kind: str, app: str, key: str = HOST) -> dict[str, Any]:
    return {"affinity": {kind: {REQUIRED: [{"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": key}]}}}


@pytest.mark.parametrize(
    ("wanted", "where", "expected"),
    [
        (pod(nodeSelector={"disk": "hdd"}), node(), (SELECTOR,)),
        (pod(nodeSelector={"disk": "ssd"}), node(), ()),
        (pod(**node_affinity("disk", "NotIn", "ssd")), node(), (SELECTOR,)),
        (pod(**node_affinity("cores", "Gt", "4")), node(), ()),
        (pod(**node_affinity("cores", "Lt", "4")), node(), (SELECTOR,)),
        (pod(), node(taints=[{"key": "a", "effect": "NoSchedule"}]), (TAINT,)),
        (pod(), node(taints=[{"key": "a", "effect": "PreferNoSchedule"}]), ()),
        (
            pod(tolerations=[{"key": "a", "operator": "Exists"}]),
            node(taints=[{"key": "a", "value": "b", "effect": "NoSchedule"}]),
            (),
        ),
        (
            pod(tolerations=[{"key": "a", "value": "c"}]),
            node(taints=[{"key": "a", "value": "b", "effect": "NoSchedule"}]),
            (TAINT,),
        ),
        (pod(**pod_affinity("podAffinity", "db")), node(), ("node(s) didn't match pod affinity rules",)),
        (pod(labels={"app": "db"}, **pod_affinity("podAffinity", "db")), node(), ()),
    ],
)
def test_the_first_filter_that_refuses_gives_the_reason(wanted: Any, where: Any, expected: Any) -> None:
    assert reasons(wanted, where) == expected


def test_pods_are_kept_apart_from_either_side() -> None:
    db = pod("db", {"app": "db"}, "n")
    assert reasons(pod(**pod_affinity("podAntiAffinity", "db")), node(), [db]) == (
        "node(s) didn't match pod anti-affinity rules",
    )
    shy = pod("shy", {}, "n", **pod_affinity("podAntiAffinity", "web"))
    assert reasons(pod(labels={"app": "web"}), node(), [shy]) == (
        "node(s) didn't satisfy existing pods anti-affinity rules",
    )


def test_a_host_port_is_given_out_once() -> None:
    ports = {"containers": [{"name": "c", "ports": [{"containerPort": 80, "hostPort": 80}]}]}
    there = [pod("other", where="n", **ports)]
    assert reasons(pod(**ports), node(), there) == ("node(s) didn't have free ports for the requested pod ports",)


def test_spreading_allows_no_more_than_the_skew() -> None:
    rule = {
        "maxSkew": 1,
        "topologyKey": HOST,
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "web"}},
    }
    wanted = pod(labels={"app": "web"}, topologySpreadConstraints=[rule])
    there = [pod("a", {"app": "web"}, "n")]
    fitting, refusals = attempt(wanted, [node(), node("m")], there).refusals()
    assert [info.name for info in fitting] == ["m"]
    assert refusals.by_node["n"].reasons == ("node(s) didn't match pod topology spread constraints",)
    bare = pod(topologySpreadConstraints=[rule | {"topologyKey": "zone"}])
    assert reasons(bare, node())[0].endswith("(missing required label)")


def test_a_node_takes_only_as_many_pods_as_it_says_and_gives_each_device_once() -> None:
    there = [pod(str(number), where="n") for number in range(3)]
    assert reasons(pod(), node(), there) == ("Too many pods",)
    gpu = {"containers": [{"name": "c", "resources": {"requests": {"example.com/gpu": "1"}}}]}
    assert reasons(pod(**gpu), node(), [pod("other", where="n", **gpu)]) == ("Insufficient example.com/gpu",)


def test_a_pod_pinned_by_name_tells_of_the_other_nodes_at_once() -> None:
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n"]}]}
    pinned = pod(containers=[asking("64")], affinity={"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [term]}}})
    _, refusals = attempt(pinned, [node(), node("m"), node("o")]).refusals()
    assert refusals.message() == (
        "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't satisfy plugin(s) [NodeAffinity]."
    )


def test_init_containers_count_by_their_largest_and_sidecars_beside_them() -> None:
    plain = pod(containers=[asking("100m"), asking("200m")], initContainers=[asking("1")])
    assert requests_of(plain).millicores == 1000
    sidecar = asking("500m", "s", restartPolicy="Always")
    assert requests_of(pod(containers=[asking("100m")], initContainers=[sidecar, asking("1")])).millicores == 1500
    assert requests_of(pod(containers=[asking("1")], initContainers=[sidecar])).millicores == 1500


def test_the_request_of_the_pod_and_the_overhead_of_its_runtime_count() -> None:
    whole = pod(containers=[asking("100m")], resources={"requests": {"cpu": "2"}}, overhead={"cpu": "250m"})
    assert requests_of(whole).millicores == 2250


def test_only_as_many_lesser_pods_leave_as_must() -> None:
    there = [
        pod("small", where="n", containers=[asking("500m")], priority=1),
        pod("large", where="n", containers=[asking("1500m")], priority=0),
    ]
    found = attempt(pod(containers=[asking("1")], priority=10), [node()], there)
    _, refusals = found.refusals()
    victims = find_victims(found, refusals, ())
    assert isinstance(victims, Victims)
    assert [item["metadata"]["name"] for item in victims.pods] == ["large"]


def test_a_pod_that_may_not_preempt_says_so() -> None:
    there = [pod("lesser", where="n", containers=[asking("2")])]
    found = attempt(pod(containers=[asking("1")], priority=10, preemptionPolicy="Never"), [node()], there)
    said = find_victims(found, found.refusals()[1], ())
    assert said == "no new claims to deallocate, preemption: not eligible due to preemptionPolicy=Never."


def test_the_reasons_of_all_nodes_are_counted_and_sorted() -> None:
    refusals = Refusals(3, {"a": Verdict(("x",)), "b": Verdict(("y", "x")), "c": Verdict(("y",))})
    assert refusals.message("z") == "0/3 nodes are available: 2 x, 2 y. z"
