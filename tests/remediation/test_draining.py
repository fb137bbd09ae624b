"""Pods that are asked to leave a node in trouble: one after the other, as budgets and controllers let them."""

from typing import Any

import msgspec
import pytest

from evidence.sight import looking_through
from incidents.changes import Change, ChangeState
from incidents.codec import from_json, to_json
from incidents.incident import Result
from incidents.objects import NODE, POD, REPLICA_SET, ClusterId, Uid, reference
from incidents.policy import Answer, Mode, Policy
from incidents.proposals import Action, Drain, Proposal, SetField
from incidents.snapshot import spec_digest
from incidents.subjects import subject_at
from incidents.symptoms import Symptom
from remediation.approval import asked_digest
from remediation.draining import Draining, rehearsed_evictions
from remediation.gate import RestrainedWriter, Writes
from remediation.guardrails.draining import drained
from remediation.verify import Verifier
from tests.builders import NOW, change, container, owned_by, proposal, signal, template
from tests.remediation.conftest import NAMESPACE, Bench
from tests.remediation.test_guardrails import view
from tools.cluster.errors import Forbidden
from tools.cluster.transport import Transport

Object = dict[str, Any]
CORDON = SetField(path="/spec/unschedulable", expected=None, value=True)
SHORT = {"type": "DiskPressure", "status": "True", "reason": "KubeletHasDiskPressure", "message": "has disk pressure"}


async def sent(bench: Bench, method: str, path: str, body: Object, kind: str = "application/json") -> None:
    await Transport.send(bench.transport, method, path, body=body, content_type=kind)


async def status(bench: Bench, path: str, said: Object) -> None:
    await sent(bench, "PATCH", path + "/status", {"status": said}, "application/merge-patch+json")


async def node(bench: Bench) -> Object:
    """A cordoned node that has been short of disk for long."""
    body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}, "spec": {"unschedulable": True}}
    await sent(bench, "POST", NODE.path(), body)
    since = {"lastTransitionTime": "2001-01-01T00:00:00Z"}
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
    await status(bench, NODE.path("", "n1"), {"conditions": [ready | since, SHORT | since]})
    return {**await bench.reader.get(NODE, "", "n1"), "apiVersion": "v1", "kind": "Node"}


async def workload(bench: Bench, name: str, *, wanted: int = 1, ready: int = 1, pods: int = 1, **spec: Any) -> Uid:
    """A ReplicaSet with pods on the node."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    if not await bench.reader.list(POD, NAMESPACE):
        await sent(bench, "POST", f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts", account)
    made = template(container()) | {"metadata": {"labels": {"app": name}}}
    wants = {"replicas": wanted, "selector": {"matchLabels": {"app": name}}, "template": made}
    body = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": name}, "spec": wants}
    await sent(bench, "POST", REPLICA_SET.path(NAMESPACE), body)
    await status(bench, REPLICA_SET.path(NAMESPACE, name), {"replicas": wanted, "readyReplicas": ready})
    uid = (await bench.reader.get(REPLICA_SET, NAMESPACE, name))["metadata"]["uid"]
    for number in range(pods):
        metadata = {
            "name": f"{name}-{number}",
            "labels": {"app": name},
            "ownerReferences": [owned_by("ReplicaSet", name, uid)],
        }
        pod = {"containers": [container()], "nodeName": "n1", "terminationGracePeriodSeconds": 0, **spec}
        await sent(
            bench, "POST", POD.path(NAMESPACE), {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod}
        )
        said = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        await status(bench, POD.path(NAMESPACE, f"{name}-{number}"), said)
    return Uid(uid)


async def budget(bench: Bench, name: str, allowed: int) -> None:
    spec = {"maxUnavailable": 0, "selector": {"matchLabels": {"app": name}}}
    body = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name}, "spec": spec}
    path = f"/apis/policy/v1/namespaces/{NAMESPACE}/poddisruptionbudgets"
    await sent(bench, "POST", path, body)
    figures = {"disruptionsAllowed": allowed, "currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1}
    await status(bench, f"{path}/{name}", {**figures, "observedGeneration": 1})


async def drain(bench: Bench, *owners: Uid) -> Change:
    """The cordon as it stands, with the evictions that were approved with it."""
    live = await node(bench)
    pods = tuple(
        reference({**pod, "apiVersion": "v1", "kind": "Pod"}) for pod in await bench.reader.list(POD, NAMESPACE)
    )
    target = reference(live)
    incident, _ = await bench.store.open_or_join(subject_at(target, cluster=ClusterId("c")), signal())
    made = proposal(target=target, ends=Symptom.NODE_PRESSURE)
    made = msgspec.structs.replace(made, action=Drain(edits=(CORDON,), owners=owners, pods=pods))
    return change(
        incident=incident.id, made=made, state=ChangeState.APPLIED, sent_at=NOW, generation=0, spec=spec_digest(live)
    )


def draining(bench: Bench, writer: Writes | None = None) -> Draining:
    return Draining(bench.reader, writer or bench.writer, bench.store, bench.clock)


async def names(bench: Bench) -> list[str]:
    return sorted(pod["metadata"]["name"] for pod in await bench.reader.list(POD, NAMESPACE))


async def test_one_pod_at_a_time_is_asked_to_leave_until_none_is_left(bench: Bench) -> None:
    made = await drain(bench, await workload(bench, "web"), await workload(bench, "feed"))
    steps = draining(bench)
    assert (await steps.step(made)).goes_on
    assert await names(bench) == ["web-0"]
    assert (await steps.step(made)).goes_on
    assert await names(bench) == []
    assert await steps.step(made) == (False, "what was to leave it has left")
    agents = [agent for method, _, agent in bench.transport.sent if method == "POST"]
    assert agents == [f"k8s-auto-fixer/test change/{made.id}"] * 2
    assert [one.step for one in await bench.store.audit_records()].count("evict-pod") == 2


async def test_a_budget_that_lets_nobody_go_is_waited_for_and_told(bench: Bench) -> None:
    made = await drain(bench, await workload(bench, "web"))
    await budget(bench, "web", 0)
    steps = draining(bench)
    await steps.step(made)
    left = await steps.step(made)
    assert left.goes_on
    assert left.said.startswith("web-0 stayed: a budget")
    assert await names(bench) == ["web-0"]
    assert [one.step for one in await bench.store.timeline(made.incident)].count("pod-not-evicted") == 1


async def test_who_has_no_others_that_are_ready_keeps_the_one_it_has(bench: Bench) -> None:
    made = await drain(bench, await workload(bench, "web", wanted=2, ready=1))
    assert (await draining(bench).step(made)).goes_on
    assert await names(bench) == ["web-0"]


@pytest.mark.parametrize(
    "spec", [{"volumes": [{"name": "cache", "emptyDir": {}}]}, {"priorityClassName": "system-node-critical"}]
)
async def test_what_keeps_data_there_or_is_critical_stays(bench: Bench, spec: Object) -> None:
    made = await drain(bench, await workload(bench, "web", **spec))
    assert await draining(bench).step(made) == (False, "what was to leave it has left")
    assert await names(bench) == ["web-0"]


async def test_the_pods_of_others_are_left_alone(bench: Bench) -> None:
    web = await workload(bench, "web")
    await workload(bench, "feed")
    steps, made = draining(bench), await drain(bench, web)
    await steps.step(made)
    await steps.step(made)
    assert await names(bench) == ["feed-0"]


async def test_what_the_server_refuses_for_good_is_asked_once_and_told(bench: Bench) -> None:
    made = await drain(bench, await workload(bench, "web"))
    asked = 0

    class Refusing:
        async def evict(self, *_: Any, **__: Any) -> Object:
            nonlocal asked
            asked += 1
            raise Forbidden("cannot create pods/eviction", code=403)

    steps = draining(bench, Refusing())  # type: ignore[arg-type]  # all that is asked of it is evict()
    assert await steps.step(made) == await steps.step(made) == (False, "web-0 stayed: cannot create pods/eviction")
    assert asked == 1


async def test_in_a_mode_that_does_not_act_nobody_is_asked_to_leave(bench: Bench) -> None:
    made = await drain(bench, await workload(bench, "web"))
    await draining(bench, RestrainedWriter(bench.writer, Mode.SUGGEST)).step(made)
    assert await names(bench) == ["web-0"]


async def test_the_rehearsal_moves_nobody_and_a_budget_does_not_end_it(bench: Bench) -> None:
    made = await drain(bench, await workload(bench, "web"), await workload(bench, "feed"))
    await budget(bench, "feed", 0)
    await rehearsed_evictions(bench.writer, made.proposal, made.id)
    assert await names(bench) == ["feed-0", "web-0"]


async def test_verification_waits_for_the_pods_and_tells_who_stayed(bench: Bench) -> None:
    made = await drain(bench, await workload(bench, "web"), await workload(bench, "feed"))
    await budget(bench, "feed", 0)
    found = Verifier(
        looking_through(bench.reader, bench.clock), bench.clock, settle_seconds=5, draining=draining(bench)
    )
    verdict = await found.verify(made)
    assert verdict.result is Result.BETTER
    assert await names(bench) == ["feed-0"]
    assert "no more pods were asked to leave" in verdict.detail


async def test_once_somebody_has_uncordoned_the_node_nobody_is_asked_to_leave(bench: Bench) -> None:
    made = await drain(bench, await workload(bench, "web"))
    await sent(bench, "PATCH", NODE.path("", "n1"), {"spec": {"unschedulable": None}}, "application/merge-patch+json")
    found = Verifier(
        looking_through(bench.reader, bench.clock), bench.clock, settle_seconds=5, draining=draining(bench)
    )
    assert (await found.verify(made)).result is Result.CANNOT_TELL
    assert await names(bench) == ["web-0"]


PODS = tuple(
    msgspec.structs.replace(proposal().target, kind="Pod", name=f"web-{n}", uid=Uid(f"{n}")) for n in range(12)
)


def judged(action: Action, *, kind: str = "Node", **policy: Any) -> set[Answer]:
    target = msgspec.structs.replace(proposal().target, kind=kind, namespace="", name="n1")
    made = msgspec.structs.replace(proposal(target=target), action=action)
    return {ruling.answer for ruling in drained(view(proposal=made, policy=Policy(mode=Mode.AUTO, **policy)))}


GOOD = Drain(edits=(CORDON,), owners=(Uid("web"),), pods=PODS[:2])


def test_a_person_is_always_asked() -> None:
    assert judged(GOOD) == {Answer.NEEDS_APPROVAL}
    assert judged((CORDON,)) == set()


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        (GOOD, "Deployment"),
        (Drain(edits=(), owners=GOOD.owners, pods=GOOD.pods), "Node"),
        (
            Drain(edits=(SetField(path="/spec/taints", expected=None, value=[]),), owners=GOOD.owners, pods=PODS[:1]),
            "Node",
        ),
        (Drain(edits=(CORDON,), owners=GOOD.owners, pods=PODS), "Node"),
        (Drain(edits=(CORDON,), owners=(), pods=PODS[:1]), "Node"),
        (Drain(edits=(CORDON,), owners=GOOD.owners, pods=()), "Node"),
    ],
)
def test_pods_leave_a_cordoned_node_alone_and_few_of_them(action: Action, kind: str) -> None:
    assert Answer.REFUSE in judged(action, kind=kind)


def test_no_pod_leaves_of_a_namespace_that_is_not_to_be_touched() -> None:
    assert Answer.REFUSE in judged(GOOD, excluded_namespaces=(PODS[0].namespace,))


def test_it_is_stored_and_read_again_as_it_is() -> None:
    made = msgspec.structs.replace(proposal(), action=GOOD)
    assert from_json(to_json(made), Proposal) == made


def test_an_approval_is_for_the_pods_of_these_controllers_and_of_no_others() -> None:
    made = msgspec.structs.replace(proposal(), action=GOOD)
    replaced = msgspec.structs.replace(GOOD, pods=PODS[2:4])  # of the same controller, made since
    other = msgspec.structs.replace(GOOD, owners=(Uid("feed"),))
    asked, again, another = (
        asked_digest(msgspec.structs.replace(made, action=action), (), ()) for action in (GOOD, replaced, other)
    )
    assert asked == again != another
