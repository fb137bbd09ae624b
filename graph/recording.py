"""Keeping what a run was told and what it decided, so that it can be run again without a cluster and without a key.

All of it is in memory until the run has ended, and then one row of the store: no decision waits for its recording,
and none fails for it. A run that ended because the cluster, the store or the process was away has decided nothing and
is not kept; it is repeated.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import msgspec
import structlog

from evidence.recorded import Reading, without_values
from evidence.redaction import mask_text
from incidents.codec import from_json
from incidents.incident import Incident
from incidents.recording import About, Decided, Run, Start
from tools.cluster.errors import Busy, Unauthorized, Unreachable
from tools.store import Store, StoreError
from tools.tape import Tape, recording

AWAY = (Busy, Unreachable, Unauthorized, StoreError)  # nothing was decided: the run is repeated

log = structlog.get_logger(__name__)


class Recording:
    """One run while it lasts."""

    def __init__(self, tape: Tape, models: tuple[str, ...]) -> None:
        self.tape = tape
        self.models = models
        self.decided: list[Decided] = []
        self.used: dict[str, int] = {}  # of the incident's budget, by earlier runs

    def add(self, node: str, change: object) -> None:
        """What a node has changed in the state."""
        if not isinstance(change, dict):
            return  # LangGraph's own, such as an interrupt
        self.decided.append(decided_by(node, change))
        body = (change.get("incident") or {}).get("body")
        reading = self.tape.last(Reading)
        if reading is not None and reading.incident is None and body is not None:
            reading.incident = from_json(body, Incident)


class Recorder:
    """Keeps runs in the store. ``about``: the program and the settings that they rest on.

    ``models``: the agents whose models can be asked about an incident now.
    """

    def __init__(
        self, store: Store, about: About, now: Callable[[], datetime], *, models: Callable[[Incident], Sequence[str]]
    ) -> None:
        self._store = store
        self._about = about
        self._now = now
        self._models = models

    @asynccontextmanager
    async def run(self, incident: Incident) -> AsyncIterator[Recording]:
        """Record what happens within the block, and keep it at its end. Raises StoreError at its beginning only."""
        began, start = self._now(), await self._store.start_of(incident.id)
        kept = Recording(Tape(self._now), tuple(self._models(incident)))
        try:
            with recording(kept.tape):
                yield kept
        except AWAY:
            raise
        except Exception as error:
            await self._keep(kept, start, began, failed=mask_text(f"{type(error).__name__}: {error}"[:500]))
            raise
        await self._keep(kept, start, began)

    async def _keep(self, kept: Recording, start: Start | None, began: datetime, *, failed: str = "") -> None:
        if start is None:
            return
        run = Run(
            began=began,
            about=msgspec.structs.replace(self._about, models=kept.models),
            start=msgspec.structs.replace(start, changes=tuple(map(without_values, start.changes))),
            told=kept.tape.told(),
            decided=tuple(kept.decided),
            used=kept.used,
            failed=failed,
        )
        try:
            if not await self._store.save_run(run):
                log.info("run.too_big_to_keep", incident=start.incident.id)
        except StoreError as error:  # what was decided stands; only its recording is missing
            log.warning("run.not_kept", incident=start.incident.id, error=str(error))


def decided_by(node: str, change: Mapping[str, Any]) -> Decided:
    """What a node's update of the state decides. What it used up is no decision."""
    return Decided(
        node=node,
        says=tuple(mask_text(str(message.content)) for message in change.get("messages") or ()),
        next=str(change.get("next") or ""),
        rounds=tuple(change.get("rounds") or ()),
        outcome=change.get("outcome"),
    )
