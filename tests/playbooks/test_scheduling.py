"""Constraints that no node satisfies: the one correction that is meant, or what stands in the way in words."""

from typing import Any

import msgspec
import pytest

from incidents.evidence import EventLine, Evidence
from incidents.proposals import Needs, Opinion, RollBack, SetField, Silent
from playbooks.scheduling import consider
from tests.builders import condition, container, deployment, evidence, pod, replica_set, snapshot, template

Object = dict[str, Any]
SPEC = "/spec/template/spec"
SELECTOR = "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector."


def node(name: str = "n1", *, taints: list[Object] | None = None, cpu: str = "4", **labels: Any) -> Object:
    spec = {"taints": taints} if taints else {}
    return {"metadata": {"name": name, "labels": labels}, "spec": spec, "status": {"allocatable": {"cpu": cpu}}}


def pending(
    said: str = SELECTOR, *, nodes: list[Object] | None, before: Object | None = None, replicas: int = 1,
    of: Object | None = None, kind: str = "Deployment", heard: tuple[str, ...] = (), **spec: Any,
) -> Evidence:  # fmt: skip
    present = template(of or container(), **spec)
    new = replica_set(present, number=2)
    waits = condition("PodScheduled", "False", "Unschedulable", said)
    sets, pods = [new], [pod(of=new, phase="Pending", conditions=[waits])]
    if before is not None:
        old = replica_set(template(container(), **before), number=1)
        sets.insert(0, old)
        pods.append(pod(name="web-old", of=old, ready=True))
    objects = {"Node": nodes} if nodes is not None else None
    workload = deployment(present, replicas=replicas) | {"kind": kind}
    taken = evidence(snapshot(workload, sets, pods), objects=objects)
    lines = [
        EventLine(about="Pod/web-1", type="Normal", reason=one, message="", count=1, last_seen="") for one in heard
    ]
    return msgspec.structs.replace(taken, events=tuple(lines))


def certain(taken: Evidence) -> SetField:
    answer = consider(taken, ())
    assert isinstance(answer, Opinion), answer
    (edit,) = answer.proposal.action  # type: ignore[misc]  # this family sets one field
    assert isinstance(edit, SetField)
    return edit


def explained(taken: Evidence) -> str:
    answer = consider(taken, ())
    assert isinstance(answer, Silent), answer
    assert answer.diagnosis is not None
    return answer.diagnosis.cause


def test_the_nodes_have_to_be_listed_first() -> None:
    assert isinstance(consider(pending(nodes=None, nodeSelector={"pool": "bacth"}), ()), Needs)


def test_a_misspelt_value_is_corrected_to_the_one_that_nodes_have() -> None:
    taken = pending(nodes=[node(pool="batch"), node("n2", pool="web")], nodeSelector={"pool": "bacth"})
    assert certain(taken) == SetField(path=f"{SPEC}/nodeSelector/pool", expected="bacth", value="batch")


def test_a_key_with_a_slash_is_addressed_as_a_pointer() -> None:
    slashed: Object = {"example.com/pool": "batch"}
    nodes = [node(**slashed)]
    assert certain(pending(nodes=nodes, nodeSelector={"example.com/pool": "bacth"})).path == (
        f"{SPEC}/nodeSelector/example.com~1pool"
    )


def test_the_good_revisions_value_is_the_first_choice_if_a_node_still_has_it() -> None:
    nodes = [node(pool="batch"), node("n2", pool="db")]
    taken = pending(nodes=nodes, nodeSelector={"pool": "gone"}, before={"nodeSelector": {"pool": "db"}})
    assert certain(taken).value == "db"
    without = pending(
        nodes=[node(pool="batch")], nodeSelector={"pool": "gone"}, before={"nodeSelector": {"pool": "db"}}
    )
    assert "no node has the label pool=gone" in explained(without)


def test_a_misspelt_key_is_corrected_where_a_node_has_the_value_under_one_like_it() -> None:
    taken = pending(nodes=[node(accelerator="a100")], nodeSelector={"acelerator": "a100"})
    assert certain(taken).value == {"accelerator": "a100"}


def test_a_value_in_a_required_affinity_is_corrected_in_its_place() -> None:
    term = {"matchExpressions": [{"key": "pool", "operator": "In", "values": ["bacth"]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    edit = certain(pending(nodes=[node(pool="batch")], affinity={"nodeAffinity": required}))
    assert edit.value == "batch"
    assert edit.path.endswith("/nodeSelectorTerms/0/matchExpressions/0/values/0")


def test_a_label_that_nobody_has_anything_like_is_for_a_person() -> None:
    taken = pending(nodes=[node(pool="batch")], nodeSelector={"accelerator": "a100"})
    assert explained(taken) == "no node has the label accelerator=a100"


def test_replicas_that_may_not_share_too_few_nodes_would_rather_not() -> None:
    term = {"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": "kubernetes.io/hostname"}
    apart = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    said = "0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules."
    edit = certain(pending(said, nodes=[node(), node("n2")], replicas=3, affinity=apart))
    assert edit.value == {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": term}]}
    enough = pending(said, nodes=[node(), node("n2"), node("n3")], replicas=3, affinity=apart)
    assert isinstance(consider(enough, ()), Silent)


def test_taints_and_missing_capacity_are_said_in_words() -> None:
    taint = {"key": "dedicated", "value": "batch", "effect": "NoSchedule"}
    said = "0/1 nodes are available: 1 node(s) had untolerated taint(s)."
    assert "dedicated=batch:NoSchedule" in explained(pending(said, nodes=[node(taints=[taint])]))
    big = container(resources={"requests": {"cpu": "12"}})
    said = "0/1 nodes are available: 1 Insufficient cpu."
    assert explained(pending(said, nodes=[node()], of=big)) == "web asks for 12 cpu; the largest node has 4 in all"


def test_pods_that_hold_every_node_by_the_rule_they_carry_keep_the_softer_rule_from_rolling_out() -> None:
    term = {"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": "kubernetes.io/hostname"}
    apart = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    said = "0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules."
    present = template(container(), affinity=apart)
    new = replica_set(present, number=2)
    waits = condition("PodScheduled", "False", "Unschedulable", said)
    pods = [pod(of=new, phase="Pending", conditions=[waits]), pod(name="web-2", of=new, ready=True)]
    nodes = {"Node": [node(), node("n2")]}
    taken = evidence(snapshot(deployment(present, replicas=3), [new], pods), objects=nodes)
    assert explained(taken) == "3 replicas may not share a node with each other, on 2 nodes"
    free = deployment(present, replicas=3, strategy={"rollingUpdate": {"maxUnavailable": "100%"}})
    assert certain(evidence(snapshot(free, [new], pods), objects=nodes)).path.endswith("/podAntiAffinity")


BESIDE = "0/1 nodes are available: 1 node(s) didn't match pod affinity rules."


NOBODY: dict[str, list[Object]] = {"Deployment": [], "StatefulSet": [], "DaemonSet": []}


def wanting_beside(value: str, *pods: str, idle: tuple[str, ...] = (), **term: Any) -> Evidence:
    wanted = {"labelSelector": {"matchLabels": {"app": value}}, "topologyKey": "kubernetes.io/hostname", **term}
    affinity = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [wanted]}}
    taken = pending(BESIDE, nodes=[node()], affinity=affinity)
    there = [{"metadata": {"name": name, "labels": {"app": name}}} for name in pods]
    idlers = [{"kind": "Deployment", "spec": {"template": {"metadata": {"labels": {"app": name}}}}} for name in idle]
    return evidence(taken.snapshot, objects={**taken.objects, "Pod": there, **NOBODY, "Deployment": idlers})


def test_a_misspelt_label_of_the_pods_to_be_beside_is_the_one_that_pods_here_have() -> None:
    edit = certain(wanting_beside("anhcor", "anchor", "sail"))
    assert (edit.expected, edit.value) == ("anhcor", "anchor")
    assert edit.path.endswith(
        "/podAffinity/requiredDuringSchedulingIgnoredDuringExecution/0/labelSelector/matchLabels/app"
    )


def test_pods_to_be_beside_that_are_there_or_twice_meant_or_elsewhere_are_for_a_person() -> None:
    for taken in (
        wanting_beside("anchor", "anchor", "anchors"),
        wanting_beside("anhcor", "anchor", "anchos"),
        wanting_beside("anhcor", "anchor", namespaces=["other"]),
        wanting_beside("anhcor", "anchor", idle=("anhcor",)),  # it is scaled to zero, or comes later
    ):
        assert isinstance(consider(taken, ()), Silent)


SPREAD = "0/1 nodes are available: 1 node(s) didn't match pod topology spread constraints (missing required label)."


def spread_over(key: str, *, nodes: list[Object]) -> Evidence:
    constraint = {"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "DoNotSchedule"}
    return pending(SPREAD, nodes=nodes, topologySpreadConstraints=[constraint])


def test_a_spread_over_a_key_that_no_node_has_is_wished_for_or_corrected_to_the_key_like_it() -> None:
    place = f"{SPEC}/topologySpreadConstraints/0"
    assert certain(spread_over("example.com/rack", nodes=[node(zone="a")])) == SetField(
        path=f"{place}/whenUnsatisfiable", expected="DoNotSchedule", value="ScheduleAnyway"
    )
    rack: Object = {"example.com/rack": "a"}
    nodes = [node(**rack), node("n2", **rack)]
    assert certain(spread_over("example.com/rakc", nodes=nodes)).value == "example.com/rack"


def test_a_spread_over_a_key_that_a_node_has_is_left_as_it_is() -> None:
    assert isinstance(consider(spread_over("zone", nodes=[node(zone="a"), node("n2")]), ()), Silent)


SHORT = "0/1 nodes are available: 1 Insufficient cpu."


def asking(cpu: str, *, before: str, security: Object | None = None) -> Evidence:
    def of(amount: str, **fields: Any) -> Object:
        return container(resources={"requests": {"cpu": amount}}, **fields)

    fields = {"securityContext": security} if security else {}
    present, old = template(of(cpu, **fields)), replica_set(template(of(before)), number=1)
    new = replica_set(present, number=2)
    waits = condition("PodScheduled", "False", "Unschedulable", SHORT)
    pods = [pod(of=new, phase="Pending", conditions=[waits]), pod(name="web-old", of=old, ready=True)]
    return evidence(snapshot(deployment(present), [old, new], pods), objects={"Node": [node(cpu="4")]})


def test_a_request_beyond_every_node_that_came_with_the_revision_is_rolled_back() -> None:
    answer = consider(asking("64", before="1"), ())
    assert isinstance(answer, Opinion)
    assert isinstance(answer.proposal.action, RollBack)
    assert "web asks for 64 cpu" in answer.diagnosis.cause


def test_a_request_that_a_node_could_meet_or_that_was_there_before_is_no_reason_to_roll_back() -> None:
    assert isinstance(consider(asking("3", before="1"), ()), Silent)
    assert isinstance(consider(asking("64", before="48"), ()), Silent)


def test_a_rollback_never_takes_a_security_setting_away() -> None:
    assert isinstance(consider(asking("64", before="1", security={"runAsNonRoot": True}), ()), Silent)


def test_ports_of_the_node_that_are_taken_are_named() -> None:
    said = "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports."
    taken = pending(said, nodes=[node()], of=container(ports=[{"containerPort": 80, "hostPort": 8080}]))
    assert "hostPort 8080" in explained(taken)


def test_a_taint_beside_what_the_other_nodes_lack_is_not_what_is_told() -> None:
    taint = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
    said = "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s)."
    big = container(resources={"requests": {"cpu": "12"}})
    assert "12 cpu" in explained(pending(said, nodes=[node(), node("n2", taints=[taint])], of=big))


POOL = "eks.amazonaws.com/nodegroup"


def test_a_pool_that_has_no_node_just_now_is_no_mistake_until_the_autoscaler_says_so() -> None:
    pooled: Object = {POOL: "general", "pool": "batch"}
    typo: Object = {"nodeSelector": {"pool": "bacth"}}
    for heard in (
        (),
        ("TriggeredScaleUp",),
        ("NotTriggerScaleUp", "TriggeredScaleUp"),
        ("NotTriggerScaleUp", "Nominated"),
    ):
        assert "pool=bacth" in explained(pending(nodes=[node(**pooled)], heard=heard, **typo))
    assert certain(pending(nodes=[node(**pooled)], heard=("NotTriggerScaleUp",), **typo)).value == "batch"
    assert isinstance(consider(pending(nodes=[node(pool="batch")], heard=("TriggeredScaleUp",), **typo), ()), Silent)
    moved = pending(nodes=[node(**pooled)], nodeSelector={"pool": "gpu"}, before={"nodeSelector": {"pool": "batch"}})
    assert isinstance(consider(moved, ()), Silent)


@pytest.mark.parametrize(
    ("key", "wanted", "there"),
    [
        ("topology.kubernetes.io/zone", "zone-alhpa", "zone-alpha"),
        ("topology.kubernetes.io/region", "eu-cenrtal-1", "eu-central-1"),
        ("kubernetes.io/hostname", "worker-nroth", "worker-north"),
        ("node.kubernetes.io/instance-type", "stadnard-4", "standard-4"),
        ("karpenter.k8s.aws/instance-family", "mmxx", "mxmx"),
        ("cloud.google.com/gke-nodepool", "bacth", "batch"),
        ("kubernetes.io/arch", "arm64", "amd64"),
        ("kubernetes.io/os", "windows", "windwos"),
        ("pool", "east", "west"),
    ],
)
def test_another_place_or_machine_is_never_a_better_spelling(key: str, wanted: str, there: str) -> None:
    labels: Object = {key: there}
    assert key in explained(pending(nodes=[node(**labels)], nodeSelector={key: wanted}))


def test_what_keeps_data_is_kept_apart() -> None:
    term = {"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": "kubernetes.io/hostname"}
    apart = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    said = "0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules."
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    assert "3 replicas" in explained(
        pending(said, nodes=[node(), node("n2")], replicas=3, affinity=apart, volumes=volumes)
    )
    over = [{"maxSkew": 1, "topologyKey": "example.com/rack", "whenUnsatisfiable": "DoNotSchedule"}]
    spec: Object = {"topologySpreadConstraints": over}
    assert "spread over example.com/rack" in explained(pending(SPREAD, nodes=[node()], kind="StatefulSet", **spec))
    assert "spread over example.com/rack" in explained(pending(SPREAD, nodes=[node()], volumes=volumes, **spec))


def test_a_node_by_a_name_that_no_node_has_is_shown_to_a_person() -> None:
    late = condition("Progressing", "False", "ProgressDeadlineExceeded", "has timed out progressing")
    present = template(nodeName="n9")
    taken = snapshot(deployment(present, conditions=[late]), [replica_set(present)])
    assert isinstance(consider(evidence(taken), ()), Needs)
    edit = certain(evidence(taken, objects={"Node": [node()]}))
    assert edit == SetField(path=f"{SPEC}/nodeName", expected="n9", value=None)
    assert isinstance(consider(evidence(taken, objects={"Node": [node("n9")]}), ()), Silent)


TAINTED = "0/1 nodes are available: 1 node(s) had untolerated taint(s)."
TAINT = {"key": "dedicated", "value": "batch", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("toleration", "field", "meant"),
    [
        ({"key": "dedicatde", "operator": "Exists"}, "key", "dedicated"),
        ({"key": "dedicated", "value": "bacth"}, "value", "batch"),
    ],
)
def test_a_toleration_that_is_a_slip_of_the_taint_is_corrected_to_it(
    toleration: Object, field: str, meant: str
) -> None:
    taken = pending(TAINTED, nodes=[node(taints=[TAINT])], tolerations=[toleration])
    assert certain(taken) == SetField(path=f"{SPEC}/tolerations/0/{field}", expected=toleration[field], value=meant)


@pytest.mark.parametrize("toleration", [{"key": "dedicated", "value": "web"}, {"key": "gpu", "operator": "Exists"}])
def test_a_taint_that_nobody_meant_to_tolerate_says_not_you(toleration: Object) -> None:
    assert "taints" in explained(pending(TAINTED, nodes=[node(taints=[TAINT])], tolerations=[toleration]))


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("1 node(s) had no available volume zone", "zone"),
        ("1 node(s) exceed max volume count", "volumes"),
        ("1 Too many pods", "pods"),
        ("1 node(s) didn't satisfy existing pods anti-affinity rules", "their own anti-affinity"),
        ("1 node(s) were unschedulable", "cordoned n1"),
    ],
)
def test_what_stands_in_the_way_is_said_in_words(said: str, cause: str) -> None:
    cordoned = {**node(), "spec": {"unschedulable": True}}
    assert cause in explained(pending(f"0/1 nodes are available: {said}.", nodes=[cordoned]))


def test_a_node_that_is_no_matter_is_not_blamed() -> None:
    said = "0/2 nodes are available: 1 node(s) had untolerated taint(s), 1 node(s) were unschedulable."
    cordoned = {**node(), "spec": {"unschedulable": True}}
    fitting = node("n2", taints=[TAINT], pool="batch")
    assert "dedicated=batch" in explained(pending(said, nodes=[cordoned, fitting], nodeSelector={"pool": "batch"}))
