"""What only a person may do so that a node takes a pod: a command at the one node, or one old pod that goes first."""

from typing import Any

import msgspec
import pytest

from incidents.evidence import Evidence
from incidents.health import Finding
from incidents.proposals import Opinion, Silent
from incidents.symptoms import Symptom
from playbooks import rollout
from playbooks.confidence import LIKELY
from playbooks.scheduling import consider
from tests.builders import condition, container, deployment, evidence, pod, replica_set, snapshot, template
from tests.playbooks.test_scheduling import node, pending

Object = dict[str, Any]


def by_hand(taken: Evidence) -> tuple[str, ...]:
    answer = consider(taken, ())
    assert isinstance(answer, Silent), answer
    assert answer.diagnosis is not None
    return answer.diagnosis.by_hand


TAINTED = "0/2 nodes are available: 1 node(s) had untolerated taint(s), 1 node(s) didn't match Pod's node affinity."
SET_ASIDE: Object = {"key": "dedicated", "value": "batch", "effect": "NoSchedule"}


class TestTheOneNodeThatIsMeant:
    """What a person may do to it, as a command; none where more than one node, or more than one thing, could be."""

    def test_a_label_that_only_the_node_which_meets_all_else_can_be_meant_to_have(self) -> None:
        nodes = [node(pool="train"), node("n2", pool="web")]
        meaning, command = by_hand(pending(nodes=nodes, nodeSelector={"accelerator": "a100", "pool": "train"}))
        assert command == "kubectl label node n1 accelerator=a100"
        assert "only if it is true" in meaning

    def test_a_taint_or_a_cordon_that_alone_keeps_pods_from_it(self) -> None:
        nodes = [node(taints=[SET_ASIDE], pool="batch"), node("n2", pool="web")]
        taken = pending(TAINTED, nodes=nodes, nodeSelector={"pool": "batch"})
        assert by_hand(taken)[-1] == "kubectl taint node n1 dedicated:NoSchedule-"
        said = "0/2 nodes are available: 1 node(s) were unschedulable, 1 node(s) didn't match Pod's node affinity."
        nodes[0]["spec"] = {
            "unschedulable": True,
            "taints": [{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}],
        }
        assert by_hand(pending(said, nodes=nodes, nodeSelector={"pool": "batch"}))[-1] == "kubectl uncordon n1"

    @pytest.mark.parametrize(
        ("nodes", "wanted"),
        [
            ([node()], {"accelerator": "a100"}),
            ([node(pool="train"), node("n2", pool="train")], {"accelerator": "a100", "pool": "train"}),
            ([node(pool="train", accelerator="t4")], {"accelerator": "a100", "pool": "train"}),
            ([node(pool="train")], {"topology.kubernetes.io/zone": "north", "pool": "train"}),
            ([node(pool="train")], {"accelerator": "a100", "disk": "ssd", "pool": "train"}),
            ([node(taints=[SET_ASIDE], pool="train")], {"accelerator": "a100", "pool": "train"}),
            ([node("n1;reboot", pool="train")], {"accelerator": "a100", "pool": "train"}),
        ],
        ids=["nothing else", "two", "has another", "a place", "two labels", "tainted too", "no name"],
    )
    def test_a_label_is_worded_for_no_node_that_may_not_be_meant(self, nodes: list[Object], wanted: Object) -> None:
        assert by_hand(pending(nodes=nodes, nodeSelector=wanted)) == ()

    @pytest.mark.parametrize(
        ("taints", "wanted"),
        [
            ([SET_ASIDE], {}),
            ([SET_ASIDE, {**SET_ASIDE, "key": "gpu"}], {"pool": "batch"}),
            ([{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}], {"pool": "batch"}),
            ([{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}], {"pool": "batch"}),
        ],
        ids=["any node", "two taints", "not ready", "control plane"],
    )
    def test_a_taint_stays_where_it_is_not_the_one_thing_or_is_the_clusters_own(
        self, taints: list[Object], wanted: Object
    ) -> None:
        said = "0/1 nodes are available: 1 node(s) had untolerated taint(s)."
        assert by_hand(pending(said, nodes=[node(taints=taints, pool="batch")], nodeSelector=wanted)) == ()

    def test_a_demand_that_is_not_understood_singles_out_nobody(self) -> None:
        other = {"matchExpressions": [{"key": "tier", "operator": "Exists"}]}
        affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [other]}}}
        nodes = [node(taints=[SET_ASIDE], pool="batch")]
        assert by_hand(pending(TAINTED, nodes=nodes, nodeSelector={"pool": "batch"}, affinity=affinity)) == ()


class TestRoomForOneMore:
    """A rollout that may go without none of its pods, on nodes that hold no more."""

    def held(
        self,
        said: str = "0/1 nodes are available: 1 Insufficient cpu.",
        *,
        new: str = "2",
        rolling: Object | None = None,
        **spec: Any,
    ) -> Evidence:
        present = template(container(image="nginx:1.28", resources={"requests": {"cpu": new}}), **spec)
        before = replica_set(template(container(resources={"requests": {"cpu": "2"}})), number=1)
        waits = condition("PodScheduled", "False", "Unschedulable", said)
        after = replica_set(present, number=2)
        pods = [
            pod(of=after, phase="Pending", conditions=[waits]),
            pod(name="web-old", of=before, ready=True),
        ]
        strategy = {"type": "RollingUpdate", "rollingUpdate": rolling or {"maxSurge": 1, "maxUnavailable": 0}}
        workload = deployment(present, ready=1, updated=1, strategy=strategy)
        return evidence(snapshot(workload, [before, after], pods), objects={"Node": [node(cpu="3")]})

    def test_an_old_pod_may_go_first_if_somebody_agrees(self) -> None:
        for rolling, said in (
            ({"maxUnavailable": 0}, "0/1 nodes are available: 1 Insufficient cpu."),
            ({"maxUnavailable": "25%"}, "0/1 nodes are available: 1 node(s) didn't have free ports."),
            ({"maxUnavailable": 0}, "0/1 nodes are available: 1 node(s) didn't match pod anti-affinity rules."),
        ):
            answer = consider(self.held(said, rolling=rolling), ())
            assert isinstance(answer, Opinion), said
            assert answer.proposal.confidence < LIKELY
            (edit,) = answer.proposal.edits
            assert (edit.path, edit.expected, edit.value) == (
                "/spec/strategy/rollingUpdate/maxUnavailable",
                rolling["maxUnavailable"],
                1,
            )

    def test_a_new_pod_that_would_not_fit_there_or_may_go_without_one_already_is_told(self) -> None:
        assert isinstance(consider(self.held(new="3"), ()), Silent)
        assert isinstance(consider(self.held(rolling={"maxUnavailable": 1}), ()), Silent)
        assert isinstance(consider(self.held(nodeSelector={"pool": "new"}), ()), Silent)
        assert isinstance(
            consider(self.held("0/1 nodes are available: 1 node(s) had untolerated taint(s)."), ()), Silent
        )

    def test_for_want_of_room_the_revision_before_is_not_put_back(self) -> None:
        assert isinstance(rollout.consider(late(self.held()), ()), Silent)
        assert isinstance(rollout.consider(late(self.held(new="3")), ()), Silent)


def late(taken: Evidence) -> Evidence:
    found = (*taken.health.findings, Finding(Symptom.ROLLOUT_STUCK, "exceeded its progress deadline"))
    return msgspec.structs.replace(taken, health=msgspec.structs.replace(taken.health, findings=found))
