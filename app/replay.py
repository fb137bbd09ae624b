"""Running a recorded incident again: the same graph, agents, playbooks and guardrails, with a recording for a world.

There is no cluster, no key and no network here: what is not in the recording cannot be had, and asking for it is
where a replay ends. What is compared is every decision of every run, in canonical JSON; ids are random, so those of
either side are counted in the order in which they appear.
"""

from __future__ import annotations

import difflib
import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec
import orjson

from agents.prompts import load_prompts
from agents.reasoning import Reasoning
from app.assembling import parts_of
from app.case_settings import about_of_this_program, commands_then
from evidence.collector import Collector
from evidence.played import PlayedCollector
from evidence.redaction import mask_text
from graph.build import HOPS, build_graph
from graph.recording import decided_by
from incidents.codec import to_json
from incidents.objects import ClusterId
from incidents.patience import Patience
from incidents.recording import Case, Decided, Read, Run
from remediation.played import PlayedRemediation
from tools.cluster.errors import Unreachable
from tools.cluster.owners import Owners
from tools.cluster.reader import Reader
from tools.cluster.transport import Transport
from tools.notify import Notice
from tools.notify.outbox import Outbox
from tools.played import PlayedBrain, PlayedSandbox, PlayedSearch
from tools.player import Diverged, PlayedClock, Player
from tools.store import Store
from tools.store.sqlite import open_store

_ID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Where a replay decides otherwise: the run and its step, counted from 1, and the lines that differ."""

    run: int
    step: int
    what: str
    lines: tuple[str, ...] = ()


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a replay. ``remarks``: what is another program's than the recording's, which may explain it."""

    runs: int
    steps: int
    differences: tuple[Difference, ...]
    remarks: tuple[str, ...]


async def replay(case: Case) -> Replayed:
    """Run every recorded run again and compare. At the first difference of a run the rest of it is left."""
    found: list[Difference] = []
    for number, run in enumerate(case.runs, 1):
        with tempfile.TemporaryDirectory(prefix="k8s-auto-fixer-replay-") as folder:
            decided, ended = await _run_again(run, Path(folder) / "store.sqlite")
        difference = compared(number, run, decided, ended)
        found += [difference] if difference is not None else []
    return Replayed(
        runs=len(case.runs),
        steps=sum(len(run.decided) for run in case.runs),
        differences=tuple(found),
        remarks=tuple(dict.fromkeys(remark for run in case.runs for remark in _remarks(run))),
    )


async def _run_again(run: Run, path: Path) -> tuple[list[Decided], str]:
    """What is decided now, and why it ended before FINISH, if it did."""
    player = Player(run.told, run.began)
    clock = PlayedClock(player, run.about.speed)
    decided: list[Decided] = []
    async with open_store(path, now=clock.now) as store:
        graph = build_graph(_parts(run, player, clock, store))
        start: Any = {"incident": {"id": run.start.incident.id}, "outcome": None, "usage": run.used}
        try:
            await store.restore(run.start)
            await _counted(store, run, player)
            async for update in graph.astream(start, {"recursion_limit": HOPS}, stream_mode="updates"):
                decided += [decided_by(node, change) for node, change in update.items() if isinstance(change, dict)]
                await _counted(store, run, player)
        except Diverged as error:
            return decided, str(error)
        except Exception as error:  # noqa: BLE001 - a run that failed then has to fail now, whatever with
            failed = mask_text(f"{type(error).__name__}: {error}"[:500])
            return decided, "" if failed == run.failed else f"it fails: {failed}"
    if run.failed:
        return decided, f"it ends by itself, and failed then: {run.failed}"
    return decided, f"it never asks for what was {player.left[0]!r} then" if player.left else ""


async def _counted(store: Store, run: Run, player: Player) -> None:
    """Count the signals that came before the next reading."""
    coming, present = player.peek(Read), await store.incident(run.start.incident.id)
    if coming is not None and coming.incident is not None and present is not None:
        then = coming.incident
        counted = msgspec.structs.replace(present, last_signal=then.last_signal, signals=then.signals)
        await store.save_incident(counted)


def _parts(run: Run, player: Player, clock: PlayedClock, store: Store) -> Any:
    reader = Reader(cast("Transport", _NoCluster()))
    brain = PlayedBrain(player, run.about.models) if run.about.models else None
    return parts_of(
        reader=reader,
        owners=Owners(reader, ClusterId(run.start.incident.subject.cluster)),
        store=store,
        outbox=Outbox(store, _Nobody()),
        collector=cast("Collector", PlayedCollector(player)),
        remediation=PlayedRemediation(
            player=player,
            reader=reader,
            store=store,
            policy=run.about.policy,
            clock=clock,
            settle_seconds=run.about.settle_seconds,
        ),
        search=PlayedSearch(player),
        sandbox=PlayedSandbox(player),
        reasoning=Reasoning(brain, load_prompts(), store, now=clock.now),
        commands=commands_then(run.about),
        clock=clock,
        patience=Patience(grace_seconds=run.about.grace_seconds, speed=run.about.speed),
    )


class _NoCluster:
    """Stands where a connection would be: nothing can be read through it."""

    server, user_agent = "http://nowhere", "k8s-auto-fixer/replay"

    async def read(self, path: str, query: object = None) -> bytes:
        """Raises Unreachable."""
        raise Unreachable("a replay has no cluster")


class _Nobody:
    """Nobody is told anything by a replay."""

    async def send(self, message: Notice) -> None:
        """Takes it."""


# --- comparing


def compared(number: int, run: Run, decided: Sequence[Decided], ended: str) -> Difference | None:
    """The first step at which the two sides differ; None where they are the same to the byte."""
    then, now = canonical(run.decided), canonical(decided)
    for step, (before, after) in enumerate(zip(then, now, strict=False), 1):
        if before != after:
            what = f"{run.decided[step - 1].node} decided otherwise"
            lines = difflib.unified_diff(before.splitlines(), after.splitlines(), "recorded", "replayed", lineterm="")
            return Difference(run=number, step=step, what=what, lines=tuple(lines))
    step = min(len(then), len(now)) + 1
    if ended:
        return Difference(run=number, step=step, what=ended)
    if len(then) != len(now):
        left = (run.decided if len(then) > len(now) else tuple(decided))[step - 1].node
        return Difference(run=number, step=step, what=f"{left} works on one side only")
    return None


def canonical(decided: Sequence[Decided]) -> list[str]:
    """Each step as JSON with sorted keys, and with the ids counted in the order of their appearance."""
    count = _counting()
    option = orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2
    return [_ID.sub(count, orjson.dumps(to_json(step), option=option).decode()) for step in decided]


def _counting() -> Callable[[re.Match[str]], str]:
    seen: dict[str, str] = {}
    return lambda found: seen.setdefault(found[0], f"id-{len(seen) + 1}")


def _remarks(run: Run) -> list[str]:
    present, then = about_of_this_program(), run.about
    found = [] if present.version == then.version else [f"it was recorded by version {then.version}"]
    for family, version in sorted(then.playbooks.items()):
        if present.playbooks.get(family) != version:
            found.append(f"the playbook {family} is another one than then")
    for agent, version in sorted(then.prompts.items()) if then.models else ():
        if present.prompts.get(agent) != version:
            found.append(f"the prompt of {agent} is another one than then")
    return found
