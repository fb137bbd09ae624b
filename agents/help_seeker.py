"""HelpSeeker: hands the case to a person. One message an incident, through the outbox, so that it outlives a crash."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence

import structlog

from agents.standing import Agent, Saying, Standing, Turn
from evidence.redaction import mask_text
from incidents.changes import Change, LeafChange
from incidents.evidence import Evidence
from incidents.incident import Incident, Outcome, Round
from incidents.policy import Mode
from tools.notify.contract import Notice, Section, Severity
from tools.notify.outbox import Outbox
from tools.store.sqlite import Store

log = structlog.get_logger(__name__)

_SEVERITY: dict[Outcome, Severity] = {
    Outcome.OBSERVED: "info",
    Outcome.ESCALATED: "warning",
    Outcome.FAILED: "critical",
}


class HelpSeeker:
    """Writes the case down for a person and sees that it is delivered."""

    def __init__(self, store: Store, outbox: Outbox, mode: Mode) -> None:
        self._store = store
        self._outbox = outbox
        self._mode = mode

    async def work(self, standing: Standing, evidence: Evidence | None) -> Turn:
        """Queue the one message of this incident and try to deliver it. An outcome is escalated if none was set."""
        outcome = standing.outcome or Outcome.ESCALATED
        kept = [change for change in await self._store.changes(standing.incident.id) if change.stands]
        notice = case_notice(standing, outcome, evidence, kept, self._mode)
        if await self._store.enqueue(notice):
            await self._store.note(standing.incident.id, "told", title=notice.title)
        await self._outbox.deliver()
        return Turn(text=f"A person has been told: {notice.title}", outcome=outcome)


def case_notice(
    standing: Standing, outcome: Outcome, evidence: Evidence | None, kept: Sequence[Change], mode: Mode
) -> Notice:
    """The whole case as one message: what broke, what was tried, what is proposed, what to do."""
    incident = standing.incident
    sections = [
        *_still_changed(kept),
        Section(heading="What broke", lines=tuple(_what_broke(incident, evidence))),
        *(_tried(entry) for entry in standing.rounds if entry.change is not None),
        *_proposed(standing, mode),
        *(Section(heading=str(s.by), lines=tuple(s.text.splitlines()), verbatim=True) for s in _findings(standing)),
        Section(heading="Look", lines=(f"k8s-auto-fixer incidents {incident.id}",), verbatim=True),
    ]
    return Notice(
        key=f"{incident.id}/handed-over",
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
        lines.append(f"{health.ready} of {health.desired} replicas ready")
        lines += [
            f"{f.symptom} in {f.pod or incident.subject.name} {f.container}: {f.detail}" for f in health.findings[:5]
        ]
    return lines


def _still_changed(kept: Sequence[Change]) -> list[Section]:
    """Changes that stay on the object, with the command that takes them back: newest first."""
    commands = tuple(told_undo(change) for change in reversed(kept))
    return [Section(heading="These changes stay; to undo them", lines=commands, verbatim=True)] if commands else []


def told_undo(change: Change) -> str:
    """The undo command for a message; one that would carry a masked value stays in the store."""
    command = undo_command(change)
    carries_secrets = '"env"' in command or "/env/" in command or mask_text(command) != command
    return f"k8s-auto-fixer incidents {change.incident}  (prints the command)" if carries_secrets else command


def undo_command(change: Change) -> str:
    """A kubectl command that takes a change back exactly, or fails if somebody has changed it since."""
    target, patch = change.target, json.dumps(list(change.inverse.operations), separators=(",", ":"))
    return (
        f"kubectl -n {target.namespace} patch {target.kind.lower()} {target.name} --type=json -p {shlex.quote(patch)}"
    )


def _tried(entry: Round) -> Section:
    outcome = entry.verification
    lines = [entry.proposal.reason if entry.proposal else "", *map(_leaf, entry.diff)]
    if outcome is not None:
        lines.append(f"{outcome.result}: {outcome.detail}")
    return Section(heading=f"Tried in round {entry.number}", lines=tuple(lines))


def _proposed(standing: Standing, mode: Mode) -> list[Section]:
    """What would be changed if a person agreed: diagnosis, exact diff, and the command that does it."""
    current = standing.current
    if current is None or current.proposal is None or current.change is not None:
        return []
    diagnosis = current.diagnosis
    lines = [current.proposal.reason]
    if diagnosis is not None:
        lines += [f"{diagnosis.cause} (confidence {diagnosis.confidence:.2f})", *diagnosis.rests_on]
    if current.verdict is not None:
        lines += [f"{ruling.rule}: {ruling.reason}" for ruling in current.verdict.objections]
    sections = [Section(heading="Proposed", lines=tuple(lines))]
    if current.diff:
        sections.append(Section(heading="Exact change", lines=tuple(map(_leaf, current.diff)), verbatim=True))
    if mode is Mode.SUGGEST and current.diff:
        subject = standing.incident.subject
        command = f"k8s-auto-fixer fix {subject.kind.lower()}/{subject.name} -n {subject.namespace} --mode auto"
        sections.append(Section(heading="To apply it", lines=(command,), verbatim=True))
    return sections


def _leaf(leaf: LeafChange) -> str:
    return f"{leaf.pointer}: {json.dumps(leaf.before)} -> {json.dumps(leaf.after)}"


def _findings(standing: Standing) -> list[Saying]:
    return [saying for saying in standing.sayings if saying.by in (Agent.RESEARCHER, Agent.CODER)]
