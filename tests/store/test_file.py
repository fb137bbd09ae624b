"""The file of the SQLite store: private, alone, and honest about trouble, which ends when its cause does."""

import asyncio
import sqlite3
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

import msgspec
import pytest

from incidents.incident import Status
from incidents.objects import IncidentId
from tests.builders import NOW, signal, subject
from tests.clocks import FakeClock
from tests.store.places import LATER
from tests.store.values import change_of, other_subject, some_evidence
from tools.store import Store, StoreError
from tools.store.audit import broken_links, cut_off
from tools.store.database import Database
from tools.store.files import write_ahead
from tools.store.schema import ABOUT_AN_INCIDENT, SCHEMA_VERSION
from tools.store.sqlite import SqliteStore, make_write_ahead, open_store
from tools.store.sqlite_upkeep import EVENTS_REMEMBERED

CLOCK = FakeClock()
SHORT = 0.05  # seconds to wait for a lock that the test itself holds


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "store.sqlite"


async def made(path: Path) -> None:
    """Open the store once and close it."""
    async with open_store(path, now=CLOCK.now):
        pass


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


def take_away(path: Path) -> None:
    path.rename(path.with_name("away"))


def put_back(path: Path) -> None:
    path.with_name("away").rename(path)


def replace(path: Path) -> None:
    path.write_bytes(b"")


@contextmanager
def raw(path: Path) -> Iterator[sqlite3.Connection]:
    """The file as another program has it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


class TestPrivacy:
    """Nobody but its owner may read it."""

    async def test_every_file_of_the_store_is_its_owners_alone(self, path: Path) -> None:
        async with open_store(path, now=CLOCK.now) as store, store.sole_worker():
            await store.open_or_join(subject(), signal())
            assert rights(path) == {0o600}

    async def test_a_file_with_wider_rights_is_closed_to_others(self, path: Path) -> None:
        written(path, b"")
        await made(path)
        assert rights(path) == {0o600}

    async def test_the_checkpoints_file_is_as_private_and_in_wal_mode(self, path: Path) -> None:
        await asyncio.gather(*(make_write_ahead(path) for _ in range(4)))
        assert rights(path) == {0o600}
        with raw(path) as connection:
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)

    def test_a_disk_that_has_no_wal_mode_gives_one_clear_error(self, path: Path) -> None:
        with (
            closing(sqlite3.connect(":memory:")) as connection,
            pytest.raises(StoreError, match=rf"{path}: .*local disk"),
        ):
            write_ahead(connection, path, busy_seconds=SHORT)

    async def test_a_checkpoints_file_that_is_none_gives_one_clear_error(self, path: Path) -> None:
        written(path, b"this is not a database, not at all" * 100)
        with pytest.raises(StoreError, match=rf"{path}: cannot be opened .*move it away"):
            await make_write_ahead(path)


class TestOpening:
    """What cannot be used is refused with the file's name and the remedy, untouched."""

    async def test_two_processes_may_make_it_at_once(self, path: Path) -> None:
        async def use() -> str:
            async with open_store(path, now=CLOCK.now) as store:
                return await store.identity()

        assert len(set(await asyncio.gather(use(), use(), use()))) == 1

    async def test_a_store_of_a_newer_version_is_not_touched(self, path: Path) -> None:
        written(path, b"")
        with raw(path) as connection:
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
        before = content_of(path)
        with pytest.raises(StoreError, match=rf"{path}: written by a newer version.*--store"):
            await made(path)
        assert content_of(path) == before

    @pytest.mark.parametrize(
        "content", [b"this is not a database, not at all" * 100, b"SQLite format 3\x00" + b"x" * 900]
    )
    async def test_a_damaged_file_gives_one_clear_error_and_is_not_touched(self, path: Path, content: bytes) -> None:
        written(path, content)
        with pytest.raises(StoreError, match=rf"{path}: .*move it away or name another with --store FILE"):
            await made(path)
        assert content_of(path) == content

    async def test_a_folder_in_its_place_gives_one_clear_error(self, path: Path) -> None:
        written(path / "inside", b"")
        with pytest.raises(StoreError, match=r"cannot be opened.*--store FILE"):
            await made(path)

    async def test_a_file_in_its_folders_place_gives_one_clear_error(self, path: Path) -> None:
        path.parent.write_bytes(b"")
        with pytest.raises(StoreError, match=r"cannot be opened.*--store FILE"):
            await made(path)

    async def test_a_store_that_another_process_holds_gives_one_clear_error(self, path: Path) -> None:
        await made(path)
        with raw(path) as holder:
            holder.execute("BEGIN EXCLUSIVE")
            with pytest.raises(StoreError, match=rf"{path}: another process has held the store for 0.05 s"):
                async with open_store(path, now=CLOCK.now, busy_seconds=SHORT):
                    pass
        await made(path)

    async def test_an_opening_that_is_cancelled_stands_in_nobodys_way(self, path: Path) -> None:
        for turns in range(4):
            task = asyncio.create_task(made(path))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await made(path)

    async def test_a_closed_store_says_so(self, path: Path) -> None:
        async with open_store(path, now=CLOCK.now) as store:
            await store.aclose()
            with pytest.raises(StoreError, match=rf"{path}: the store is closed"):
                await store.incidents()


class TestTrouble:
    """Each failure is one clear error with nothing half-written, and the store goes on when its cause is gone."""

    async def test_a_locked_file_is_waited_for_and_used_again_when_it_is_free(self, path: Path) -> None:
        async with open_store(path, now=CLOCK.now, busy_seconds=SHORT) as store:
            incident, _ = await store.open_or_join(subject(), signal())
            with raw(path) as holder:
                holder.execute("BEGIN IMMEDIATE")
                tried = await asyncio.gather(
                    *(store.note(incident.id, f"step-{number}") for number in range(10)), return_exceptions=True
                )
                assert await store.incident(incident.id) == incident  # reading goes on
            assert [type(outcome) for outcome in tried] == [StoreError] * 10
            assert "another process has held the store" in str(tried[0])
            await store.note(incident.id, "after")
            assert [entry.step for entry in await store.timeline(incident.id)] == ["after"]

    async def test_a_full_disk_leaves_nothing_half_written(self, path: Path) -> None:
        async with opened(path) as (store, database):
            incident, _ = await store.open_or_join(subject(), signal())
            await limit_pages(database, path)
            with pytest.raises(StoreError, match=rf"{path}: the disk is full .*goes on by itself"):
                await fill(store, incident.id)
            changes, audit = await store.changes(incident.id), await store.audit_records()
            assert len(changes) == len(audit)
            await database.write(lambda rows: rows.rows("PRAGMA max_page_count = 1000000"))
            await store.save_change(change_of(incident.id, "after"))
            assert len(await store.changes(incident.id)) == len(changes) + 1
            assert list(broken_links(await store.audit_records())) == []

    async def test_a_store_that_may_not_be_written_says_so(self, path: Path) -> None:
        async with opened(path) as (store, database):
            await database.read(lambda rows: rows.run("PRAGMA query_only = ON"))
            with pytest.raises(StoreError, match=rf"{path}: the store may not be written .*writable for this user"):
                await store.open_or_join(subject(), signal())
            await database.read(lambda rows: rows.run("PRAGMA query_only = OFF"))
            assert (await store.open_or_join(subject(), signal()))[1]

    async def test_a_file_taken_away_takes_nothing_in_until_it_is_back(self, path: Path) -> None:
        async with open_store(path, now=CLOCK.now) as store:
            incident, _ = await store.open_or_join(subject(), signal())
            take_away(path)
            with pytest.raises(StoreError, match=rf"{path}: the store's file was taken away .*put it back"):
                await store.note(incident.id, "lost")
            put_back(path)
            await store.note(incident.id, "kept")
            assert [entry.step for entry in await store.timeline(incident.id)] == ["kept"]

    async def test_the_file_beside_it_is_missed_as_well(self, path: Path) -> None:
        async with open_store(path, now=CLOCK.now) as store:
            await store.open_or_join(subject(), signal())
            ahead = path.with_name(path.name + "-wal")
            take_away(ahead)
            with pytest.raises(StoreError, match=rf"{ahead}: the store's file was taken away"):
                await store.incidents()
            put_back(ahead)
            assert len(await store.incidents()) == 1

    async def test_a_file_put_in_its_place_is_not_mistaken_for_it(self, path: Path) -> None:
        async with open_store(path, now=CLOCK.now) as store:
            take_away(path)
            replace(path)
            with pytest.raises(StoreError, match=rf"{path}: the store's file was replaced .*restart"):
                await store.open_or_join(subject(), signal())

    async def test_a_record_that_cannot_be_read_names_the_store(self, path: Path) -> None:
        async with open_store(path, now=CLOCK.now) as store:
            incident, _ = await store.open_or_join(subject(), signal())
            with raw(path) as connection:
                connection.execute("UPDATE incidents SET body = '{}'")
            with pytest.raises(StoreError, match=rf"{path}: not a usable store"):
                await store.incident(incident.id)
            assert (await store.open_or_join(other_subject(), signal()))[1]

    async def test_a_table_that_is_missing_names_the_store(self, path: Path) -> None:
        async with open_store(path, now=CLOCK.now) as store:
            with raw(path) as connection:
                connection.execute("DROP TABLE outbox")
            with pytest.raises(StoreError, match=rf"{path}: not a usable store"):
                await store.unsent()
            with pytest.raises(StoreError, match=rf"{path}: not a usable store"):
                await store.mark_sent("x")


class TestTheAuditsTable:
    """The file itself refuses to have a record rewritten."""

    @pytest.mark.parametrize("statement", ["UPDATE audit SET step = 'x'", "DELETE FROM audit"])
    async def test_a_record_is_neither_rewritten_nor_deleted(self, path: Path, statement: str) -> None:
        async with open_store(path, now=CLOCK.now) as store:
            await store.audit("command")
            with raw(path) as connection, pytest.raises(sqlite3.IntegrityError, match="never"):
                connection.execute(statement)

    async def test_records_cut_off_by_force_show_once_another_is_written(self, path: Path) -> None:
        async with open_store(path, now=CLOCK.now) as store:
            for number in range(4):
                await store.audit("command", number=number)
            with raw(path) as connection:
                connection.execute("DROP TRIGGER audit_is_never_shortened")
                connection.execute("DELETE FROM audit WHERE sequence > 2")
            left = await store.audit_records()
            missing = cut_off(await store.audit_head(), None, last=left[-1].sequence)
            assert missing is not None
            assert missing.sequence == 3
            await store.audit("command", number=4)
            (broken,) = broken_links(await store.audit_records())
        assert (broken.sequence, "some are gone" in broken.reason) == (5, True)


class TestSize:
    """A file that does not grow for ever."""

    async def test_room_that_was_freed_is_given_back_to_the_disk(self, path: Path) -> None:
        async with opened(path) as (store, database):
            empty = await size(database)
            for number in range(30):
                incident, _ = await store.open_or_join(other_subject(f"uid-{number}"), signal())
                padded = msgspec.structs.replace(some_evidence(), unread=("x" * 50_000,))
                await store.save_evidence(incident.id, 1, padded)
                await store.save_incident(msgspec.structs.replace(incident, status=Status.CLOSED, ended_at=NOW))
            full = await size(database)
            await store.prune(before=LATER)
            assert await size(database) < empty + (full - empty) / 10

    async def test_events_are_counted_for_incidents_that_are_not_closed_only(self, path: Path) -> None:
        async with opened(path) as (store, database):
            incident, _ = await store.open_or_join(subject(), signal())
            await store.save_incident(msgspec.structs.replace(incident, status=Status.CLOSED))
            successor, _ = await store.open_or_join(subject(), signal())
            await store.succeed(successor, signal("event-2"))
            assert await counted(database) == 1

    async def test_of_an_incident_that_stays_open_the_latest_events_are_remembered(self, path: Path) -> None:
        async with opened(path) as (store, database):
            incident, _ = await store.open_or_join(subject(), signal("event-first"))
            many = [(incident.id, f"event-{number}", 1) for number in range(EVENTS_REMEMBERED)]
            with raw(path) as connection:
                connection.executemany("INSERT INTO events_counted VALUES (?, ?, ?)", many)
            await store.prune(before=NOW)
            assert await counted(database) == EVENTS_REMEMBERED
            again, _ = await store.open_or_join(subject(), signal(f"event-{EVENTS_REMEMBERED - 1}"))
            assert again.signals == incident.signals

    async def test_pruning_knows_every_table_that_tells_of_an_incident(self, path: Path) -> None:
        await made(path)
        with raw(path) as connection:
            tables = [
                str(name) for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            ]
            telling = {table for table in tables if "incident" in columns(connection, table)}
        assert telling == set(ABOUT_AN_INCIDENT)


def columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[tuple[Store, Database]]:
    """The store together with its database, whose limits a test may set."""
    database = await Database.opened(path, busy_seconds=5)
    try:
        yield SqliteStore(database, now=CLOCK.now, steady=lambda: 0.0), database
    finally:
        await database.aclose()


async def limit_pages(database: Database, path: Path) -> None:
    """Let the file grow by a few pages only."""
    pages = await size(database) + 3
    await database.read(lambda rows: rows.rows(f"PRAGMA max_page_count = {pages}"))


async def fill(store: Store, incident: IncidentId) -> None:
    """Save changes until there is no room for another."""
    for number in range(1000):
        await store.save_change(change_of(incident, f"change-{number}", digest="d" * 2000))


async def size(database: Database) -> int:
    """Pages in the file."""
    return int(str((await database.read(lambda rows: rows.rows("PRAGMA page_count")))[0][0]))


async def counted(database: Database) -> int:
    """Events that are remembered."""
    return int(str((await database.read(lambda rows: rows.rows("SELECT count(*) FROM events_counted")))[0][0]))
