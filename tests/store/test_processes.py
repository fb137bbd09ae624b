"""Processes that share a store: of everything that there is once, one of them has it, and death gives it back."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from incidents.decisions import RequestState
from tests.builders import signal
from tests.clocks import FakeClock
from tests.store.values import decision_on, other_subject, request_for
from tests.store.worker import ROUNDS
from tools.store.audit import broken_links
from tools.store.sqlite import open_store

CLOCK = FakeClock()
TOO_LONG = 100.0  # seconds, of all that one process does here


class Worker:
    """A process that works on stores."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def said(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


@contextmanager
def started(name: str) -> Iterator[Worker]:
    command = (sys.executable, "-m", "tests.store.worker", name)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        watchdog = threading.Timer(TOO_LONG, process.kill)  # then it says nothing more, and nobody waits for it
        watchdog.start()
        try:
            yield Worker(process)
        finally:
            watchdog.cancel()
            process.kill()


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Worker, Worker]]:
    with started("one") as one, started("two") as two:
        yield one, two


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


def raced(pair: tuple[Worker, Worker], path: Path, task: str) -> list[Any]:
    """What came of a task that two processes began together."""
    for word, answer in ((str(path), "ready"), (task, "")):
        for worker in pair:
            worker.tell(word)
        if answer:
            assert [worker.said() for worker in pair] == [answer, answer]
    return [json.loads(worker.said()) for worker in pair]


async def ask_all(path: Path, *, approved: bool) -> None:
    async with open_store(path, now=CLOCK.now) as store:
        for number in range(ROUNDS):
            incident, _ = await store.open_or_join(other_subject(f"uid-{number}"), signal())
            asked = await store.ask(request_for(incident.id, f"request-{number}"))
            if approved:
                await store.decide(decision_on(asked))


class TestTwoProcesses:
    """Begun together on one store."""

    async def test_every_lease_has_one_holder(self, pair: tuple[Worker, Worker], path: Path) -> None:
        one, two = await asyncio.to_thread(raced, pair, path, "leases")
        assert sorted(one + two) == list(range(ROUNDS))

    async def test_signals_of_one_subject_meet_in_one_incident_and_all_count(
        self, pair: tuple[Worker, Worker], path: Path
    ) -> None:
        one, two = await asyncio.to_thread(raced, pair, path, "count")
        async with open_store(path, now=CLOCK.now) as store:
            (incident,) = await store.incidents()
        assert (one, two, incident.signals) == (incident.id, incident.id, 2 * ROUNDS)

    async def test_every_request_is_answered_once(self, pair: tuple[Worker, Worker], path: Path) -> None:
        await ask_all(path, approved=False)
        one, two = await asyncio.to_thread(raced, pair, path, "decide")
        async with open_store(path, now=CLOCK.now) as store:
            assert len(await store.undelivered()) == len(one) + len(two) == ROUNDS
            assert len(await store.requests(RequestState.APPROVED)) == ROUNDS

    async def test_every_approval_serves_once_and_the_audit_is_one_chain(
        self, pair: tuple[Worker, Worker], path: Path
    ) -> None:
        await ask_all(path, approved=True)
        one, two = await asyncio.to_thread(raced, pair, path, "use")
        assert sorted(one + two) == sorted(f"request-{number}" for number in range(ROUNDS))
        async with open_store(path, now=CLOCK.now) as store:
            used = await store.requests(RequestState.USED)
            assert len({request.change for request in used}) == ROUNDS
            assert list(broken_links(await store.audit_records())) == []


class TestAProcessThatIsKilled:
    """The kernel gives back what it held; what it left in the store is freed by name."""

    async def test_the_one_daemon_ends_with_its_process(self, path: Path) -> None:
        with started("first") as first:
            first.tell(str(path))
            assert await asyncio.to_thread(first.said) == "ready"
            first.tell("hold")
            assert await asyncio.to_thread(first.said) == "[true, true]"
            async with open_store(path, now=CLOCK.now) as store:
                async with store.sole_worker() as alone:
                    assert not alone
                first.process.kill()
                await asyncio.to_thread(first.process.wait, 60)
                async with store.sole_worker() as alone:
                    assert alone
                assert not await store.acquire_lease("uid/1", "second", seconds=10)
                assert await store.release_leases_of(["first"]) == 1
                assert await store.acquire_lease("uid/1", "second", seconds=10)

    async def test_what_it_said_was_saved_is_there_and_nothing_is_half_saved(self, path: Path) -> None:
        with started("first") as first:
            for line in (str(path), "churn"):
                first.tell(line)
            said = [await asyncio.to_thread(first.said) for _ in range(30)]
            first.process.kill()
        async with open_store(path, now=CLOCK.now) as store:
            (incident,) = await store.incidents()
            kept = [change.id for change in await store.changes(incident.id)]
            records = await store.audit_records()
        assert said[0] == "ready"
        assert set(said[1:]) <= set(kept)
        assert [record.detail["change"] for record in records] == kept
        assert list(broken_links(records)) == []
