"""``make bench-model``: what one incident costs at a model, counted at the server, beside the simplest supervisor.

Both sides work on the same broken workloads in one run, with the same stand-in for a model (``policy.py``), which sees
only requests. Counted are calls, bytes of requests, and tokens both ways as the server reports them (four bytes are a
token: nothing here can be downloaded to count them better). Names of scenarios as arguments measure those alone and
write nothing.

Prints a table against the targets and writes ``benchmarks/results/model.json`` and ``.svg``. A target missed is shown,
and is no failure of the benchmark.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from app.logs import configure_logging
from app.version import VERSION
from benchmarks.model.kubectl import reading, writing
from benchmarks.model.policy import answer
from benchmarks.model.report import Cost, Row, show
from benchmarks.model.simplest import Simplest
from benchmarks.model.stage import left_by_rules
from incidents.incident import Incident
from tests.openai_server import Asked, Call, ModelServer, Step
from tests.openai_server.saying import message_of

BYTES_A_TOKEN = 4  # as the server counts a request


class Counting:
    """The policy as the server plays it, and the server's own count around one piece of work."""

    def __init__(self) -> None:
        self._counted: list[tuple[int, int]] = []  # bytes of each request, tokens of its answer

    def __call__(self, asked: Asked) -> Step:
        """What is said to a request."""
        said = answer(asked.body)
        step = Step(object=said.form) if said.form is not None else Step(text=said.text)
        if said.call is not None:
            step = Step(calls=(Call(said.call.name, said.call.arguments),))
        self._counted.append((asked.bytes, message_of(step, asked).tokens))
        return step

    async def of(self, work: Callable[[], Awaitable[str]]) -> Cost:
        """What a piece of work has cost, and its last words."""
        before = len(self._counted)
        said = await work()
        counted = self._counted[before:]
        return Cost(
            calls=len(counted),
            request_bytes=sum(size for size, _ in counted),
            longest_bytes=max((size for size, _ in counted), default=0),
            tokens=sum(size // BYTES_A_TOKEN + answered for size, answered in counted),
            said=said[:500],
        )


async def measure(names: list[str]) -> list[Row]:
    """Each incident that the rules hand over, by both sides."""
    counting = Counting()
    async with left_by_rules(names) as left, ModelServer(counting) as server:
        simplest = Simplest(server.base_url, reading=reading(left.reader), writing=writing(left.admin))
        rows = []
        async with left.program(server.base_url) as app:
            for scenario, incident in left.incidents.items():
                ours = await counting.of(lambda one=incident: _by_program(app, one))
                theirs = await counting.of(lambda one=incident: simplest.work(_in_words(one)))
                rows.append(Row(scenario=scenario, ours=ours, theirs=theirs))
        return rows


async def _by_program(app: Any, incident: Incident) -> str:
    opened, _ = await app.store.open_or_join(incident.subject, incident.last_signal)
    ended = await app.runner.run(opened)
    return f"{ended.outcome}: {ended.summary}"


def _in_words(incident: Incident) -> str:
    """The incident as both sides could be told of it: plain words."""
    subject, signal = incident.subject, incident.last_signal
    event = f"{signal.reason}: {signal.message}"
    return f"{subject.kind.lower()}: {subject.name}, namespace: {subject.namespace}, event: {event}"


def main(names: list[str]) -> int:
    """Measure, show, write. Answers the exit code."""
    configure_logging(quiet=True)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "LANGSMITH_TRACING"):
        os.environ.pop(name, None)  # nothing leaves this machine
    started = time.monotonic()
    measured_at = datetime.now(UTC).isoformat(timespec="seconds")
    rows = asyncio.run(measure(names))
    about = {
        "version": VERSION,
        "measured_at": measured_at,
        "wall_seconds": round(time.monotonic() - started, 1),
    }
    asked = any(row.ours.calls for row in rows)
    show(rows, about, write=not names and asked)
    return 0 if asked else 1  # nobody asked a model: there is nothing to compare


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
