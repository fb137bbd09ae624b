"""Running the graph on one incident, and the fallback when the graph itself fails.

One run a subject at a time: a lease in the store, kept alive while the run lasts, excludes other processes on
the same store. LangGraph gives no lock on a thread.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, cast

import msgspec
import structlog
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Durability

from agents.case_notice import told_undo
from agents.commands import Commands
from agents.help_seeker import handed_over_key
from evidence.redaction import mask_text
from graph.build import HOPS
from graph.recording import Recorder, Recording
from graph.state import State
from incidents.incident import Incident, Outcome, Status
from incidents.objects import IncidentId
from incidents.signals import clean
from tools.clock import Clock
from tools.cluster.errors import Busy, Unauthorized, Unreachable
from tools.notify.contract import Notice, Section
from tools.notify.outbox import Outbox
from tools.store import Store, StoreError
from tools.telemetry import Telemetry

LEASE_SECONDS = 30.0  # real seconds; extended every third of it while a run lasts

log = structlog.get_logger(__name__)
Progress = Callable[[Incident, str, str], None]  # incident, node, what it said


class InFlight(Exception):
    """Another run has this subject."""


class TryLater(Exception):
    """The API server is away, too busy or does not take our token now, or the store refuses; nothing is decided."""


class Runner:
    """Runs incidents through the graph. ``counts_usage``: a model is asked, and a crash may not reset its budget."""

    def __init__(
        self,
        graph: CompiledStateGraph[State, None, State, State],
        *,
        store: Store,
        outbox: Outbox,
        clock: Clock,
        holder: str,
        commands: Commands | None = None,
        progress: Progress | None = None,
        telemetry: Telemetry | None = None,
        recorder: Recorder | None = None,
        counts_usage: bool = True,
    ) -> None:
        self._graph = graph
        self._store = store
        self._outbox = outbox
        self._clock = clock
        self._holder = holder
        self._commands = commands or Commands()
        self._progress = progress
        self._telemetry = telemetry or Telemetry()
        self._recorder = recorder
        self._durability: Durability = "async" if counts_usage else "exit"

    async def run(self, incident: Incident) -> Incident:
        """Work on one incident until FINISH, and answer how it stands then.

        Raises InFlight when another run has its subject, TryLater when the API server is away.
        """
        async with self._lease(incident):
            try:
                with self._telemetry.run_seconds.time():
                    await self._recorded(incident)
            except (Busy, Unreachable, Unauthorized, StoreError, sqlite3.OperationalError) as error:
                # The last is of the checkpoints' file, full or locked for a while; nothing in it decides anything.
                raise TryLater(str(error)) from error
            except Exception as error:
                log.exception("incident.run_failed", incident=incident.id)
                await self._failed(incident, error)
        ended = await self._store.incident(incident.id) or incident
        self._telemetry.runs.labels(ended.outcome or ended.status).inc()
        return ended

    async def _recorded(self, incident: Incident) -> None:
        if self._recorder is None:
            await self._stream(incident, None)
            return
        async with self._recorder.run(incident) as recording:
            await self._stream(incident, recording)

    async def _stream(self, incident: Incident, recording: Recording | None) -> None:
        config: RunnableConfig = {
            "configurable": {"thread_id": incident.id},
            "metadata": {"subject": str(incident.subject)},  # so that a thread can be found by what it is about
            "recursion_limit": HOPS,
        }
        used = await self._emptied(config)
        if recording is not None:
            recording.used = used
        start = cast("State", {"incident": {"id": incident.id}, "outcome": None, "usage": used})
        # Every run begins at Observe, and what must outlive a crash is in the store before a node answers. What has
        # been used up of the budget is in checkpoints alone: they are written beside the next node where a model
        # uses any, and one at the end of the run where none does.
        async for update in self._graph.astream(start, config, stream_mode="updates", durability=self._durability):
            for node, change in update.items():
                if recording is not None:
                    recording.add(node, change)
                self._tell(incident, node, change)

    async def _emptied(self, config: RunnableConfig) -> dict[str, int]:
        """What earlier runs have used up of the incident's budget; the rest of its thread is thrown away.

        Each checkpoint holds the whole state: the thread of an incident that is deferred for weeks, with a run every
        ten minutes, would grow with the square of them.
        """
        saver = self._graph.checkpointer
        if not isinstance(saver, BaseCheckpointSaver):
            return {}
        thread = config["configurable"]["thread_id"]
        try:
            values = (await self._graph.aget_state(config)).values
        except sqlite3.Error:
            raise
        except Exception as error:  # noqa: BLE001 - whatever another version has left: nothing is needed of it but a count
            log.warning("thread.unreadable", incident=thread, because=f"{type(error).__name__}: {error}"[:200])
            await saver.adelete_thread(thread)
            return {}
        if values:
            await saver.adelete_thread(thread)
        return dict(values.get("usage") or {})

    async def forget(self, incidents: Sequence[IncidentId]) -> None:
        """Delete the threads of incidents that the store has forgotten. Raises StoreError when that cannot be done."""
        saver = self._graph.checkpointer
        if isinstance(saver, BaseCheckpointSaver):
            with _as_of_the_store():
                for incident in incidents:
                    await saver.adelete_thread(incident)

    async def forget_lost(self) -> None:
        """The same for incidents that it forgot before a kill: the two are files of their own. Raises StoreError."""
        saver = self._graph.checkpointer
        if not isinstance(saver, AsyncSqliteSaver):
            return
        with _as_of_the_store():
            await saver.setup()  # it makes its tables when it is first used, which may not have been
            async with saver.lock, saver.conn.execute("SELECT DISTINCT thread_id FROM checkpoints") as found:
                threads = [IncidentId(str(row[0])) for row in await found.fetchall()]
        await self.forget([thread for thread in threads if await self._store.incident(thread) is None])

    def _tell(self, incident: Incident, node: str, change: Any) -> None:
        messages = (change or {}).get("messages") or () if isinstance(change, dict) else ()
        for message in messages:
            if self._progress is not None:
                self._progress(incident, node, str(message.content))

    async def give_up(self, incident: Incident, error: Exception) -> None:
        """Hand over as failed what no run can begin on. Raises InFlight when another run has its subject."""
        async with self._lease(incident):
            present = await self._store.incident(incident.id)
            if present is not None and present.status is Status.OPEN:  # nobody has ended it meanwhile
                await self._failed(present, error)

    async def _failed(self, incident: Incident, error: Exception) -> None:
        """Nothing more is tried, and a person is told without the graph."""
        said = mask_text(clean(f"{type(error).__name__}: {error}", 500))  # it may quote an object
        present = await self._store.incident(incident.id) or incident
        ended = msgspec.structs.replace(
            present,
            status=Status.HANDED_OVER,
            outcome=Outcome.FAILED,
            summary=f"the work on it failed: {said}",
            ended_at=self._clock.now(),
            parked_until=None,
        )
        await self._store.save_incident(ended)
        standing = [change for change in await self._store.changes(incident.id) if change.stands]
        lines = (f"{present.last_signal.reason}: {present.last_signal.message}", said)
        kept = tuple(told_undo(change, self._commands) for change in reversed(standing))
        notice = Notice(
            key=await handed_over_key(self._store, incident),
            title=f"Could not be worked on, needs a person: {incident.subject}",
            sections=(*((_stands(kept),) if kept else ()), Section(lines=lines)),
            severity="critical",
            incident=incident.id,
        )
        await self._store.enqueue(notice)
        await self._store.note(incident.id, "failed", error=said)
        await self._outbox.deliver()

    @asynccontextmanager
    async def _lease(self, incident: Incident) -> AsyncIterator[None]:
        key = incident.subject.lease
        if not await self._store.acquire_lease(key, self._holder, seconds=LEASE_SECONDS):
            raise InFlight(f"{incident.subject} is being worked on by another run")
        keeper = asyncio.create_task(self._keep(key))
        try:
            yield
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
            await asyncio.shield(self._store.release_lease(key, self._holder))

    async def _keep(self, key: str) -> None:
        while True:
            await asyncio.sleep(LEASE_SECONDS / 3)
            await self._store.acquire_lease(key, self._holder, seconds=LEASE_SECONDS)


def _stands(commands: tuple[str, ...]) -> Section:
    return Section(heading="These changes stand unverified; to undo them", lines=commands, verbatim=True)


@contextmanager
def _as_of_the_store() -> Iterator[None]:
    """The checkpoints' file, full, locked or damaged: to whoever prunes it is one more file of the state."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"the checkpoints: {error}") from error
