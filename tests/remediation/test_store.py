"""The store leads: what it promises about incidents, messages, leases and its own file."""

import asyncio
import sqlite3
import stat
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from incidents.changes import ChangeState, IllegalStep, Inverse, LeafChange
from incidents.codec import Undecodable, decode, digest, encode, from_json, to_json
from incidents.evidence import Evidence, LogExcerpt
from incidents.incident import Incident, Outcome, Result, Round, Status, Verification
from incidents.objects import IncidentId
from incidents.policy import Answer, Ruling, Verdict
from incidents.proposals import Diagnosis, RollBack
from incidents.subjects import Subject
from tests.builders import (
    NOW,
    change,
    container,
    deployment,
    evidence,
    not_there,
    pod,
    proposal,
    replica_set,
    signal,
    snapshot,
    subject,
    template,
)
from tests.clocks import FakeClock
from tools.notify.contract import Notice, Section
from tools.store.schema import SCHEMA_VERSION
from tools.store.sqlite import Store, StoreError, open_store

CLOCK = FakeClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "store.sqlite"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    async with open_store(path, now=CLOCK.now) as opened:
        yield opened


def other_subject() -> Subject:
    other = deployment()
    other["metadata"]["uid"] = "uid-other"
    return subject(other)


def some_evidence() -> Evidence:
    present = template(container(image="nginx:x"))
    taken = snapshot(deployment(present), [replica_set(present)], [pod(not_there("nginx:x"), of=replica_set(present))])
    read = evidence(taken, seen_well=[2], answers={"known-images:nginx": ("nginx:1",)}, events=["not found"])
    return msgspec.structs.replace(
        read, logs=(LogExcerpt(pod="web-1", container="web", previous=True, text="boom"),), unread=("x",)
    )


def some_round(number: int = 1) -> Round:
    return Round(
        number=number,
        diagnosis=Diagnosis(family="image", cause="typo", confidence=0.9, rests_on=("a", "b")),
        proposal=proposal(action=RollBack(replica_set="web-h1", digest="d")),
        verdict=Verdict((Ruling("mode", Answer.ALLOW, "auto"),)),
        diff=(LeafChange(pointer="/spec/x", before=None, after={"a": [1, None]}),),
        verification=Verification(result=Result.BETTER, detail="so so", ready=1),
    )


class TestIncidents:
    """One open incident a subject."""

    async def test_the_second_signal_joins_the_first_ones_incident(self, store: Store) -> None:
        first, new = await store.open_or_join(subject(), signal())
        again, second_new = await store.open_or_join(subject(), signal("event-2"))
        assert (new, second_new, first.id == again.id, again.signals) == (True, False, True, 2)

    async def test_a_storm_of_signals_at_once_is_one_incident(self, path: Path) -> None:
        async with open_store(path, now=CLOCK.now) as one, open_store(path, now=CLOCK.now) as two:
            signals = [(store, signal(f"event-{n}")) for n, store in enumerate([one, two] * 20)]
            found = await asyncio.gather(*(store.open_or_join(subject(), item) for store, item in signals))
            assert len({incident.id for incident, _ in found}) == 1
            assert sum(new for _, new in found) == 1
            (incident,) = await one.incidents()
            assert incident.signals == 40

    async def test_two_subjects_have_two_incidents(self, store: Store) -> None:
        await store.open_or_join(subject(), signal())
        _, new = await store.open_or_join(other_subject(), signal())
        assert new

    async def test_a_series_that_grows_counts_once_per_occurrence(self, store: Store) -> None:
        await store.open_or_join(subject(), signal(count=3))
        incident, _ = await store.open_or_join(subject(), signal(count=5))
        assert incident.signals == 5

    async def test_the_same_events_seen_again_in_any_order_count_nothing(self, store: Store) -> None:
        seen = [signal("a", 3), signal("b", 2), signal("a", 3), signal("b", 2), signal("a", 2)]
        for item in seen:
            incident, _ = await store.open_or_join(subject(), item)
        assert incident.signals == 5

    async def test_a_handed_over_incident_takes_signals_in_and_a_closed_one_does_not(self, store: Store) -> None:
        first, _ = await store.open_or_join(subject(), signal())
        handed = msgspec.structs.replace(first, status=Status.HANDED_OVER, outcome=Outcome.ESCALATED)
        await store.save_incident(handed)
        joined, new = await store.open_or_join(subject(), signal("event-2"))
        assert (new, joined.status, joined.signals) == (False, Status.HANDED_OVER, 2)
        await store.save_incident(msgspec.structs.replace(joined, status=Status.CLOSED))
        assert (await store.open_or_join(subject(), signal("event-3")))[1]

    async def test_an_incident_is_followed_by_its_successor_in_one_step(self, store: Store) -> None:
        first, _ = await store.open_or_join(subject(), signal())
        second = await store.succeed(first, signal("event-2"))
        old = await store.incident(first.id)
        assert old is not None
        assert (old.status, second.follows) == (Status.CLOSED, first.id)
        assert await store.incident_of(subject()) == second

    async def test_incidents_are_listed_by_status(self, store: Store) -> None:
        first, _ = await store.open_or_join(subject(), signal())
        assert await store.incidents(Status.OPEN) == [first]
        assert await store.incidents(Status.CLOSED) == []


class TestMessagesAndLeases:
    """What must never happen twice."""

    def notice(self, key: str = "incident-1/handed-over") -> Notice:
        return Notice(key=key, title="t", sections=(Section(lines=("a",), verbatim=True),), incident="incident-1")

    async def test_a_message_of_one_key_is_kept_once(self, store: Store) -> None:
        assert await store.enqueue(self.notice())
        assert not await store.enqueue(self.notice())
        assert await store.unsent() == [self.notice()]

    async def test_a_sent_message_is_not_sent_again(self, store: Store) -> None:
        await store.enqueue(self.notice())
        await store.mark_sent(self.notice().key)
        assert not await store.enqueue(self.notice())
        assert (await store.unsent(), await store.messages(subject_incident())) == ([], [self.notice()])

    async def test_a_lease_has_one_holder_until_it_runs_out(self, path: Path) -> None:
        clock = FakeClock()
        async with open_store(path, now=clock.now) as one, open_store(path, now=clock.now) as two:
            assert await one.acquire_lease("uid/1", "one", seconds=10)
            assert await one.acquire_lease("uid/1", "one", seconds=10)
            assert not await two.acquire_lease("uid/1", "two", seconds=10)
            assert await two.acquire_lease("uid/2", "two", seconds=10)
            clock.advance(11)
            assert await two.acquire_lease("uid/1", "two", seconds=10)

    async def test_only_the_holder_gives_a_lease_back(self, store: Store) -> None:
        await store.acquire_lease("uid/1", "one", seconds=10)
        await store.release_lease("uid/1", "two")
        assert not await store.acquire_lease("uid/1", "two", seconds=10)
        await store.release_lease("uid/1", "one")
        assert await store.acquire_lease("uid/1", "two", seconds=10)


def subject_incident() -> IncidentId:
    return change().incident


class TestTheFile:
    """One file, private, that survives."""

    async def test_everything_survives_reopening(self, path: Path) -> None:
        async with open_store(path, now=CLOCK.now) as store:
            incident, _ = await store.open_or_join(subject(), signal())
            made = change(incident=incident.id)
            await store.save_change(made)
            await store.save_round(incident.id, some_round())
            await store.save_round(incident.id, some_round(2))
            await store.save_evidence(incident.id, 1, some_evidence())
            await store.record_good(subject(), "digest-1")
            await store.note(incident.id, "sent", change=made.id, diff=made.diff)
            identity = await store.identity()
        async with open_store(path, now=CLOCK.now) as store:
            assert await store.incident(incident.id) == incident
            assert await store.changes(incident.id) == [made]
            assert await store.changes_in(ChangeState.PREPARED) == [made]
            assert await store.rounds(incident.id) == [some_round(), some_round(2)]
            assert await store.latest_evidence(incident.id) == some_evidence()
            assert await store.good_revisions(subject()) == {"digest-1"}
            assert await store.good_revisions(other_subject()) == frozenset()
            (entry,) = await store.timeline(incident.id)
            assert (entry.step, entry.detail["change"], entry.at) == ("sent", made.id, NOW)
            assert await store.identity() == identity

    async def test_only_its_owner_may_read_it(self, store: Store, path: Path) -> None:
        await store.open_or_join(subject(), signal())
        assert rights(path) == {0o600}

    async def test_a_file_with_wider_rights_is_closed_to_others(self, path: Path) -> None:
        written(path, b"")
        await opened(path)
        assert rights(path) == {0o600}

    async def test_two_processes_may_make_it_at_once(self, path: Path) -> None:
        async def use() -> str:
            async with open_store(path, now=CLOCK.now) as store:
                return await store.identity()

        assert len(set(await asyncio.gather(use(), use(), use()))) == 1

    async def test_a_store_of_a_newer_version_is_not_touched(self, path: Path) -> None:
        written(path, b"")
        with sqlite3.connect(path) as raw:
            raw.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
        raw.close()
        before = content_of(path)
        with pytest.raises(StoreError, match=rf"{path}: written by a newer version.*--store"):
            await opened(path)
        assert content_of(path) == before

    @pytest.mark.parametrize(
        "content", [b"this is not a database, not at all" * 100, b"SQLite format 3\x00" + b"x" * 900]
    )
    async def test_a_damaged_file_gives_one_clear_error(self, path: Path, content: bytes) -> None:
        written(path, content)
        with pytest.raises(StoreError, match=rf"{path}: .*move it away or name another with --store FILE"):
            await opened(path)

    async def test_a_folder_in_its_place_gives_one_clear_error(self, path: Path) -> None:
        written(path / "inside", b"")
        with pytest.raises(StoreError, match=r"cannot be opened.*--store FILE"):
            await opened(path)

    async def test_a_record_that_cannot_be_read_gives_the_same_clear_error(self, store: Store, path: Path) -> None:
        incident, _ = await store.open_or_join(subject(), signal())
        with sqlite3.connect(path) as raw:
            raw.execute("UPDATE incidents SET body = '{}'")
        raw.close()
        with pytest.raises(StoreError, match=rf"{path}: not a usable store"):
            await store.incident(incident.id)

    async def test_a_table_that_is_missing_gives_the_same_clear_error(self, store: Store, path: Path) -> None:
        with sqlite3.connect(path) as raw:
            raw.execute("DROP TABLE outbox")
        raw.close()
        with pytest.raises(StoreError):
            await store.unsent()
        with pytest.raises(StoreError):
            await store.mark_sent("x")

    async def test_a_cancelled_transaction_leaves_nothing_behind(self, store: Store) -> None:
        for turns in range(8):
            task = asyncio.create_task(store.open_or_join(other_subject(), signal(f"event-{turns}")))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        incident, _ = await store.open_or_join(subject(), signal())
        assert await store.incident_of(subject()) == incident


def written(path: Path, content: bytes) -> None:
    """A file that everybody may read."""
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    path.chmod(0o644)


def rights(path: Path) -> set[int]:
    """The modes of the file and of those that SQLite keeps beside it."""
    return {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}


def content_of(path: Path) -> bytes:
    return path.read_bytes()


async def opened(path: Path) -> None:
    async with open_store(path, now=CLOCK.now):
        pass


class TestTheCodec:
    """Every word as JSON and back."""

    @pytest.mark.parametrize(
        "value",
        [
            Incident(
                id=change().incident,
                subject=subject(manager="App/x"),
                status=Status.HANDED_OVER,
                first_signal=signal(),
                last_signal=signal(count=4),
                signals=4,
                opened_at=NOW,
                ended_at=NOW + timedelta(hours=1),
                outcome=Outcome.ROLLED_BACK,
                summary="told",
            ),
            some_round(),
            Round(number=1),
            change(
                diff=(LeafChange(pointer="/a~1b", before=1.5, after=None),),
                patch=({"op": "test", "path": "/x", "value": None},),
                inverse=Inverse(operations=({"op": "add", "path": "/x", "value": {"k": [True, "é"]}},)),
            ),
            some_evidence(),
            Notice(key="k", title="t", sections=(Section(lines=("a", "b"), heading="h"),)),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_a_value_survives_as_text_and_as_plain_data(self, value: object) -> None:
        assert decode(encode(value), type(value)) == value
        assert from_json(to_json(value), type(value)) == value

    @pytest.mark.parametrize("text", ["", "{", "[]", '{"id": 1}', "null"])
    def test_what_is_no_such_value_names_what_was_expected(self, text: str) -> None:
        with pytest.raises(Undecodable, match="not a Incident"):
            decode(text, Incident)

    def test_a_digest_does_not_depend_on_the_order_of_keys(self) -> None:
        assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
        assert digest({"a": 1}) != digest({"a": 2})


class TestTheStatesOfAChange:
    """prepared, sent, applied, verified or undone."""

    @pytest.mark.parametrize(
        ("state", "step"),
        [
            (ChangeState.PREPARED, ChangeState.APPLIED),
            (ChangeState.PREPARED, ChangeState.UNDONE),
            (ChangeState.ABANDONED, ChangeState.SENT),
            (ChangeState.UNDONE, ChangeState.APPLIED),
            (ChangeState.APPLIED, ChangeState.SENT),
            (ChangeState.SENT, ChangeState.PREPARED),
        ],
    )
    def test_a_step_that_its_state_does_not_have_is_refused(self, state: ChangeState, step: ChangeState) -> None:
        with pytest.raises(IllegalStep, match=r"change-1 is .*cannot become"):
            change(state=state).advance(step)
