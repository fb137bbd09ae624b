"""A store that an older version has written is opened, and becomes one of this version with everything in it."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from incidents.changes import ChangeState
from incidents.decisions import RequestState
from incidents.incident import Outcome, Status
from incidents.objects import ClusterId
from tests.builders import NOW, signal, subject
from tests.clocks import FakeClock
from tests.store.places import LATER
from tests.store.values import change_of, decision_on, other_subject, request_for
from tools.store import StoreError
from tools.store.schema import SCHEMA_VERSION
from tools.store.sqlite import open_store

VERSION_1 = Path(__file__).with_name("version_1.sql")  # as version 1 left it: an open incident and a closed one
CLOCK = FakeClock()


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "store.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(VERSION_1.read_text())
        connection.execute("PRAGMA journal_mode = WAL")
    return path


def pragma(path: Path, name: str) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


class TestAStoreOfVersion1:
    """Nothing is lost, and everything new works on it."""

    async def test_everything_that_it_held_is_still_there(self, old: Path) -> None:
        async with open_store(old, now=CLOCK.now) as store:
            incident = await store.incident_of(subject())
            assert incident is not None
            assert (incident.signals, incident.parked_until, incident.caused_by) == (2, None, None)
            (closed,) = await store.incidents(Status.CLOSED)
            assert (closed.outcome, closed.ended_at) == (Outcome.SUPPRESSED, NOW)
            (change,) = await store.changes_in(ChangeState.APPLIED)
            assert (change.incident, change.approval, change.ended_at) == (incident.id, "", None)
            assert [entry.number for entry in await store.rounds(incident.id)] == [1]
            assert await store.latest_evidence(incident.id) is not None
            assert [entry.step for entry in await store.timeline(incident.id)] == ["sent"]
            assert await store.good_revisions(subject()) == {"digest-1"}
            assert [message.key for message in await store.unsent()] == ["k"]
            assert len(await store.identity()) == 32

    async def test_what_is_new_works_on_what_is_old(self, old: Path) -> None:
        async with open_store(old, now=CLOCK.now) as store:
            incident = await store.incident_of(subject())
            assert incident is not None
            (change,) = await store.changes_since(ClusterId("cluster-1"), NOW)
            await store.save_change(change.advance(ChangeState.VERIFIED, ended_at=LATER))
            assert [record.step for record in await store.audit_records()] == ["change.verified"]
            asked = await store.ask(request_for(incident.id))
            assert await store.decide(decision_on(asked))
            assert await store.use_approval(incident.id, asked.digest, change_of(incident.id, "change-2"))
            assert [item.state for item in await store.requests()] == [RequestState.USED]
            assert (await store.open_or_join(subject(), signal("event-2")))[0].signals == 2
            assert len(await store.prune(before=LATER)) == 1
            assert (await store.open_or_join(other_subject(), signal()))[1]

    async def test_nobody_holds_a_lease_of_the_old_kind(self, old: Path) -> None:
        async with open_store(old, now=CLOCK.now) as store:
            assert await store.lease_holders() == []
            assert await store.acquire_lease("subject/cluster-1/uid-web", "somebody", seconds=10)

    async def test_it_can_give_room_back_from_then_on(self, old: Path) -> None:
        assert pragma(old, "auto_vacuum") == 0
        async with open_store(old, now=CLOCK.now):
            pass
        assert (pragma(old, "auto_vacuum"), pragma(old, "user_version")) == (2, SCHEMA_VERSION)

    async def test_two_processes_may_find_it_old_at_once(self, old: Path) -> None:
        async def use() -> int:
            async with open_store(old, now=CLOCK.now) as store:
                return len(await store.incidents())

        assert list(await asyncio.gather(use(), use(), use())) == [2, 2, 2]

    async def test_a_migration_that_fails_leaves_the_old_version(self, old: Path) -> None:
        with closing(sqlite3.connect(old)) as connection:
            connection.execute("CREATE TABLE images (something TEXT)")
        with pytest.raises(StoreError, match=rf"{old}: not a usable store"):
            async with open_store(old, now=CLOCK.now):
                pass
        assert pragma(old, "user_version") == 1
        with closing(sqlite3.connect(old)) as connection:
            connection.execute("DROP TABLE images")
        async with open_store(old, now=CLOCK.now) as store:
            assert len(await store.incidents()) == 2

    def test_its_file_is_of_the_version_it_is_meant_to_be(self, old: Path) -> None:
        assert pragma(old, "user_version") == 1
