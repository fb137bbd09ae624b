"""What every store promises about leases, messages, the audit trail and forgetting."""

import asyncio
from datetime import timedelta

import msgspec
import pytest

from incidents.changes import ChangeState
from incidents.incident import Incident, Outcome, Status
from incidents.objects import IncidentId
from tests.builders import NOW, signal, subject
from tests.store.places import LATER, Place
from tests.store.values import (
    change_of,
    decision_on,
    notice,
    other_subject,
    request_for,
    retry_of,
    some_evidence,
    some_round,
)
from tools.store import Store
from tools.store.audit import broken_links
from tools.store.records import AuditHead, Lease


class TestLeases:
    """One holder at a time, and never for longer than it was taken for."""

    async def test_a_lease_has_one_holder_until_it_runs_out(self, place: Place, store: Store, other: Store) -> None:
        assert await store.acquire_lease("uid/1", "one", seconds=10)
        assert await store.acquire_lease("uid/1", "one", seconds=10)
        assert not await other.acquire_lease("uid/1", "two", seconds=10)
        assert await other.acquire_lease("uid/2", "two", seconds=10)
        place.clocks.pass_(11)
        assert await other.acquire_lease("uid/1", "two", seconds=10)
        assert not await store.acquire_lease("uid/1", "one", seconds=10)

    async def test_a_lease_that_is_extended_does_not_run_out(self, place: Place, store: Store, other: Store) -> None:
        for _ in range(5):
            assert await store.acquire_lease("uid/1", "one", seconds=10)
            place.clocks.pass_(8)
            assert not await other.acquire_lease("uid/1", "two", seconds=10)

    async def test_of_many_that_want_it_one_has_it(self, store: Store, other: Store) -> None:
        asked = [(place, f"holder-{number}") for number, place in enumerate([store, other] * 10)]
        got = await asyncio.gather(*(place.acquire_lease("uid/1", name, seconds=10) for place, name in asked))
        assert got.count(True) == 1

    async def test_only_the_holder_gives_a_lease_back(self, store: Store) -> None:
        await store.acquire_lease("uid/1", "one", seconds=10)
        await store.release_lease("uid/1", "two")
        assert not await store.acquire_lease("uid/1", "two", seconds=10)
        await store.release_lease("uid/1", "one")
        assert await store.acquire_lease("uid/1", "two", seconds=10)

    @pytest.mark.parametrize("jump", [timedelta(hours=-5), timedelta(hours=5)], ids=["back", "ahead"])
    async def test_a_wall_clock_that_jumps_neither_takes_a_lease_away_nor_leaves_it_standing(
        self, place: Place, store: Store, other: Store, jump: timedelta
    ) -> None:
        await store.acquire_lease("uid/1", "one", seconds=10)
        place.clocks.set_wall(jump)
        assert not await other.acquire_lease("uid/1", "two", seconds=10)
        place.clocks.pass_(11)
        assert await other.acquire_lease("uid/1", "two", seconds=10)

    async def test_a_lease_from_before_the_machine_was_restarted_is_free(
        self, place: Place, store: Store, other: Store
    ) -> None:
        await store.acquire_lease("uid/1", "one", seconds=10)
        place.clocks.restart_machine()
        assert await other.acquire_lease("uid/1", "two", seconds=10)

    async def test_a_lease_says_who_has_it_and_for_how_much_longer(
        self, place: Place, store: Store, other: Store
    ) -> None:
        await store.acquire_lease("uid/1", "one", seconds=10)
        place.clocks.pass_(4)
        assert await other.lease("uid/1") == Lease("one", 6)
        assert await other.lease("uid/2") is None
        place.clocks.pass_(7)
        assert await other.lease("uid/1") is None

    async def test_what_the_dead_have_left_is_freed_and_nothing_else(self, store: Store) -> None:
        for key, holder in [("uid/1", "dead"), ("uid/2", "dead"), ("uid/3", "alive")]:
            await store.acquire_lease(key, holder, seconds=10)
        assert await store.lease_holders() == ["alive", "dead"]
        assert await store.release_leases_of(["dead", "dead", "unheard-of"]) == 2
        assert await store.lease_holders() == ["alive"]
        assert await store.release_leases_of([]) == 0


class TestTheOneDaemon:
    """One process works on a store."""

    async def test_the_second_is_told_at_once_and_the_next_one_is_let_in(self, store: Store, other: Store) -> None:
        async with store.sole_worker() as first:
            async with other.sole_worker() as second:
                assert (first, second) == (True, False)
            async with other.sole_worker() as still:
                assert not still
        async with other.sole_worker() as third:
            assert third


class TestMessages:
    """What is said is said once."""

    async def test_a_message_of_one_key_is_kept_once(self, store: Store) -> None:
        assert await store.enqueue(notice())
        assert not await store.enqueue(notice())
        assert await store.unsent() == [notice()]

    async def test_a_sent_message_is_not_sent_again(self, store: Store) -> None:
        await store.enqueue(notice())
        await store.mark_sent(notice().key)
        assert not await store.enqueue(notice())
        assert (await store.unsent(), await store.messages(IncidentId("incident-1"))) == ([], [notice()])

    async def test_messages_are_sent_in_the_order_in_which_they_came(self, store: Store) -> None:
        for key in ("c", "a", "b"):
            await store.enqueue(notice(key))
        assert [message.key for message in await store.unsent()] == ["c", "a", "b"]


class TestTheAuditTrail:
    """Whatever is appended follows from what was there, from however many processes."""

    async def test_records_of_two_processes_are_one_chain(self, store: Store, other: Store) -> None:
        await asyncio.gather(
            *(place.audit("command", name="undo", number=number) for number, place in enumerate([store, other] * 10))
        )
        records = await store.audit_records()
        assert [record.sequence for record in records] == list(range(1, 21))
        assert list(broken_links(records)) == []

    async def test_it_is_read_in_pieces(self, store: Store) -> None:
        for number in range(5):
            await store.audit("command", number=number, at=NOW, nothing=None, list=["é", 1.5])
        first = await store.audit_records(limit=2)
        rest = await store.audit_records(after=first[-1].sequence)
        assert [record.detail["number"] for record in [*first, *rest]] == [0, 1, 2, 3, 4]
        assert list(broken_links(rest, after=first[-1])) == []

    async def test_the_last_record_is_known_apart_from_the_records(self, store: Store, other: Store) -> None:
        assert await store.audit_head() is None
        for number in range(3):
            await store.audit("command", number=number)
        last = (await store.audit_records())[-1]
        assert await other.audit_head() == AuditHead(last.sequence, last.hash)

    async def test_the_identity_of_a_store_is_its_own(self, place: Place, store: Store, other: Store) -> None:
        assert await store.identity() == await other.identity()
        async with place.elsewhere().open() as another:
            assert await another.identity() != await store.identity()


async def a_full_life(store: Store, uid: str, *, ended: bool = True) -> Incident:
    """An incident with something of everything kept about it; then closed."""
    incident, _ = await store.open_or_join(other_subject(uid), signal(f"event-{uid}"))
    await store.save_round(incident.id, some_round())
    await store.save_evidence(incident.id, 1, some_evidence())
    await store.note(incident.id, "sent")
    await store.enqueue(notice(f"key-{uid}", incident.id))
    asked = await store.ask(request_for(incident.id, f"request-{uid}"))
    await store.decide(decision_on(asked))
    await store.use_approval(incident.id, asked.digest, change_of(incident.id, f"change-{uid}"))
    await store.decide(retry_of(incident.id, f"retry-{uid}"))
    if ended:
        (change,) = await store.changes(incident.id)
        await store.save_change(change.advance(ChangeState.ABANDONED))
    closed = msgspec.structs.replace(incident, status=Status.CLOSED, outcome=Outcome.RESOLVED, ended_at=NOW)
    await store.save_incident(closed)
    return closed


class TestForgetting:
    """Nothing remains of what is pruned, and nothing else is."""

    async def test_nothing_remains_of_an_incident_closed_before(self, store: Store) -> None:
        old = await a_full_life(store, "old")
        audit = await store.audit_records()
        assert len(await store.prune(before=LATER)) == 1
        assert (await store.incidents(), await store.requests(), await store.undelivered()) == ([], [], [])
        for kept in (store.rounds, store.evidence, store.timeline, store.messages, store.changes, store.decisions):
            assert await kept(old.id) == []
        assert await store.audit_records() == audit

    async def test_what_is_not_closed_or_not_long_ago_or_not_at_an_end_stays(self, store: Store) -> None:
        closed = await a_full_life(store, "closed")
        assert len(await store.prune(before=NOW)) == 0
        unfinished = await a_full_life(store, "unfinished", ended=False)
        opened, _ = await store.open_or_join(subject(), signal())
        assert len(await store.prune(before=LATER)) == 1
        assert {item.id for item in await store.incidents()} == {unfinished.id, opened.id}
        assert await store.incident(closed.id) is None
        assert (await store.changes(unfinished.id), await store.evidence(unfinished.id)) != ([], [])

    async def test_a_great_many_are_forgotten_in_one_call(self, store: Store) -> None:
        for number in range(230):
            incident, _ = await store.open_or_join(other_subject(f"uid-{number}"), signal())
            await store.save_incident(msgspec.structs.replace(incident, status=Status.CLOSED, ended_at=NOW))
        assert len(await store.prune(before=LATER)) == 230
        assert await store.incidents() == []

    async def test_revisions_of_what_is_gone_are_forgotten_and_those_of_the_broken_are_not(
        self, place: Place, store: Store
    ) -> None:
        broken, gone, well = subject(), other_subject("gone"), other_subject("well")
        await store.open_or_join(broken, signal())
        for item in (broken, gone, well):
            await store.record_good(item, "digest-1")
        place.clocks.pass_(2 * 86_400)
        await store.record_good(well, "digest-1")
        await store.prune(before=NOW + timedelta(days=1))
        assert await store.good_revisions(broken) == await store.good_revisions(well) == {"digest-1"}
        assert await store.good_revisions(gone) == frozenset()

    async def test_messages_about_the_program_are_forgotten_once_sent(self, place: Place, store: Store) -> None:
        await store.enqueue(notice("sent", ""))
        await store.enqueue(notice("unsent", ""))
        await store.mark_sent("sent")
        place.clocks.pass_(86_400)
        await store.prune(before=place.clocks.wall.now())
        assert [message.key for message in await store.messages(IncidentId(""))] == ["unsent"]
