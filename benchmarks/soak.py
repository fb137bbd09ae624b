"""``make soak``: the real process through months of trouble in an hour, and whether it has stayed what it was.

First it is restarted again and again, asked to end and killed by turns, while workloads break and its watches are cut;
then one process lives through the rest in one piece. Nothing may be missed and nothing done twice, memory must not
grow with what has passed, and the store must not grow with what was forgotten (the audit trail is kept for ever, and
is not counted). How each of these is judged is in ``soak_verdicts``.

``--short`` is the same in about a minute: it shows that the road is whole, not that nothing leaks.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
from machine import describe_machine
from program import Program, audit_is_whole, program, stored
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from soak_picture import soak_picture
from soak_verdicts import figures
from stage_apart import StageApart, stage_apart
from verdicts import Figure

RESULTS = Path(__file__).with_name("results") / "soak.json"
FULL = {"drops": 10_000, "restarts": 100, "incidents": 5_000, "names": 16}
SHORT = {"drops": 30, "restarts": 2, "incidents": 24, "names": 6}
LIFE_SECONDS = (0.5, 6.0)  # of a program that is to be restarted
LOOK_SECONDS, SAMPLE_SECONDS, END_SECONDS = 1.0, 5.0, 120.0
DROP_SECONDS, DROPPED_ENOUGH_SECONDS = 0.8, 5.0
RETENTION_SECONDS = 60.0
SETTINGS: dict[str, object] = {
    "mode": "auto",
    "grace_seconds": 0,
    "settle_seconds": 0.5,
    "sweep_seconds": 10,
    "workers": 16,
    "cooldown_seconds": 0,
    "same_field_seconds": 0,
    "breaker_seconds": 1,
    "concurrent_changes": 100_000,
    "changes_per_hour": 100_000,
    "namespace_share": 1,
    "retention_days": RETENTION_SECONDS / 86_400,
}
_COUNTED = {"incidents": "incidents", "drops": "dropped watches", "restarts": "restarts"}
_OPEN = "SELECT coalesce(sum(status <> 'closed'), 0) FROM incidents"
_UNENDED = "SELECT count(*) FROM changes WHERE state IN ('prepared', 'sent', 'applied')"
_SAMPLE = """SELECT (SELECT count(*) FROM incidents), (SELECT count(*) FROM events_counted),
    (SELECT count(*) FROM rounds), (SELECT count(*) FROM changes), (SELECT count(*) FROM evidence),
    (SELECT count(*) FROM timeline), (SELECT count(*) FROM outbox), (SELECT count(*) FROM good_revisions),
    (SELECT coalesce(max(strftime('%s', 'now') - ended_at), 0) FROM incidents WHERE status = 'closed'),
    (SELECT page_count - freelist_count FROM pragma_page_count, pragma_freelist_count),
    (SELECT coalesce(sum(length(detail)), 0) FROM audit)"""
_THREADS = "SELECT count(DISTINCT thread_id) FROM checkpoints"
_AUDITED = """SELECT coalesce(sum(step = 'change.verified'), 0), count(DISTINCT CASE step WHEN 'change.verified'
    THEN json_extract(detail, '$.change') END), coalesce(sum(step IN ('change.undone', 'change.kept')), 0) FROM audit"""


class Soak:
    """One run. What it finds is in ``found``."""

    def __init__(self, wanted: dict[str, int], folder: Path, stage: StageApart, shown: Progress) -> None:
        self._wanted = wanted
        self._folder = folder
        self._stage = stage
        self._names = [f"web{number:02}" for number in range(wanted["names"])]
        self._shown = shown
        self._bars = {name: shown.add_task(name, total=wanted[name]) for name in ("incidents", "drops", "restarts")}
        self._began = time.monotonic()
        self.found: dict[str, Any] = {"incidents": 0, "drops": 0, "restarts": 0, "missed": [], "samples": []}

    async def run(self) -> None:
        """Both parts, with workloads breaking and watches being cut all the while.

        Raises RuntimeError when the program does not come back, or when a workload stays broken.
        """
        await self._stage.ask("deploy", self._names)
        async with program(self._folder, self._stage.kubeconfig, **SETTINGS):
            pass  # a store for the stage to look into
        await self._stage.ask("begin_churn", self._names, str(self._folder / "store.sqlite"))
        await self._restarted()
        self.found["incidents_over_restarts"] = self.found["incidents"]
        async with program(self._folder, self._stage.kubeconfig, **SETTINGS) as ours:
            await self._in_one_piece(ours)
            self._take(await self._stage.ask("end_churn"))
            await self._ended()
        self.found["audited"] = stored(self._folder, _AUDITED)
        self.found["audit_is_whole"] = await audit_is_whole(self._folder)

    async def _restarted(self) -> None:
        for life in range(self._wanted["restarts"]):
            async with program(self._folder, self._stage.kubeconfig, **SETTINGS) as ours:
                await asyncio.sleep(random.uniform(*LIFE_SECONDS))  # into the middle of what it does
                await ours.stop(hard=life % 2 == 0)
            self.found["restarts"] += 1
            await self._look()

    async def _in_one_piece(self, ours: Program) -> None:
        sampled = 0.0
        while any(self.found[name] < self._wanted[name] for name in ("incidents", "drops")):
            await asyncio.sleep(LOOK_SECONDS)
            await self._look()
            if time.monotonic() - sampled >= SAMPLE_SECONDS:
                sampled = time.monotonic()
                self.found["samples"].append(await asyncio.to_thread(self._sample, ours))

    async def _look(self) -> None:
        enough = self.found["drops"] >= self._wanted["drops"]
        self._take(await self._stage.ask("churned", DROPPED_ENOUGH_SECONDS if enough else DROP_SECONDS))

    def _take(self, told: dict[str, Any]) -> None:
        self.found |= told
        for name, bar in self._bars.items():
            self._shown.update(bar, completed=self.found[name])
        if told["missed"]:
            raise RuntimeError(f"not repaired in time: {', '.join(told['missed'])}")

    def _sample(self, ours: Program) -> dict[str, float]:
        incidents, *others, oldest, pages, audit = stored(self._folder, _SAMPLE)
        return {
            "seconds": round(time.monotonic() - self._began, 1),
            "passed": self.found["incidents"],
            "resident_mb": ours.resident_mb,
            "incidents": incidents,
            "rows": sum(others),
            "oldest_seconds": round(oldest, 1),
            "threads": stored(self._folder, _THREADS, file="store-checkpoints.sqlite")[0],
            "pages": pages,
            "audit_bytes": audit,
        }

    async def _ended(self) -> None:
        """Until nothing is under way: what is broken no more leaves nothing open behind."""
        async with asyncio.timeout(END_SECONDS):
            while sum((*stored(self._folder, _OPEN), *stored(self._folder, _UNENDED))):  # noqa: ASYNC110 - another process's file
                await asyncio.sleep(LOOK_SECONDS)


async def soak(wanted: dict[str, int], console: Console) -> dict[str, Any]:
    """Everything that was found."""
    with tempfile.TemporaryDirectory() as name, Progress(console=console) as shown:
        async with stage_apart(nodes=4, speed=20.0) as stage:
            run = Soak(wanted, Path(name), stage, shown)
            await run.run()
            return run.found


def main() -> int:
    """Run, show, write. Answers the exit code: here a target that is missed is a failure."""
    parser = argparse.ArgumentParser(description="Soak the program.")
    parser.add_argument("--short", action="store_true", help="about a minute")
    parser.add_argument("--part", type=float, default=1.0, help="so much of the whole, 0.5 being half of each number")
    asked = parser.parse_args()
    wanted = SHORT if asked.short else _part(asked.part)
    console, started, on = Console(), time.monotonic(), describe_machine()
    found = {"machine": on, "wanted": wanted, **asyncio.run(soak(wanted, console))}
    found["wall_seconds"] = round(time.monotonic() - started, 1)
    lines = figures(found, wanted, retention_seconds=RETENTION_SECONDS)
    console.print(_table(lines))
    console.print(f"{found['wall_seconds']} s in all", highlight=False)
    if not asked.short:
        _write(found, lines)
    return 0 if all(one.met is not False for one in lines) else 1


def _part(share: float) -> dict[str, int]:
    """So much of the whole; the names stay."""
    return {name: number if name == "names" else max(1, round(number * share)) for name, number in FULL.items()}


def _table(lines: Sequence[Figure]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("SOAK", "FOUND", "TARGET", "VERDICT", ""):
        table.add_column(heading)
    for one in lines:
        table.add_row(one.name, one.shown, one.target, {True: "met", False: "MISSED", None: ""}[one.met], one.beside)
    return table


def _write(found: dict[str, Any], lines: Sequence[Figure]) -> None:
    """The results, and the samples as a picture."""
    RESULTS.parent.mkdir(exist_ok=True)
    shown = [{"name": one.name, "found": one.shown, "target": one.target, "met": one.met} for one in lines]
    RESULTS.write_bytes(
        orjson.dumps({"figures": shown, **found}, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    )
    counts = ", ".join(f"{found[name]:,} {word}" for name, word in _COUNTED.items())
    RESULTS.with_suffix(".svg").write_text(soak_picture(f"make soak: {counts}", found["samples"]), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
