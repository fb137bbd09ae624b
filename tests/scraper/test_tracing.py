"""Cause before symptom: what a node, quota, StorageClass or webhook explains, and what happens when it is over."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from incidents.incident import Incident, Outcome, Status
from incidents.objects import CLAIM, NODE, QUOTA, STORAGE_CLASS, VALIDATING_WEBHOOK
from scraper.grace import Advice
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
HOOK_DOWN = 'failed calling webhook "validate.example.com": connection refused'
SMALL = thing(QUOTA, "small", spec={"hard": {"pods": "2"}})
HOOK = thing(VALIDATING_WEBHOOK, "policies", webhooks=[{"name": "validate.example.com"}])
LOST_NODE = thing(NODE, "node-1", status={"conditions": [condition("Ready", "Unknown", "NodeStatusUnknown")]})
FINE_NODE = thing(NODE, "node-1", status={"conditions": [condition("Ready", "True")]})


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
    [refused(QUOTA_FULL), [*refused(HOOK_DOWN), thing(VALIDATING_WEBHOOK, "validate.example.com", webhooks=[])]],
    ids=["no such quota", "no such webhook"],
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


async def test_when_the_cause_is_over_what_still_fails_is_worked_on_and_what_is_well_is_closed_without_a_word(
    tmp_path: Path,
) -> None:
    async with seeing(tmp_path, *refused(QUOTA_FULL), SMALL) as found:
        incident = await opened(found)
        await found.grace.advise(incident)
        (cause,) = await found.incidents(Status.OPEN)
        assert await found.handed_over.review() == []
        closed = msgspec.structs.replace(cause, status=Status.CLOSED, outcome=Outcome.SUPPRESSED)
        await found.store.save_incident(closed)
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
        assert over.status is Status.CLOSED
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
