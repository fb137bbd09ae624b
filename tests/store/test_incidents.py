"""What every store promises about incidents and all that is kept about one."""

import asyncio

import msgspec
import pytest

from incidents.incident import Outcome, Status
from incidents.objects import IncidentId
from tests.builders import NOW, signal, subject
from tests.store.places import Place
from tests.store.values import change_of, notice, other_subject, some_evidence, some_round
from tools.store import Store


class TestOneOpenIncidentASubject:
    """Whatever arrives, in whatever order, from however many processes."""

    async def test_the_second_signal_joins_the_first_ones_incident(self, store: Store) -> None:
        first, new = await store.open_or_join(subject(), signal())
        again, second_new = await store.open_or_join(subject(), signal("event-2"))
        assert (new, second_new, first.id == again.id, again.signals) == (True, False, True, 2)

    async def test_a_storm_of_signals_at_once_is_one_incident(self, store: Store, other: Store) -> None:
        signals = [(place, signal(f"event-{n}")) for n, place in enumerate([store, other] * 20)]
        found = await asyncio.gather(*(place.open_or_join(subject(), item) for place, item in signals))
        assert len({incident.id for incident, _ in found}) == 1
        assert sum(new for _, new in found) == 1
        (incident,) = await store.incidents()
        assert incident.signals == 40

    async def test_many_at_once_are_what_they_are_one_by_one(self, store: Store) -> None:
        found = [(subject(), signal("a", 2)), (other_subject(), signal("b")), (subject(), signal("c"))]
        first, second, third = await store.open_or_join_all(found)
        assert (first[1], second[1], third[1]) == (True, True, False)
        assert (third[0].id, third[0].signals) == (first[0].id, 3)
        assert await store.open_or_join_all([]) == []
        assert [new for _, new in await store.open_or_join_all(found)] == [False] * 3
        assert await store.incident_of(subject()) == third[0]

    async def test_a_series_that_grows_within_one_batch_counts_what_it_has_grown_to(self, store: Store) -> None:
        await store.open_or_join_all([(subject(), signal("a", 2))])
        grown = [(subject(), signal("a", 3)), (subject(), signal("a", 7)), (subject(), signal("a", 5))]
        joined = await store.open_or_join_all(grown)
        assert joined[-1][0].signals == 7
        (incident,) = await store.incidents()
        assert incident.signals == 7
        assert (await store.open_or_join(subject(), signal("a", 8)))[0].signals == 8

    async def test_more_events_than_one_statement_takes_are_known_again(self, store: Store) -> None:
        batch = [(subject(), signal(f"event-{number}")) for number in range(1_100)]
        await store.open_or_join_all(batch)
        again = await store.open_or_join_all(batch)
        assert again[-1][0].signals == 1_100

    async def test_two_subjects_have_two_incidents(self, store: Store) -> None:
        await store.open_or_join(subject(), signal())
        assert (await store.open_or_join(other_subject(), signal()))[1]

    @pytest.mark.parametrize("status", [Status.OPEN, Status.WAITING, Status.HANDED_OVER])
    async def test_an_incident_that_is_not_closed_takes_signals_in(self, store: Store, status: Status) -> None:
        first, _ = await store.open_or_join(subject(), signal())
        await store.save_incident(msgspec.structs.replace(first, status=status))
        joined, new = await store.open_or_join(subject(), signal("event-2"))
        assert (new, joined.status, joined.signals) == (False, status, 2)

    async def test_a_closed_incident_takes_none_and_the_same_event_opens_another(self, store: Store) -> None:
        first, _ = await store.open_or_join(subject(), signal())
        await store.save_incident(msgspec.structs.replace(first, status=Status.CLOSED, outcome=Outcome.RESOLVED))
        second, new = await store.open_or_join(subject(), signal())
        assert (new, second.signals, second.id != first.id) == (True, 1, True)

    async def test_an_incident_is_followed_by_its_successor_in_one_step(self, store: Store) -> None:
        first, _ = await store.open_or_join(subject(), signal())
        second = await store.succeed(first, signal("event-2"))
        old = await store.incident(first.id)
        assert old is not None
        assert (old.status, old.ended_at, second.follows) == (Status.CLOSED, NOW, first.id)
        assert await store.incident_of(subject()) == second


class TestCountingSignals:
    """A series that grows counts once per occurrence."""

    async def test_a_series_that_grows_counts_what_is_new(self, store: Store) -> None:
        await store.open_or_join(subject(), signal(count=3))
        incident, _ = await store.open_or_join(subject(), signal(count=5))
        assert incident.signals == 5

    async def test_the_same_events_seen_again_in_any_order_count_nothing(self, store: Store) -> None:
        seen = [signal("a", 3), signal("b", 2), signal("a", 3), signal("b", 2), signal("a", 2)]
        for item in seen:
            incident, _ = await store.open_or_join(subject(), item)
        assert incident.signals == 5

    async def test_a_signal_counted_while_somebody_works_on_the_incident_stays_counted(self, store: Store) -> None:
        read, _ = await store.open_or_join(subject(), signal("a"))
        await store.open_or_join(subject(), signal("b", 4))
        await store.save_incident(msgspec.structs.replace(read, status=Status.HANDED_OVER))
        saved = await store.incident(read.id)
        assert saved is not None
        assert (saved.status, saved.signals, saved.last_signal) == (Status.HANDED_OVER, 5, signal("b", 4))

    async def test_a_signal_without_an_event_counts_each_time(self, store: Store) -> None:
        for _ in range(3):
            incident, _new = await store.open_or_join(subject(), signal(""))
        assert incident.signals == 3


class TestReading:
    """What was written is what is read."""

    async def test_incidents_are_listed_by_status_newest_first(self, store: Store, place: Place) -> None:
        first, _ = await store.open_or_join(subject(), signal())
        place.clocks.pass_(1)
        second, _ = await store.open_or_join(other_subject(), signal())
        assert await store.incidents(Status.OPEN) == [second, first]
        assert await store.incidents(Status.OPEN, limit=1) == [second]
        assert await store.incidents(Status.CLOSED, Status.WAITING) == []

    async def test_nothing_is_found_under_an_unknown_id(self, store: Store) -> None:
        unknown = IncidentId("unknown")
        assert await store.incident(unknown) is None
        assert await store.incident_of(subject()) is None
        assert await store.latest_evidence(unknown) is None
        assert (await store.rounds(unknown), await store.timeline(unknown), await store.changes(unknown)) == (
            [],
            [],
            [],
        )

    async def test_a_round_is_written_in_place_of_its_earlier_form(self, store: Store, incident: IncidentId) -> None:
        await store.save_round(incident, some_round(2))
        await store.save_round(incident, some_round(1))
        decided = msgspec.structs.replace(some_round(2), verification=None)
        await store.save_round(incident, decided)
        assert await store.rounds(incident) == [some_round(1), decided]

    async def test_evidence_is_kept_for_each_round(self, store: Store, incident: IncidentId) -> None:
        later = msgspec.structs.replace(some_evidence(), unread=("later",))
        await store.save_evidence(incident, 1, some_evidence())
        await store.save_evidence(incident, 2, later)
        assert await store.evidence(incident) == [some_evidence(), later]
        assert await store.latest_evidence(incident) == later

    async def test_everything_survives_reopening(self, place: Place) -> None:
        async with place.open() as store:
            incident, _ = await store.open_or_join(subject(), signal())
            made = change_of(incident.id)
            await store.save_change(made)
            await store.save_round(incident.id, some_round())
            await store.save_evidence(incident.id, 1, some_evidence())
            await store.record_good(subject(), "digest-1")
            await store.note(incident.id, "sent", change=made.id, diff=made.diff)
            await store.enqueue(notice(incident=incident.id))
            identity = await store.identity()
        async with place.open() as store:
            assert await store.incident(incident.id) == incident
            assert await store.changes(incident.id) == [made]
            assert await store.rounds(incident.id) == [some_round()]
            assert await store.latest_evidence(incident.id) == some_evidence()
            assert await store.good_revisions(subject()) == {"digest-1"}
            assert await store.unsent() == [notice(incident=incident.id)]
            (entry,) = await store.timeline(incident.id)
            assert (entry.step, entry.detail["change"], entry.at) == ("sent", made.id, NOW)
            assert await store.identity() == identity


class TestBeingInterrupted:
    """A task may be cancelled at any moment."""

    async def test_a_cancelled_call_leaves_all_of_it_or_nothing(self, store: Store) -> None:
        for turns in range(8):
            task = asyncio.create_task(store.open_or_join(other_subject(), signal(f"event-{turns}")))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        incident, _ = await store.open_or_join(subject(), signal())
        assert await store.incident_of(subject()) == incident
        for found in await store.incidents():
            assert found.signals >= 1

    async def test_what_is_read_beside_a_transaction_is_whole(self, store: Store) -> None:
        first, _ = await store.open_or_join(subject(), signal())

        async def follow() -> None:
            incident = first
            for number in range(10):
                incident = await store.succeed(incident, signal(f"event-{number}"))

        following = asyncio.create_task(follow())
        while not following.done():
            assert await store.incident_of(subject()) is not None
        await following


class TestManySignalsAtOnce:
    """A batch is what its signals would have been one after the other."""

    async def test_a_batch_opens_and_joins_as_its_signals_would_one_by_one(self, store: Store) -> None:
        batch = [
            (subject(), signal("event-1")),
            (other_subject(), signal("event-2", count=3)),
            (subject(), signal("event-1", count=4)),
            (subject(), signal("event-1", count=4)),
            (subject(), signal("event-3")),
        ]
        joined = await store.open_or_join_all(batch)
        assert [new for _, new in joined] == [True, True, False, False, False]
        assert [incident.signals for incident, _ in joined] == [1, 3, 4, 4, 5]
        found = await store.incident_of(subject())
        assert found is not None
        assert (found.signals, found.last_signal.event_uid) == (5, "event-3")
        assert await store.open_or_join_all(batch[:1]) == [(found, False)]

    async def test_an_empty_batch_is_nothing(self, store: Store) -> None:
        assert await store.open_or_join_all([]) == []


class TestAnObservation:
    """What one look found is kept as one thing."""

    async def test_it_keeps_the_evidence_the_round_and_a_line_of_the_timeline(self, store: Store) -> None:
        incident, _ = await store.open_or_join(subject(), signal())
        await store.save_observation(incident.id, 1, some_evidence(), entry=some_round(), detail={"says": "it fails"})
        assert await store.evidence(incident.id) == [some_evidence()]
        assert await store.rounds(incident.id) == [some_round()]
        assert [(entry.step, entry.detail["says"]) for entry in await store.timeline(incident.id)] == [
            ("observed", "it fails")
        ]

    async def test_one_that_begins_no_round_leaves_the_rounds_alone(self, store: Store) -> None:
        incident, _ = await store.open_or_join(subject(), signal())
        await store.save_round(incident.id, some_round())
        await store.save_observation(incident.id, 2, some_evidence(), detail={})
        assert await store.rounds(incident.id) == [some_round()]
        assert await store.latest_evidence(incident.id) == some_evidence()


class TestWhatOneExplains:
    """The incidents under a cause, asked for at every look at it."""

    async def test_those_that_are_not_closed_are_found_and_no_others(self, store: Store) -> None:
        cause, _ = await store.open_or_join(subject(), signal())
        under, _ = await store.open_or_join(other_subject(), signal("event-2"))
        assert await store.explained_by(cause.id) == []
        held = msgspec.structs.replace(under, status=Status.HANDED_OVER, caused_by=cause.id)
        await store.save_incident(held)
        assert [one.id for one in await store.explained_by(cause.id)] == [under.id]
        assert await store.explained_by(under.id) == []
        await store.save_incident(msgspec.structs.replace(held, status=Status.CLOSED, ended_at=NOW))
        assert await store.explained_by(cause.id) == []
