"""Acting on what people decide: each decision once, in its own cluster, and nobody waits for ever."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from agents.commands import Commands
from incidents.changes import ChangeState
from incidents.decisions import DecisionKind, RequestState, Switch, SwitchName
from incidents.incident import Incident, Outcome, Status
from incidents.objects import ClusterId
from scraper.decisions import Decisions
from tests.builders import NOW, signal, subject
from tests.clocks import FakeClock
from tests.store.values import change_of, decision_on, request_for, retry_of
from tools.store import Store
from tools.store.sqlite import open_store

CLUSTER = subject().cluster


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def store(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Store]:
    async with open_store(tmp_path / "store.sqlite", now=clock.now) as opened:
        yield opened


@pytest.fixture
def decisions(store: Store, clock: FakeClock) -> Decisions:
    return Decisions(store=store, clock=clock, cluster=CLUSTER, commands=Commands())


@pytest.fixture
async def waiting(store: Store) -> Incident:
    found, _ = await store.open_or_join(subject(), signal())
    await store.ask(request_for(found.id))
    return await as_(store, found, Status.WAITING)


async def as_(store: Store, incident: Incident, status: Status, **fields: object) -> Incident:
    stands = msgspec.structs.replace(incident, status=status, **fields)
    await store.save_incident(stands)
    return stands


async def present(store: Store, incident: Incident) -> Incident:
    found = await store.incident(incident.id)
    assert found is not None
    return found


async def said(store: Store, incident: Incident, kind: DecisionKind) -> None:
    (request,) = await store.requests_of(incident.id)
    assert await store.decide(decision_on(request, kind))


async def test_an_approval_has_the_incident_worked_on_anew_once(
    store: Store, decisions: Decisions, waiting: Incident
) -> None:
    await said(store, waiting, DecisionKind.APPROVE)
    assert await decisions.deliver() == [waiting.id]
    assert (await present(store, waiting)).status is Status.OPEN
    assert await store.undelivered() == []
    assert await decisions.deliver() == []


async def test_a_decision_waits_while_a_run_still_has_the_incident(
    store: Store, decisions: Decisions, waiting: Incident
) -> None:
    await said(store, waiting, DecisionKind.APPROVE)
    await as_(store, waiting, Status.OPEN)
    assert await decisions.deliver() == []
    assert len(await store.undelivered()) == 1
    await as_(store, waiting, Status.WAITING)
    assert await decisions.deliver() == [waiting.id]


async def test_nothing_waits_for_what_is_approved_already_even_if_the_decision_was_lost(
    store: Store, decisions: Decisions, waiting: Incident
) -> None:
    await said(store, waiting, DecisionKind.APPROVE)
    for decision in await store.undelivered():
        await store.delivered(decision.id)
    assert await decisions.deliver() == [waiting.id]


async def test_a_rejection_hands_over_and_tells_nobody_again(
    store: Store, decisions: Decisions, waiting: Incident
) -> None:
    await said(store, waiting, DecisionKind.REJECT)
    assert await decisions.deliver() == []
    over = await present(store, waiting)
    assert (over.status, over.outcome, over.summary) == (
        Status.HANDED_OVER,
        Outcome.ESCALATED,
        "jo has rejected it: looks right",
    )
    assert await store.unsent() == []


async def test_with_changes_that_stand_a_rejection_is_settled_by_a_run(
    store: Store, decisions: Decisions, waiting: Incident
) -> None:
    await store.save_change(change_of(waiting.id, state=ChangeState.APPLIED))
    await said(store, waiting, DecisionKind.REJECT)
    assert await decisions.deliver() == [waiting.id]
    assert (await present(store, waiting)).status is Status.OPEN


@pytest.mark.parametrize("approved", [False, True])
async def test_a_request_that_runs_out_is_handed_over_and_told_once(
    store: Store, decisions: Decisions, waiting: Incident, clock: FakeClock, approved: bool
) -> None:
    clock.advance(3599)
    assert await decisions.deliver() == []
    if approved:  # by somebody whose decision no daemon has seen, and which no run has used
        await said(store, waiting, DecisionKind.APPROVE)
        for decision in await store.undelivered():
            await store.delivered(decision.id)
    clock.advance(1)
    assert await decisions.deliver() == []
    assert (await present(store, waiting)).status is Status.HANDED_OVER
    assert [one.state for one in await store.requests_of(waiting.id)] == [RequestState.EXPIRED]
    (notice,) = await store.unsent()
    assert f"k8s-auto-fixer retry {waiting.id}" in notice.sections[0].lines[1]
    await decisions.deliver()
    assert len(await store.unsent()) == 1


async def test_the_request_of_an_incident_that_is_over_is_void(
    store: Store, decisions: Decisions, waiting: Incident
) -> None:
    await as_(store, waiting, Status.CLOSED)
    assert await decisions.deliver() == []
    assert [one.state for one in await store.requests_of(waiting.id)] == [RequestState.VOID]


async def test_what_waits_for_an_answer_that_nobody_can_give_any_more_is_worked_on_anew(
    decisions: Decisions, store: Store, waiting: Incident
) -> None:
    (request,) = await store.requests_of(waiting.id)
    await store.close_request(request.id, RequestState.VOID)
    assert await decisions.deliver() == [waiting.id]
    assert (await present(store, waiting)).status is Status.OPEN
    assert await decisions.deliver() == []


async def test_a_retry_reopens_what_was_handed_over_with_a_clean_slate(
    store: Store, decisions: Decisions, waiting: Incident
) -> None:
    ended = NOW - timedelta(seconds=5)
    await as_(store, waiting, Status.HANDED_OVER, outcome=Outcome.ESCALATED, ended_at=ended)
    assert await store.decide(retry_of(waiting.id))
    assert await decisions.deliver() == [waiting.id]
    again = await present(store, waiting)
    assert (again.status, again.outcome, again.ended_at) == (Status.OPEN, None, None)


async def test_a_retry_that_a_crash_left_undelivered_is_not_another_one(
    store: Store, decisions: Decisions, waiting: Incident
) -> None:
    assert await store.decide(retry_of(waiting.id))
    await as_(store, waiting, Status.HANDED_OVER, ended_at=NOW + timedelta(seconds=5))
    assert await decisions.deliver() == []
    assert await store.undelivered() == []


async def test_decisions_about_another_cluster_are_another_daemons(store: Store, waiting: Incident) -> None:
    await said(store, waiting, DecisionKind.APPROVE)
    other = Decisions(store=store, clock=FakeClock(), cluster=ClusterId("another"), commands=Commands())
    assert await other.deliver() == []
    assert len(await store.undelivered()) == 1


async def test_what_was_parked_goes_on_when_a_switch_is_turned_off(
    store: Store, decisions: Decisions, waiting: Incident
) -> None:
    switch = Switch(name=SwitchName.PAUSE, on=True, by="ada", at=NOW)
    await store.set_switch(switch)
    await as_(store, waiting, Status.OPEN, parked_until=NOW + timedelta(hours=1))
    assert await decisions.deliver() == []
    await store.set_switch(msgspec.structs.replace(switch, on=False))
    assert await decisions.deliver() == [waiting.id]
    assert (await present(store, waiting)).parked_until is None
