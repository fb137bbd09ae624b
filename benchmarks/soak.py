"""``make soak``: the real process through months of trouble in an hour, and whether it has stayed what it was.

First it is restarted again and again, asked to end and killed by turns, while workloads break and its watches are cut;
then one process lives through as much in one piece. Nothing may be missed, memory must not grow with what has passed,
and the store must not grow with what was forgotten (the audit trail is kept for ever, and is not counted).

``--short`` is the same in less than a minute: it shows that the road is whole, not that nothing leaks.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import orjson
from program import Program, program, stored
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from stage_apart import StageApart, stage_apart
from verdicts import Figure

RESULTS = Path(__file__).with_name("results") / "soak.json"
FULL = {"drops": 10_000, "restarts": 100, "incidents": 5_000, "names": 12}
SHORT = {"drops": 30, "restarts": 2, "incidents": 24, "names": 6}
SAMPLE_SECONDS, END_SECONDS, LOOK_SECONDS = 1.0, 120.0, 0.5
WHOLE_SHARE = 0.4  # of the incidents, in the one piece at the end
RETENTION_SECONDS = 60.0
GROWTH = 1.15
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
_OPEN = "SELECT count(*), coalesce(sum(status = 'open'), 0) FROM incidents"
_UNENDED = "SELECT count(*) FROM changes WHERE state IN ('prepared', 'sent', 'applied')"
_PAGES = "SELECT page_count - freelist_count FROM pragma_page_count, pragma_freelist_count"


class Soak:
    """One run. What it finds is in ``found``."""

    def __init__(self, wanted: dict[str, int], folder: Path, stage: StageApart, shown: Progress) -> None:
        self._wanted = wanted
        self._folder = folder
        self._stage = stage
        self._shown = shown
        self._names = [f"web{number:02}" for number in range(wanted["names"])]
        self._bars = {name: shown.add_task(name, total=wanted[name]) for name in ("incidents", "drops", "restarts")}
        self.found: dict[str, Any] = {"incidents": 0, "drops": 0, "restarts": 0, "missed": [], "samples": []}

    async def run(self) -> None:
        """Both parts. Raises RuntimeError when the program does not come back."""
        await self._stage.ask("deploy", self._names)
        await self._restarted()
        async with program(self._folder, self._stage.kubeconfig, **SETTINGS) as ours:
            sampling = asyncio.create_task(self._sample(ours))
            try:
                while any(self.found[name] < self._wanted[name] for name in ("incidents", "drops")):
                    await self._churn(len(self._names) * 4)
            finally:
                sampling.cancel()
                await asyncio.gather(sampling, return_exceptions=True)
            await self._ended()

    async def _restarted(self) -> None:
        lives = self._wanted["restarts"]
        each = max(int(self._wanted["incidents"] * (1 - WHOLE_SHARE) / lives), len(self._names))
        for life in range(lives):
            async with program(self._folder, self._stage.kubeconfig, **SETTINGS) as ours:
                churning = asyncio.create_task(self._churn(each))
                await asyncio.sleep(random.uniform(0.5, 3.0))  # in the middle of what it does
                await ours.stop(hard=life % 2 == 0)
            self._count("restarts", 1)
            async with program(self._folder, self._stage.kubeconfig, **SETTINGS):
                await churning

    async def _churn(self, incidents: int) -> None:
        pause = 0.3 if self.found["drops"] < self._wanted["drops"] else 5.0
        done = await self._stage.ask("churn", self._names, incidents, pause, str(self._folder / "store.sqlite"))
        self._count("incidents", done["incidents"])
        self._count("drops", done["dropped"])
        self.found["missed"] += done["missed"]
        if done["missed"]:
            raise RuntimeError(f"not repaired in time: {', '.join(done['missed'])}")

    def _count(self, what: str, number: int) -> None:
        self.found[what] += number
        self._shown.advance(self._bars[what], number)

    async def _sample(self, ours: Program) -> None:
        while True:
            await asyncio.sleep(SAMPLE_SECONDS)
            audit = await asyncio.to_thread(stored, self._folder, "SELECT coalesce(sum(length(detail)), 0) FROM audit")
            pages = await asyncio.to_thread(stored, self._folder, _PAGES)
            incidents = await asyncio.to_thread(stored, self._folder, _OPEN)
            sample = {"resident_mb": ours.resident_mb, "pages": pages[0], "audit_bytes": audit[0]}
            self.found["samples"].append({**sample, "incidents": incidents[0]})

    async def _ended(self) -> None:
        """Until nothing is under way: what is broken no more leaves nothing open behind."""
        async with asyncio.timeout(END_SECONDS):
            while True:
                _, still_open = await asyncio.to_thread(stored, self._folder, _OPEN)
                (unended,) = await asyncio.to_thread(stored, self._folder, _UNENDED)
                if not still_open and not unended:
                    return
                await asyncio.sleep(LOOK_SECONDS)


def figures(found: dict[str, Any], wanted: dict[str, int], *, short: bool) -> list[Figure]:
    """What was found, with what was wanted."""
    lines = [Figure(name=name, value=found[name], least=wanted[name]) for name in ("incidents", "drops", "restarts")]
    lines.append(Figure(name="missed", value=len(found["missed"]), most=0))
    samples = found["samples"]
    if short or len(samples) < 8:
        return lines
    quarter = len(samples) // 4
    for what, name in (("resident_mb", "memory, last quarter to second"), ("incidents", "incidents kept, the same")):
        early = median(one[what] for one in samples[quarter : 2 * quarter])
        late = median(one[what] for one in samples[-quarter:])
        lines.append(Figure(name=name, value=round(late / max(early, 1), 3), unit="x", most=GROWTH))
    lines.append(Figure(name="resident at the end", value=samples[-1]["resident_mb"], unit="MB"))
    return lines


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
    parser.add_argument("--short", action="store_true", help="less than a minute")
    short = parser.parse_args().short
    console, wanted, started = Console(), SHORT if short else FULL, time.monotonic()
    found = asyncio.run(soak(wanted, console))
    found["wall_seconds"] = round(time.monotonic() - started, 1)
    lines = figures(found, wanted, short=short)
    table = Table(box=None, pad_edge=False)
    for heading in ("SOAK", "FOUND", "TARGET", "VERDICT"):
        table.add_column(heading)
    for one in lines:
        table.add_row(one.name, one.shown, one.target, {True: "met", False: "MISSED", None: ""}[one.met])
    console.print(table)
    console.print(f"{found['wall_seconds']} s in all", highlight=False)
    if not short:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    return 0 if all(one.met is not False for one in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
