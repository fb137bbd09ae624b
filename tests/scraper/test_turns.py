"""Who is looked at closely: so many a turn whatever their number, those with a reason first, and nobody never."""

from pathlib import Path

import msgspec

from incidents.health import State
from incidents.incident import Incident, Outcome, Status
from incidents.objects import IncidentId, Uid
from incidents.snapshot import spec_digest
from scraper.turns import LOOKS, ROUTINE_SECONDS, WITH_REASON, Sight, Turns
from tests.builders import NOW, deployment, pod, replica_set, signal, subject, waiting
from tests.clocks import FakeClock
from tests.scraper.seeing import Seeing, seeing

SETTLE = 60.0
MANY = 500


def held(count: int) -> list[Incident]:
    seen = signal()
    return [
        Incident(
            id=IncidentId(f"incident-{number}"),
            subject=msgspec.structs.replace(subject(), uid=Uid(f"uid-{number}")),
            status=Status.HANDED_OVER,
            first_signal=seen,
            last_signal=seen,
            signals=1,
            opened_at=NOW,
        )
        for number in range(count)
    ]


class Looking:
    """Turns as the review takes them, every 15 s, with a sweep every minute."""

    def __init__(self, incidents: list[Incident]) -> None:
        self.clock = FakeClock()
        self.turns = Turns(self.clock, settle_seconds=SETTLE)
        self.incidents = incidents
        self.troubled = {incident.subject.key: 1 for incident in incidents}
        self.sight = Sight(at=NOW, troubled=dict(self.troubled))
        self.number = 0

    def turn(self) -> list[str]:
        self.clock.advance(15)
        self.number += 1
        if self.number % 4 == 0:
            self.sight = Sight(at=self.clock.now(), troubled=dict(self.troubled))
            self.clock.advance(0.1)
        chosen = self.turns.next(self.incidents, self.sight)
        for incident in chosen:
            generation = self.troubled.get(incident.subject.key)
            state = State.WELL if generation is None else State.FAILING
            self.turns.looked(incident, state, generation or 0)
        return [incident.id for incident in chosen]


def test_however_many_there_are_a_turn_has_so_many_looks_and_everybody_has_one_in_time() -> None:
    looking = Looking(held(MANY))
    turns = [looking.turn() for _ in range(MANY // LOOKS + 1)]
    assert max(map(len, turns)) <= LOOKS
    assert {one for turn in turns for one in turn} == {incident.id for incident in looking.incidents}


def test_among_hundreds_what_has_healed_or_was_changed_is_looked_at_within_a_sweep_and_a_turn() -> None:
    looking = Looking(held(MANY))
    for _ in range(40):
        looking.turn()
    del looking.troubled["cluster-1/uid-77"]
    looking.troubled["cluster-1/uid-99"] = 2
    seen = {one for _ in range(5) for one in looking.turn()}
    assert {"incident-77", "incident-99"} <= seen


def test_what_is_well_is_looked_at_again_as_soon_as_that_may_be_believed() -> None:
    looking = Looking(held(MANY))
    for _ in range(40):
        looking.turn()
    del looking.troubled["cluster-1/uid-77"]
    turns = [looking.turn() for _ in range(10)]
    seen = [number for number, turn in enumerate(turns) if "incident-77" in turn]
    assert seen[1] - seen[0] == SETTLE / 15


def test_whoever_always_has_a_reason_leaves_room_for_those_without() -> None:
    looking = Looking(held(MANY))
    unseen = {incident.subject.key for incident in looking.incidents[:400]}  # as of kinds that no sweep sees
    looking.troubled = {key: one for key, one in looking.troubled.items() if key not in unseen}
    turns = [looking.turn() for _ in range(400)]
    counted = [sum(incident.id in turn for turn in turns) for incident in looking.incidents]
    assert min(counted) >= 400 * (LOOKS - WITH_REASON) // MANY
    assert max(counted[:400]) - min(counted[:400]) <= 2


def test_a_few_are_looked_at_every_minute_and_not_more_often() -> None:
    looking = Looking(held(3))
    turns = [looking.turn() for _ in range(40)]
    assert sum("incident-1" in turn for turn in turns) in range(int(40 * 15 / ROUTINE_SECONDS) - 1, 12)


async def handed_over(found: Seeing) -> Incident:
    incident, _ = await found.store.open_or_join(subject(), signal())
    held_over = msgspec.structs.replace(
        incident, status=Status.HANDED_OVER, outcome=Outcome.ESCALATED, spec=spec_digest(deployment()), ended_at=NOW
    )
    await found.store.save_incident(held_over)
    return held_over


async def test_while_the_sweep_sees_it_in_trouble_a_review_asks_nothing_and_once_it_does_not_it_is_looked_at(
    tmp_path: Path,
) -> None:
    broken = [deployment(ready=0), replica_set(), pod(waiting("ImagePullBackOff"))]
    async with seeing(tmp_path, *broken) as found:
        await handed_over(found)
        await found.sweep()
        await found.handed_over.review()
        asked = len(found.cluster.requests)
        for _ in range(3):
            found.clock.advance(15)
            await found.handed_over.review()
        assert len(found.cluster.requests) == asked
        found.cluster.serve(deployment(ready=1), replica_set(), pod(ready=True))
        await found.sweep()
        await found.handed_over.review()
        found.clock.advance(SETTLE)
        await found.handed_over.review()
        assert (await found.only()).status is Status.CLOSED
