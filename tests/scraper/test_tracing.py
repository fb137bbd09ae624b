"""Cause before symptom: what a node, quota, StorageClass or webhook explains, and what happens when it is over."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from incidents.incident import Incident, Outcome, Round, Status
from incidents.objects import CLAIM, NODE, QUOTA, SERVICE, STORAGE_CLASS, VALIDATING_WEBHOOK, reference
from incidents.proposals import Diagnosis
from incidents.subjects import subject_at
from scraper.grace import Advice
from scraper.handed_over import RECOVERY_SECONDS
from tests.builders import condition, deployment, ended, pod, replica_set, running, signal, subject, waiting
from tests.scraper.seeing import Seeing, seeing, thing

Object = dict[str, Any]


def refused(message: str) -> list[Object]:
    failure = condition("ReplicaFailure", "True", "FailedCreate", message)
    return [deployment(ready=0), replica_set(conditions=[failure])]


def stranded() -> list[Object]:
    """A pod whose containers ran when they were last heard of, and that is not Ready."""
    lost = pod({**running(), "ready": True})
    lost["spec"] = {**lost["spec"], "nodeName": "node-1"}
    return [deployment(ready=0), replica_set(), lost]


QUOTA_FULL = 'pods "web-1" is forbidden: exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2'
UNSAID = 'pods "web-1" is forbidden: failed quota: small: must specify limits.memory for: web'
HOOK_DOWN = 'failed calling webhook "validate.example.com": connection refused'
SMALL = thing(QUOTA, "small", spec={"hard": {"pods": "2"}})
HOOK = thing(VALIDATING_WEBHOOK, "policies", webhooks=[{"name": "validate.example.com"}])
LOST_NODE = thing(NODE, "node-1", status={"conditions": [condition("Ready", "Unknown", "NodeStatusUnknown")]})
FINE_NODE = thing(NODE, "node-1", status={"conditions": [condition("Ready", "True")]})


def over_now(cause: Incident, found: Seeing) -> Incident:
    return msgspec.structs.replace(cause, status=Status.CLOSED, outcome=Outcome.SUPPRESSED, ended_at=found.clock.now())


async def opened(found: Seeing) -> Incident:
    incident, _ = await found.store.open_or_join(subject(), signal())
    return incident


@pytest.mark.parametrize(
    ("objects", "cause"),
    [
        ([*refused(QUOTA_FULL), SMALL], "resourcequota/small in shop"),
        ([*refused(HOOK_DOWN), HOOK], "validatingwebhookconfiguration/policies"),
        ([*stranded(), LOST_NODE], "node/node-1"),
    ],
    ids=["quota", "webhook", "node"],
)
async def test_what_something_else_explains_is_handed_over_under_it_and_nobody_is_told_twice(
    tmp_path: Path, objects: list[Object], cause: str
) -> None:
    async with seeing(tmp_path, *objects) as found:
        incident = await opened(found)
        assert await found.grace.advise(incident) is Advice.EXPLAINED
        handed = await found.store.incident(incident.id)
        (explaining,) = await found.incidents(Status.OPEN)
        assert handed is not None
        assert (handed.status, handed.caused_by) == (Status.HANDED_OVER, explaining.id)
        assert str(explaining.subject) == cause
        assert [one.id for one in found.queued] == [explaining.id]
        assert await found.grace.advise(explaining) is Advice.WORK
        assert found.told.notices == []


async def test_a_second_subject_joins_the_incident_of_the_cause(tmp_path: Path) -> None:
    async with seeing(tmp_path, *refused(QUOTA_FULL), SMALL) as found:
        await found.grace.advise(await opened(found))
        other = msgspec.structs.replace(subject(), uid="uid-web")
        again, _ = await found.store.open_or_join(other, signal("event-2"))
        await found.grace.advise(again)
        assert len(await found.incidents(Status.OPEN)) == 1


@pytest.mark.parametrize(
    "objects",
    [
        refused(QUOTA_FULL),
        [*refused(HOOK_DOWN), thing(VALIDATING_WEBHOOK, "validate.example.com", webhooks=[])],
        [*refused(UNSAID), SMALL],
    ],
    ids=["no such quota", "no such webhook", "a pod that does not say what it takes"],
)
async def test_a_cause_that_is_not_there_is_not_believed(tmp_path: Path, objects: list[Object]) -> None:
    async with seeing(tmp_path, *objects) as found:
        assert await found.grace.advise(await opened(found)) is Advice.WORK
        assert len(await found.incidents()) == 1


async def test_a_node_that_is_ready_explains_nothing(tmp_path: Path) -> None:
    async with seeing(tmp_path, *stranded(), FINE_NODE) as found:
        assert await found.grace.advise(await opened(found)) is Advice.WAIT
        assert len(await found.incidents()) == 1


async def test_a_claim_that_is_not_provisioned_is_explained_by_its_storage_class(tmp_path: Path) -> None:
    claim = thing(CLAIM, "data", spec={"storageClassName": "fast"}, status={"phase": "Pending"})
    async with seeing(tmp_path, claim, thing(STORAGE_CLASS, "fast", volumeBindingMode="Immediate")) as found:
        await found.sweep()
        (incident,) = await found.incidents()
        assert await found.grace.advise(incident) is Advice.EXPLAINED
        assert {str(one.subject) for one in await found.incidents(Status.OPEN)} == {"storageclass/fast"}


async def test_pods_that_wait_for_a_volume_are_explained_by_the_class_that_provisions_none(tmp_path: Path) -> None:
    """Nobody says a word of the claim: it is read because the scheduler says that a pod waits for it."""
    unbound = "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims."
    held = pod(conditions=[condition("PodScheduled", "False", "Unschedulable", unbound)])
    held["spec"] = {**held["spec"], "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]}
    claim = thing(CLAIM, "data", spec={"storageClassName": "fast"}, status={"phase": "Pending"})
    fast = thing(STORAGE_CLASS, "fast", volumeBindingMode="Immediate")
    async with seeing(tmp_path, deployment(ready=0), replica_set(), held, claim, fast) as found:
        assert await found.grace.advise(await opened(found)) is Advice.EXPLAINED
        assert {str(one.subject) for one in await found.incidents(Status.OPEN)} == {"storageclass/fast"}


async def test_when_the_cause_is_over_what_still_fails_is_worked_on_and_what_is_well_is_closed_without_a_word(
    tmp_path: Path,
) -> None:
    async with seeing(tmp_path, *refused(QUOTA_FULL), SMALL) as found:
        incident = await opened(found)
        await found.grace.advise(incident)
        (cause,) = await found.incidents(Status.OPEN)
        assert await found.handed_over.review() == []
        await found.store.save_incident(over_now(cause, found))
        assert await found.handed_over.review() == []  # a controller that has backed off tries again in its own time
        found.clock.advance(RECOVERY_SECONDS + 1)
        (again,) = await found.handed_over.review()
        assert (again.id, again.status, again.caused_by) == (incident.id, Status.OPEN, None)

        await found.grace.advise(again)  # explained by a new incident of the quota
        found.cluster.serve(deployment(ready=1), replica_set(), pod(ready=True), SMALL)
        await found.sweep()
        await found.handed_over.review()
        found.clock.advance(61)
        await found.handed_over.review()
        over = await found.store.incident(incident.id)
        assert over is not None
        assert (over.status, over.outcome) == (Status.CLOSED, Outcome.SUPPRESSED)
        assert found.told.notices == []


async def test_a_cause_without_effects_left_is_let_go(tmp_path: Path) -> None:
    async with seeing(tmp_path, *refused(QUOTA_FULL), SMALL) as found:
        incident = await opened(found)
        await found.grace.advise(incident)
        (cause,) = await found.incidents(Status.OPEN)
        handed = await found.store.incident(incident.id)
        assert handed is not None
        await found.store.save_incident(msgspec.structs.replace(handed, status=Status.CLOSED))
        assert await found.grace.advise(cause) is Advice.WAIT
        found.clock.advance(11)
        assert await found.grace.advise(cause) is Advice.CLOSED


CRASHING = pod(waiting("CrashLoopBackOff", last=ended()), name="web-2")


async def test_what_is_broken_besides_is_not_hidden_under_a_cause(tmp_path: Path) -> None:
    async with seeing(tmp_path, *refused(QUOTA_FULL), CRASHING, SMALL) as found:
        assert await found.grace.advise(await opened(found)) is Advice.WORK
    (tmp_path / "node").mkdir()
    async with seeing(tmp_path / "node", *stranded(), CRASHING, LOST_NODE) as found:
        assert await found.grace.advise(await opened(found)) is Advice.WORK


async def test_what_breaks_later_while_its_cause_goes_on_explaining_others_is_worked_on(tmp_path: Path) -> None:
    """The incident of a cause ends with the last that it explains: it must not hold what is broken otherwise."""
    async with seeing(tmp_path, *refused(HOOK_DOWN), HOOK) as found:
        incident = await opened(found)
        await found.grace.advise(incident)
        assert await found.handed_over.review() == []
        found.cluster.serve(deployment(ready=0), replica_set(), CRASHING, HOOK)
        found.clock.advance(61)
        (again,) = await found.handed_over.review()
        assert (again.id, again.status) == (incident.id, Status.OPEN)
        assert await found.grace.advise(again) is Advice.WORK


async def test_a_text_that_a_container_writes_names_no_cause(tmp_path: Path) -> None:
    spoken = pod(waiting("RunContainerError", HOOK_DOWN), name="web-2")
    async with seeing(tmp_path, deployment(ready=0), replica_set(), spoken, HOOK) as found:
        assert await found.grace.advise(await opened(found)) is Advice.WORK
        assert len(await found.incidents()) == 1


async def test_fifty_workloads_of_a_lost_node_are_one_incident_to_tell_of(tmp_path: Path) -> None:
    async with seeing(tmp_path, *stranded(), LOST_NODE) as found:
        for number in range(50):
            other = msgspec.structs.replace(subject(), uid="uid-web", cluster=f"cluster-{number}")
            incident, _ = await found.store.open_or_join(other, signal(f"event-{number}"))
            assert await found.grace.advise(incident) is Advice.EXPLAINED
        (cause,) = await found.incidents(Status.OPEN)
        assert cause.subject.kind == "Node"
        assert {one.caused_by for one in await found.incidents(Status.HANDED_OVER)} == {cause.id}
        assert found.told.notices == []


async def test_a_pod_that_its_node_has_never_heard_of_waits_for_that_node(tmp_path: Path) -> None:
    unheard = pod()
    unheard["status"] = {"phase": "Pending"}
    unheard["spec"] = {**unheard["spec"], "nodeName": "node-1"}
    async with seeing(tmp_path, deployment(ready=0), replica_set(), unheard, LOST_NODE) as found:
        assert await found.grace.advise(await opened(found)) is Advice.EXPLAINED


def database(*, ready: int = 0, replicas: int = 1) -> Object:
    """A workload that another cannot do without."""
    found = deployment(ready=ready, replicas=replicas)
    found["metadata"] = {**found["metadata"], "name": "db", "uid": "uid-db"}
    return found


async def blaming(found: Seeing, *, what: Object | None = None, **ref: Any) -> Incident:
    """An incident in whose round a playbook has blamed the database."""
    incident = await opened(found)
    blamed = msgspec.structs.replace(reference(what or database()), **ref)
    cause = Diagnosis(family="crash", cause="cannot reach db:5432", confidence=0.93, blames=blamed)
    await found.store.save_round(incident.id, Round(number=1, diagnosis=cause))
    return incident


class TestAWorkloadThatAnotherNeeds:
    """It is mended first, and what cannot do without it is judged anew afterwards."""

    async def test_what_it_breaks_is_put_under_it_and_told_by_nobody(self, tmp_path: Path) -> None:
        async with seeing(tmp_path, deployment(ready=0), database()) as found:
            incident = await blaming(found)
            assert await found.grace.explained(incident)
            (cause,) = await found.incidents(Status.OPEN)
            assert str(cause.subject) == "deployment/db in shop"
            assert [one.id for one in found.queued] == [cause.id]
            assert [one.id for one in await found.store.explained_by(cause.id)] == [incident.id]
            assert found.told.notices == []

    @pytest.mark.parametrize("there", [database(ready=1), database(replicas=0)], ids=["ready", "scaled to zero"])
    async def test_one_that_is_not_down_explains_nothing(self, tmp_path: Path, there: Object) -> None:
        async with seeing(tmp_path, deployment(ready=0), there) as found:
            assert not await found.grace.explained(await blaming(found))
            assert len(await found.incidents()) == 1

    async def test_a_service_explains_while_it_has_an_incident_of_its_own(self, tmp_path: Path) -> None:
        front = thing(SERVICE, "db", spec={"selector": {"app": "db"}})
        async with seeing(tmp_path, deployment(ready=0), front) as found:
            incident = await blaming(found, what=front)
            assert not await found.grace.explained(incident)
            under = subject_at(reference(front), cluster=incident.subject.cluster)
            cause, _ = await found.store.open_or_join(under, signal("event-2"))
            assert await found.grace.explained(incident)
            handed = await found.store.incident(incident.id)
            assert handed is not None
            assert handed.caused_by == cause.id

    async def test_one_of_another_namespace_or_another_uid_is_not_believed(self, tmp_path: Path) -> None:
        async with seeing(tmp_path, deployment(ready=0), database()) as found:
            assert not await found.grace.explained(await blaming(found, namespace="bank"))
            assert not await found.grace.explained(await blaming(found, uid="uid-of-an-earlier-one"))

    async def test_two_that_blame_each_other_are_both_told(self, tmp_path: Path) -> None:
        async with seeing(tmp_path, deployment(ready=0), database()) as found:
            incident = await blaming(found)
            other = subject_at(reference(database()), cluster=incident.subject.cluster)
            above, _ = await found.store.open_or_join(other, signal("event-2"))
            under = msgspec.structs.replace(above, status=Status.HANDED_OVER, caused_by=incident.id)
            await found.store.save_incident(under)
            assert not await found.grace.explained(incident)

    async def test_what_is_ready_again_is_left_to_recover_and_what_is_not_is_worked_on(self, tmp_path: Path) -> None:
        back = pod({**running(restarts=3, last=ended()), "ready": True}, ready=True)
        down = pod(waiting("CrashLoopBackOff", restarts=3, last=ended()))
        async with seeing(tmp_path, deployment(ready=0), replica_set(), down, database()) as found:
            incident = await blaming(found)
            await found.grace.explained(incident)
            (cause,) = await found.incidents(Status.OPEN)
            assert await found.handed_over.review() == []
            await found.store.save_incident(over_now(cause, found))
            found.cluster.serve(deployment(ready=1), replica_set(), back, database(ready=1))
            found.clock.advance(RECOVERY_SECONDS + 1)
            assert await found.handed_over.review() == []
            found.cluster.serve(deployment(ready=0), replica_set(), down, database(ready=1))
            (again,) = await found.handed_over.review()
            assert (again.id, again.caused_by) == (incident.id, None)
