"""HelpSeeker: hands the case to a person, or asks for a decision.

One message for each request and one for the end of the work, through the outbox, so that they outlive a crash.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence

import structlog

from agents.commands import Commands
from agents.standing import Agent, Saying, Standing, Turn
from evidence.redaction import mask_text
from incidents.changes import Change, ChangeState, LeafChange
from incidents.decisions import DecisionKind, Request
from incidents.evidence import Evidence
from incidents.incident import Incident, Outcome, Round
from incidents.policy import Mode, Verdict
from tools.notify.contract import Notice, Section, Severity
from tools.notify.outbox import Outbox
from tools.store import Store

_OFTEN_SECRET = re.compile(r"[\"/](?:env|args|command|httpHeaders)[\"/]")  # as a key or within a pointer

log = structlog.get_logger(__name__)

_SEVERITY: dict[Outcome, Severity] = {
    Outcome.OBSERVED: "info",
    Outcome.ESCALATED: "warning",
    Outcome.FAILED: "critical",
}


class HelpSeeker:
    """Writes the case down for a person and sees that it is delivered."""

    def __init__(self, store: Store, outbox: Outbox, mode: Mode, commands: Commands | None = None) -> None:
        self._store = store
        self._outbox = outbox
        self._mode = mode
        self._commands = commands or Commands()

    async def work(self, standing: Standing, evidence: Evidence | None) -> Turn:
        """Queue the message and try to deliver it. An outcome is escalated if none was set and nobody is asked."""
        request = await self._store.request(standing.request) if standing.request else None
        if request is not None:
            return await self._ask(standing, request, evidence)
        outcome = standing.outcome or await self._outcome(standing.incident)
        kept = [change for change in await self._store.changes(standing.incident.id) if change.stands]
        key = await handed_over_key(self._store, standing.incident)
        notice = case_notice(standing, outcome, evidence, kept, mode=self._mode, key=key, commands=self._commands)
        if await self._store.enqueue(notice):
            await self._store.note(standing.incident.id, "told", title=notice.title)
        await self._outbox.deliver()
        return Turn(text=f"A person has been told: {notice.title}", outcome=outcome)

    async def _outcome(self, incident: Incident) -> Outcome:
        """How it ends where nobody has said so: a crash may have come right after the last change was taken back."""
        changes = await self._store.changes(incident.id)
        decisions = await self._store.decisions(incident.id)
        retried = max((one.decided_at for one in decisions if one.kind is DecisionKind.RETRY), default=None)
        undone = [one for one in changes if one.state is ChangeState.UNDONE and one.ended_at is not None]
        lately = any(retried is None or (one.ended_at and one.ended_at > retried) for one in undone)
        return Outcome.ROLLED_BACK if lately and not any(one.stands for one in changes) else Outcome.ESCALATED

    async def _ask(self, standing: Standing, request: Request, evidence: Evidence | None) -> Turn:
        kept = [change for change in await self._store.changes(standing.incident.id) if change.stands]
        notice = request_notice(standing, request, evidence, kept, self._commands)
        if await self._store.enqueue(notice):
            await self._store.note(standing.incident.id, "told", title=notice.title)
        await self._outbox.deliver()
        return Turn(text=f"A person has been asked: {self._commands.approve(request.id)}")


def request_notice(
    standing: Standing, request: Request, evidence: Evidence | None, kept: Sequence[Change], commands: Commands
) -> Notice:
    """One change to decide about: what broke, why this, exactly what would differ, and the commands that decide."""
    incident = standing.incident
    objections = [f"{ruling.rule}: {ruling.reason}" for ruling in request.verdict.objections]
    deadline = f"Until {request.expires_at:%Y-%m-%d %H:%M} UTC; without an answer nothing is changed."
    sections = (
        *_still_changed(kept, commands),
        Section(heading="What broke", lines=tuple(_what_broke(incident, evidence))),
        *(_tried(entry) for entry in standing.rounds if entry.change is not None),
        Section(heading="Proposed", lines=(request.proposal.reason, *_diagnosed(standing), *_drift(request.verdict))),
        Section(heading="Exact change", lines=tuple(map(_leaf, request.diff)), verbatim=True),
        Section(heading="Why a person is asked", lines=(*objections, deadline)),
        Section(heading="To decide", lines=(commands.approve(request.id), commands.reject(request.id)), verbatim=True),
        Section(heading="Look", lines=(commands.show(incident.id),), verbatim=True),
    )
    return Notice(
        key=f"{incident.id}/request/{request.id}",
        title=f"Asks for approval: {incident.subject}",
        sections=sections,
        incident=incident.id,
    )


async def handed_over_key(store: Store, incident: Incident) -> str:
    """The key of the one message that ends the work on an incident: another one after each `retry`."""
    retries = sum(one.kind is DecisionKind.RETRY for one in await store.decisions(incident.id))
    return f"{incident.id}/handed-over" + (f"/{retries}" if retries else "")


def case_notice(
    standing: Standing,
    outcome: Outcome,
    evidence: Evidence | None,
    kept: Sequence[Change],
    *,
    mode: Mode,
    key: str,
    commands: Commands,
) -> Notice:
    """The whole case as one message: what broke, what was tried, what is proposed, what to do."""
    incident = standing.incident
    sections = [
        *_still_changed(kept, commands),
        Section(heading="What broke", lines=tuple(_what_broke(incident, evidence))),
        *_explained(evidence),
        *(_tried(entry) for entry in standing.rounds if entry.change is not None),
        *_proposed(standing, mode, commands),
        *(Section(heading=str(s.by), lines=tuple(s.text.splitlines()), verbatim=True) for s in _findings(standing)),
        Section(heading="Look", lines=(commands.show(incident.id),), verbatim=True),
    ]
    return Notice(
        key=key,
        title=f"{_HEADLINES[outcome]}: {incident.subject}",
        sections=tuple(sections),
        severity=_SEVERITY.get(outcome, "warning"),
        incident=incident.id,
    )


_HEADLINES: dict[Outcome, str] = {
    Outcome.ESCALATED: "Needs a person",
    Outcome.ROLLED_BACK: "Tried, undone, needs a person",
    Outcome.OBSERVED: "Seen, not touched",
    Outcome.FAILED: "Could not be worked on, needs a person",
    Outcome.RESOLVED: "Repaired",
    Outcome.SUPPRESSED: "Healed by itself",
}


def _what_broke(incident: Incident, evidence: Evidence | None) -> list[str]:
    signal = incident.last_signal
    lines = [f"{signal.reason}: {signal.message}" if signal.message else str(signal.reason)]
    if evidence is not None:
        health = evidence.health
        if incident.subject.is_workload:
            lines.append(f"{health.ready} of {health.desired} replicas ready")
        lines += [
            f"{f.symptom} in {f.pod or incident.subject.name} {f.container}: {f.detail}" for f in health.findings[:5]
        ]
    return lines


def _explained(evidence: Evidence | None) -> list[Section]:
    """What fails because of this, of which nobody is told a second time."""
    affected = evidence.affects if evidence is not None else ()
    return [Section(heading="It explains the trouble of", lines=affected)] if affected else []


def _still_changed(kept: Sequence[Change], commands: Commands) -> list[Section]:
    """Changes that stay on the object, with the command that takes them back: newest first."""
    lines = tuple(told_undo(change, commands) for change in reversed(kept))
    return [Section(heading="These changes stay; to undo them", lines=lines, verbatim=True)] if lines else []


def told_undo(change: Change, commands: Commands) -> str:
    """The undo command for a message: kubectl's, or where that would carry what may be secret, the program's own."""
    command = undo_command(change)
    carries_secrets = _OFTEN_SECRET.search(command) is not None or mask_text(command) != command
    return commands.undo(change.id) if carries_secrets else command


def undo_command(change: Change) -> str:
    """A kubectl command that takes a change back exactly, or fails if somebody has changed it since."""
    target, patch = change.target, json.dumps(list(change.inverse.operations), separators=(",", ":"))
    return (
        f"kubectl -n {target.namespace} patch {target.kind.lower()} {target.name} --type=json -p {shlex.quote(patch)}"
    )


def _tried(entry: Round) -> Section:
    outcome = entry.verification
    drift = _drift(entry.verdict) if entry.verdict is not None else []
    lines = [entry.proposal.reason if entry.proposal else "", *map(_leaf, entry.diff), *drift]
    if outcome is not None:
        lines.append(f"{outcome.result}: {outcome.detail}")
    return Section(heading=f"Tried in round {entry.number}", lines=tuple(lines))


def _proposed(standing: Standing, mode: Mode, commands: Commands) -> list[Section]:
    """What would be changed if a person agreed: diagnosis, exact diff, and the command that does it."""
    current = standing.current
    if current is None or current.proposal is None or current.change is not None:
        return []
    lines = [current.proposal.reason, *_diagnosed(standing)]
    if current.verdict is not None:
        lines += _drift(current.verdict)
        lines += [f"{ruling.rule}: {ruling.reason}" for ruling in current.verdict.objections]
    sections = [Section(heading="Proposed", lines=tuple(lines))]
    if current.diff:
        sections.append(Section(heading="Exact change", lines=tuple(map(_leaf, current.diff)), verbatim=True))
    if mode is Mode.SUGGEST and current.diff:
        subject = standing.incident.subject
        workload = f"{subject.kind.lower()}/{subject.name}"
        command = commands.spoken("fix", workload, "-n", subject.namespace, "--mode", "auto")
        sections.append(Section(heading="To apply it", lines=(command,), verbatim=True))
    return sections


def _diagnosed(standing: Standing) -> list[str]:
    diagnosis = standing.current.diagnosis if standing.current is not None else None
    if diagnosis is None:
        return []
    return [f"{diagnosis.cause} (confidence {diagnosis.confidence:.2f})", *diagnosis.rests_on]


def _drift(verdict: Verdict) -> list[str]:
    """What an allowed change would differ from, and where it has to be made so that it lasts."""
    return [ruling.reason for ruling in verdict.remarks]


def _leaf(leaf: LeafChange) -> str:
    return f"{leaf.pointer}: {json.dumps(leaf.before)} -> {json.dumps(leaf.after)}"


def _findings(standing: Standing) -> list[Saying]:
    return [saying for saying in standing.sayings if saying.by in (Agent.RESEARCHER, Agent.CODER)]
