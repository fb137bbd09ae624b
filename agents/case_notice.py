"""The case as a message: what broke, what was tried, what is proposed, what to do, in sections of plain text.

Pure: from the standing, the evidence and the changes to a notice. Its first lines tell it all. The facts are ours;
what a model has thought of the cause stands there too, marked as its opinion.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence

from agents.commands import Commands
from agents.standing import Agent, Saying, Standing
from evidence.redaction import mask_text
from incidents.changes import Change, LeafChange
from incidents.decisions import Request
from incidents.evidence import Evidence
from incidents.incident import Incident, Outcome, Round
from incidents.policy import Mode, Verdict
from incidents.signals import clean
from tools.notify.contract import Notice, Section, Severity

_OFTEN_SECRET = re.compile(r"[\"/](?:env|args|command|httpHeaders)[\"/]")  # as a key or within a pointer

_SEVERITY: dict[Outcome, Severity] = {
    Outcome.OBSERVED: "info",
    Outcome.ESCALATED: "warning",
    Outcome.FAILED: "critical",
}


def request_notice(
    standing: Standing, request: Request, evidence: Evidence | None, kept: Sequence[Change], commands: Commands
) -> Notice:
    """One change to decide about: what broke, why this, exactly what would differ, and the commands that decide."""
    incident = standing.incident
    objections = [f"{ruling.rule}: {ruling.reason}" for ruling in request.verdict.objections]
    decision = f"Decide: {commands.approve(request.id)}"
    deadline = f"Until {request.expires_at:%Y-%m-%d %H:%M} UTC; without an answer nothing is changed."
    sections = (
        *_still_changed(kept, commands),
        Section(lines=(_in_short(incident, evidence), f"Proposed: {_one_line(request.proposal.reason)}", decision)),
        Section(heading="What broke", lines=tuple(_what_broke(incident, evidence))),
        *(_tried(entry) for entry in standing.rounds if entry.change is not None),
        Section(heading="Proposed", lines=(request.proposal.reason, *_diagnosed(standing), *_drift(request.verdict))),
        Section(heading="Exact change", lines=tuple(map(_leaf, request.diff)), verbatim=True),
        *_thoughts(standing),
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
        Section(lines=(_in_short(incident, evidence), _known(standing), f"Look: {commands.show(incident.id)}")),
        Section(heading="What broke", lines=tuple(_what_broke(incident, evidence))),
        *_explained(evidence),
        *(_tried(entry) for entry in standing.rounds if entry.change is not None),
        *_proposed(standing, mode, commands),
        *_thoughts(standing),
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


def _in_short(incident: Incident, evidence: Evidence | None) -> str:
    """What is broken, in one line."""
    signal = incident.last_signal
    if evidence is None or not evidence.health.findings:
        return _one_line(f"{incident.subject}: {signal.symptom} ({signal.reason})")
    health, first = evidence.health, evidence.health.findings[0]
    ready = f", {health.ready} of {health.desired} ready" if incident.subject.is_workload else ""
    return _one_line(f"{incident.subject}: {first.symptom}{ready}: {first.detail}")


def _known(standing: Standing) -> str:
    """What is known about why, and what came of it, in one line."""
    last = next((entry for entry in reversed(standing.rounds) if entry.diagnosis is not None), None)
    if last is None or last.diagnosis is None:
        return _one_line(f"Nobody here is certain why. {standing.summary}")
    tried = f" Tried: {last.verification.result}." if last.verification is not None else ""
    by = " (a model thinks)" if last.thought is not None else ""
    return _one_line(f"{last.diagnosis.cause}{by}.{tried} {standing.summary}")


def _one_line(text: str) -> str:
    return clean(" ".join(text.split()), 300).strip()


def _thoughts(standing: Standing) -> list[Section]:
    """What a model has made of it: an opinion, marked as one, with what code and the reviewer think of it."""
    sections = []
    for entry in standing.rounds:
        thought = entry.thought
        if thought is None or thought.diagnosis is None:
            continue
        believed = f"confidence {entry.proposal.confidence:.2f}, " if entry.proposal is not None else ""
        lines = [f"{thought.diagnosis.cause} ({believed}it said {thought.claimed:.2f})"]
        lines += [f"- {one}" for one in thought.diagnosis.rests_on]
        lines += [thought.declined] if thought.declined else []
        lines += [
            f"reviewer: {'veto' if one.veto else f'{one.confidence:.2f}'}: {one.reason}" for one in thought.reviews
        ]
        lines += [f"refused: {one}" for one in thought.refused] + [f"checked: {one}" for one in thought.checks]
        heading = f"A model's opinion in round {entry.number}; nobody has checked it but the program"
        sections.append(Section(heading=heading, lines=tuple(mask_text(clean(line, 500)) for line in lines)))
    return sections


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
