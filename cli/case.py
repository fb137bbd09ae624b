"""``incidents``: the list, and one case with its timeline, evidence and diff."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from agents.case_notice import told_undo
from agents.commands import Commands
from app.settings import default_store
from cli.failures import Exit, fail
from cli.store_file import existing_store
from evidence.redaction import mask_text
from incidents.changes import ChangeState
from incidents.codec import to_json
from incidents.decisions import DecisionKind
from incidents.evidence import Evidence
from incidents.incident import Incident, Outcome, Round, Status
from incidents.objects import ChangeId, IncidentId
from incidents.signals import Source
from tools.clock import Clock
from tools.scrub import plain_text
from tools.store import Store
from tools.store.records import TimelineEntry

WATCH_SECONDS = 1.0

_COLOURS = {
    Outcome.RESOLVED: "green",
    Outcome.SUPPRESSED: "green",
    Outcome.ROLLED_BACK: "yellow",
    Outcome.ESCALATED: "yellow",
    Outcome.OBSERVED: "cyan",
    Outcome.FAILED: "red",
}


_TOLD = (
    *("says", "because", "detail", "summary", "outcome", "title", "answer", "fate", "error", "change", "request"),
    *("subject", "follows"),
)
_DECIDED = frozenset(kind.value for kind in DecisionKind)  # steps of a person, whose name stands first


@dataclass(frozen=True)
class Wanted:
    """Which incidents a list shows; empty means all."""

    statuses: tuple[Status, ...] = ()
    namespace: str = ""

    @classmethod
    def parse(cls, statuses: Sequence[str], namespace: str | None) -> Wanted:
        """From the command line's words. A status that is none is one line and an exit code."""
        try:
            return cls(tuple(Status(text) for text in statuses), namespace or "")
        except ValueError:
            known = ", ".join(status.value for status in Status)
            raise fail(f"--status: one of {known}", Exit.SETTING) from None

    async def read(self, store: Store) -> list[Incident]:
        """The incidents, newest first."""
        found = await store.incidents(*self.statuses)
        return [item for item in found if self.namespace in ("", item.subject.namespace)]


async def show_incidents(
    path: Path, incident: str | None, wanted: Wanted | None = None, *, as_json: bool, watch: bool = False
) -> int:
    """Show the list or one case, once or for as long as it is watched.

    Raises StoreError; an unknown id is one line and an exit code.
    """
    async with existing_store(path) as store:
        if incident is None:
            return await _list(store, wanted or Wanted(), as_json=as_json, watch=watch)
        found = await find_incident(store, incident)
        if found is None:
            raise fail(f"the store {path} has no incident {incident!r}", Exit.UNKNOWN_NAME)
        if as_json:
            Console().print_json(orjson.dumps(await case_of(store, found)).decode())
        elif watch:
            await _follow_case(store, found.id)
        else:
            await print_case(store, found.id, Console())
        return Exit.OK


async def _list(store: Store, wanted: Wanted, *, as_json: bool, watch: bool) -> int:
    if not watch:
        return _show_list(await wanted.read(store), as_json=as_json)
    if as_json:
        return await _stream(store, wanted)
    with Live(refresh_per_second=2, screen=False) as live:
        while True:
            live.update(_table(await wanted.read(store)))
            await Clock().sleep(WATCH_SECONDS)


async def _stream(store: Store, wanted: Wanted) -> int:
    """Each incident as one line of JSON, again whenever it has changed, oldest first."""
    seen: dict[str, Incident] = {}
    while True:
        for item in reversed(await wanted.read(store)):
            if seen.get(item.id) != item:
                seen[item.id] = item
                print(orjson.dumps(to_json(item)).decode(), flush=True)
        await Clock().sleep(WATCH_SECONDS)


async def _follow_case(store: Store, incident: IncidentId) -> None:
    """The case as it is, then each new line of its timeline until it is closed."""
    await print_case(store, incident, Console())
    shown = len(await store.timeline(incident))
    while (found := await store.incident(incident)) is not None and found.status is not Status.CLOSED:
        await Clock().sleep(WATCH_SECONDS)
        entries = await store.timeline(incident)
        for entry in entries[shown:]:
            _print_entry(entry, Console())
        shown = len(entries)


async def find_incident(store: Store, text: str) -> Incident | None:
    """By id, or by the unique beginning of one."""
    found = [item for item in await store.incidents() if item.id.startswith(text)]
    return found[0] if len(found) == 1 else await store.incident(IncidentId(text))


def _show_list(incidents: list[Incident], *, as_json: bool) -> int:
    if as_json:
        Console().print_json(orjson.dumps([to_json(item) for item in incidents]).decode())
        return Exit.OK
    Console().print(_table(incidents))
    return Exit.OK


def _table(incidents: list[Incident]) -> Table:
    table = Table(title=f"{len(incidents)} incidents", title_justify="left", box=None, pad_edge=False)
    for heading in ("ID", "SUBJECT", "SYMPTOM", "STATUS", "OUTCOME", "SIGNALS", "OPENED"):
        table.add_column(heading, no_wrap=heading in ("ID", "OPENED"))
    for item in incidents:
        colour = _COLOURS.get(item.outcome, "white") if item.outcome else "white"
        table.add_row(
            item.id[:8],
            escape(str(item.subject)),
            "asked for" if item.first_signal.source is Source.REQUEST else item.first_signal.symptom,
            item.status,
            Text(item.outcome or "-", style=colour),
            str(item.signals),
            item.opened_at.strftime("%Y-%m-%d %H:%M:%S"),
        )
    return table


async def case_of(store: Store, incident: Incident) -> dict[str, Any]:
    """Everything about one incident, as JSON data; of its changes without the raw values, which only the store has."""
    data: dict[str, Any] = to_json(
        {
            "incident": incident,
            "rounds": await store.rounds(incident.id),
            "changes": await store.changes(incident.id),
            "timeline": await store.timeline(incident.id),
            "evidence": await store.evidence(incident.id),
        }
    )
    for change in data["changes"]:
        for raw in ("patch", "inverse", "diff", "anew"):  # a round has the difference as it may be shown
            del change[raw]
    return data


async def print_case(store: Store, incident_id: IncidentId, console: Console) -> None:
    """One case for a reader."""
    incident = await store.incident(incident_id)
    if incident is None:
        return
    colour = _COLOURS.get(incident.outcome, "white") if incident.outcome else "white"
    console.rule(f"[bold]{escape(str(incident.subject))}[/]  [{colour}]{incident.outcome or incident.status}[/]")
    console.print(f"incident {incident.id}, {incident.signals} signals, {incident.status}", highlight=False)
    if incident.summary:
        console.print(plain_text(incident.summary), markup=False, highlight=False)
    rounds = await store.rounds(incident.id)
    await _print_diagnosis(store, incident, rounds, console)
    evidence = await store.latest_evidence(incident.id)
    if evidence is not None:
        _print_evidence(evidence, console)
    states = {change.id: change.state for change in await store.changes(incident.id)}
    for entry in rounds:
        _print_round(entry, states, console)
    standing = [change for change in await store.changes(incident.id) if change.stands]
    if standing:
        console.print("\n[bold]These changes stand; to undo them[/]")
    commands = Commands(store=store.path.absolute() if store.path != default_store() else None)
    for change in reversed(standing):
        console.print(told_undo(change, commands), markup=False, highlight=False, soft_wrap=True)
    console.print("\n[bold]Timeline[/]")
    for record in await store.timeline(incident.id):
        _print_entry(record, console)


async def _print_diagnosis(store: Store, incident: Incident, rounds: Sequence[Round], console: Console) -> None:
    """The family, the cause and what it rests on; what explains the incident, and what it explains."""
    diagnosis = next((entry.diagnosis for entry in reversed(rounds) if entry.diagnosis is not None), None)
    lines: list[str] = []
    if diagnosis is not None:
        lines.append(f"{diagnosis.family}: {diagnosis.cause} (confidence {diagnosis.confidence:.2f})")
        lines += [f"  {line}" for line in diagnosis.rests_on]
        lines += [f"  nothing is proposed: {diagnosis.because}"] if diagnosis.because else []
    if incident.caused_by is not None:
        lines.append(f"the cause is incident {incident.caused_by}")
    lines += [f"explains {one.subject} (incident {one.id})" for one in await store.explained_by(incident.id)]
    if lines:
        console.print("\n[bold]Cause[/]")
    for line in lines:
        console.print(plain_text(mask_text(line)), markup=False, highlight=False)


def _print_entry(record: TimelineEntry, console: Console) -> None:
    said = next((str(record.detail[key]) for key in _TOLD if record.detail.get(key)), "")
    if (signal := record.detail.get("signal")) is not None:
        said = f"{signal.get('reason')}: {signal.get('message')}"
    if record.step in _DECIDED:
        said = ": ".join(filter(None, (str(record.detail.get("by", "")), said)))
    line = plain_text((said.splitlines() or [""])[0][:100])
    again = f"  ({record.count} times, last {record.last_at:%Y-%m-%d %H:%M:%S})" if record.last_at is not None else ""
    console.print(f"  {record.at:%H:%M:%S}  {record.step:<12} {line}{again}", markup=False, highlight=False)


def _print_evidence(evidence: Evidence, console: Console) -> None:
    health = evidence.health
    console.print(f"\n[bold]Evidence[/]  {health.state}, {health.ready} of {health.desired} ready", highlight=False)
    for finding in health.findings[:6]:
        place = f"{finding.pod} {finding.container}".strip()
        console.print(plain_text(f"  {finding.symptom}  {place}: {finding.detail}"), markup=False, highlight=False)
    for excerpt in evidence.logs[:2]:
        tail = excerpt.text.splitlines()[-3:]
        for line in tail:
            console.print(plain_text(f"  {excerpt.container} | {line}"), markup=False, highlight=False)


def _print_round(entry: Round, states: Mapping[ChangeId, ChangeState], console: Console) -> None:
    if entry.proposal is None:
        return
    console.print(f"\n[bold]Round {entry.number}[/]  ", end="")
    console.print(plain_text(entry.proposal.reason), markup=False, highlight=False)
    if entry.diagnosis is not None:
        because = plain_text(f"  because {entry.diagnosis.cause} ({entry.diagnosis.confidence:.2f})")
        console.print(because, markup=False, highlight=False)
    for leaf in entry.diff:
        console.print(f"  [dim]{escape(leaf.pointer)}[/]")
        console.print(Text(plain_text(f"    - {leaf.before}"), style="red"))
        console.print(Text(plain_text(f"    + {leaf.after}"), style="green"))
    for ruling in (*entry.verdict.objections, *entry.verdict.remarks) if entry.verdict is not None else ():
        ruled = plain_text(f"  {ruling.answer} by {ruling.rule}: {ruling.reason}")
        console.print(ruled, markup=False, highlight=False)
    if entry.verification is not None:
        said = f"  {entry.verification.result}: {entry.verification.detail}"
        if entry.change is not None and entry.change in states:
            said += f" (change {states[entry.change]})"
        console.print(plain_text(said), markup=False, highlight=False)
