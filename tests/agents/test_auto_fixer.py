"""What AutoFixer makes of the road's answers: parked, waiting, or over because a person has said so."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import cast

import msgspec
import pytest

from agents.auto_fixer import AutoFixer
from agents.standing import Standing, Turn
from incidents.changes import Change, ChangeState, Inverse, InverseKind
from incidents.decisions import DecisionKind
from incidents.incident import Incident, Outcome, Result, Round, Verification
from incidents.policy import Answer, Mode, Policy, Ruling, Verdict
from incidents.proposals import SetField
from remediation import Attempt, Remediation
from remediation.settling import Settlement
from tests.builders import MEMORY_PATH, NOW, deployment, evidence, proposal, signal, snapshot, subject
from tests.clocks import FakeClock
from tests.store.values import change_of, decision_on, request_for, retry_of
from tools.store import Store
from tools.store.sqlite import open_store

UNTIL = NOW + timedelta(minutes=15)
ROUND = Round(number=1, proposal=proposal())


class Road:
    """Answers every attempt with the same."""

    def __init__(self, answer: Attempt) -> None:
        self.policy = Policy(mode=Mode.AUTO)
        self.attempts = 0
        self.settled = 0
        self.undone = 0
        self._answer = answer

    async def look_up_sent(self, incident: Incident) -> None:
        """Nothing was sent."""

    async def attempt(self, *_: object, round_number: int) -> Attempt:
        self.attempts += 1
        return self._answer

    async def undo(self, change: Change) -> Change:
        self.undone += 1
        return change

    async def settle(self, incident: Incident) -> Settlement:
        self.settled += 1
        return Settlement()


def deferred(rule: str = "cool-down") -> Attempt:
    return Attempt(verdict=Verdict((Ruling(rule, Answer.DEFER, "too early", UNTIL),)))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(tmp_path / "store.sqlite", now=FakeClock().now) as opened:
        yield opened


@pytest.fixture
async def incident(store: Store) -> Incident:
    found, _ = await store.open_or_join(subject(), signal())
    await store.save_round(found.id, ROUND)
    return found


async def work(store: Store, incident: Incident, road: Road) -> Turn:
    fixer = AutoFixer(cast("Remediation", road), store)
    return await fixer.work(Standing(incident=incident, rounds=(ROUND,)), evidence(snapshot(deployment())))


async def test_a_deferral_parks_and_uses_no_round(store: Store, incident: Incident) -> None:
    turn = await work(store, incident, Road(deferred()))
    assert (turn.parked_until, turn.outcome, turn.entry) == (UNTIL, None, None)
    assert [entry.tried for entry in await store.rounds(incident.id)] == [False]
    assert await store.unsent() == []


async def test_one_that_does_not_know_its_end_looks_again_at_once(store: Store, incident: Incident) -> None:
    answer = Attempt(verdict=Verdict((Ruling("edited-since", Answer.DEFER, "somebody"),)))
    turn = await work(store, incident, Road(answer))
    assert (turn.again, turn.parked_until) == (True, None)


async def test_with_a_change_of_this_work_that_stands_it_is_settled_instead(store: Store, incident: Incident) -> None:
    await store.save_change(change_of(incident.id, state=ChangeState.APPLIED, round=1))
    tried = msgspec.structs.replace(ROUND, number=2)
    road = Road(deferred())
    fixer = AutoFixer(cast("Remediation", road), store)
    first = msgspec.structs.replace(ROUND, verification=_no_better(), verdict=Verdict(()))
    turn = await fixer.work(Standing(incident=incident, rounds=(first, tried)), evidence(snapshot(deployment())))
    assert (road.settled, turn.parked_until) == (1, None)
    assert turn.outcome is not None


@pytest.mark.parametrize(("kind", "undone"), [(InverseKind.EXACT, 1), (InverseKind.NONE, 0)])
async def test_what_failed_makes_way_for_another_field_unless_it_stays_for_good(
    store: Store, incident: Incident, kind: InverseKind, undone: int
) -> None:
    edit = SetField(path=MEMORY_PATH, expected="128Mi", value="256Mi")
    made = change_of(incident.id, state=ChangeState.APPLIED, proposal=proposal(edit))
    await store.save_change(msgspec.structs.replace(made, inverse=Inverse(operations=(), kind=kind)))
    first = msgspec.structs.replace(ROUND, verification=_no_better(), verdict=Verdict(()))
    road = Road(deferred())
    fixer = AutoFixer(cast("Remediation", road), store)
    rounds = (first, msgspec.structs.replace(ROUND, number=2))
    await fixer.work(Standing(incident=incident, rounds=rounds), evidence(snapshot(deployment())))
    assert (road.undone, road.attempts) == (undone, 1)


def _no_better() -> Verification:
    return Verification(result=Result.NO_BETTER, detail="still")


async def test_an_open_breaker_is_told_once_however_many_incidents_it_parks(store: Store, incident: Incident) -> None:
    road = Road(deferred("breaker"))
    assert (await work(store, incident, road)).parked_until == UNTIL
    await work(store, incident, road)
    (notice,) = await store.unsent()
    assert "No new changes" in notice.title


async def test_a_request_leaves_the_round_to_be_begun_anew(store: Store, incident: Incident) -> None:
    request = request_for(incident.id)
    verdict = Verdict((Ruling("mode", Answer.NEEDS_APPROVAL, "approve"),))
    turn = await work(store, incident, Road(Attempt(verdict=verdict, request=request, diff=request.diff)))
    assert (turn.request, turn.outcome) == (request.id, None)
    (entry,) = await store.rounds(incident.id)
    assert (entry.tried, entry.diff) == (False, request.diff)


async def test_what_was_rejected_is_not_tried_until_somebody_says_retry(store: Store, incident: Incident) -> None:
    request = await store.ask(request_for(incident.id))
    assert await store.decide(decision_on(request, DecisionKind.REJECT))
    road = Road(deferred())
    turn = await work(store, incident, road)
    assert (road.attempts, turn.outcome) == (0, Outcome.ESCALATED)
    assert "jo has rejected it" in turn.text
    assert await store.decide(msgspec.structs.replace(retry_of(incident.id), decided_at=NOW + timedelta(seconds=1)))
    await work(store, incident, road)
    assert road.attempts == 1


async def test_what_a_person_has_undone_is_not_done_again(store: Store, incident: Incident) -> None:
    undone = change_of(incident.id, state=ChangeState.UNDONE, undone_by="ada", ended_at=NOW)
    await store.save_change(undone)
    road = Road(deferred())
    turn = await work(store, incident, road)
    assert (road.attempts, turn.outcome) == (0, Outcome.ESCALATED)
    assert "ada has undone" in turn.text


def _better() -> Verification:
    return Verification(result=Result.BETTER, detail="something else fails")


async def _resumed(store: Store, incident: Incident, road: Road) -> Turn:
    """What comes of a run after a crash that took place once the first round's change had been taken back."""
    await store.save_change(change_of(incident.id, state=ChangeState.UNDONE, round=1, ended_at=NOW))
    first = msgspec.structs.replace(ROUND, verification=_better(), verdict=Verdict(()))
    rounds = (first, msgspec.structs.replace(ROUND, number=2))
    fixer = AutoFixer(cast("Remediation", road), store)
    return await fixer.work(Standing(incident=incident, rounds=rounds), evidence(snapshot(deployment())))


async def test_a_work_that_was_ending_when_it_was_interrupted_ends_and_nothing_is_tried_again(
    store: Store, incident: Incident
) -> None:
    road = Road(deferred())
    turn = await _resumed(store, incident, road)
    assert (road.attempts, road.settled, turn.outcome) == (0, 1, Outcome.ROLLED_BACK)


async def test_after_retry_what_had_helped_and_was_taken_back_may_be_tried_again(
    store: Store, incident: Incident
) -> None:
    assert await store.decide(msgspec.structs.replace(retry_of(incident.id), decided_at=NOW + timedelta(seconds=1)))
    road = Road(deferred())
    await _resumed(store, incident, road)
    assert road.attempts == 1
