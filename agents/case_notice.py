"""The case as a message: what broke, what was tried, what is proposed, what to do, in sections of plain text.

Pure: from the standing, the evidence and the changes to a notice. Its first three lines tell it all (``agents.gist``);
what follows is what they rest on, in the order in which a reader asks for it. The facts are ours; what a model has
thought of the cause stands there too, marked as its opinion.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

from agents.applying import command_of, may_be_secret, patch_command
from agents.commands import Commands
from agents.gist import diagnosed, gist, gist_of_request, short
from agents.researcher import NOTHING
from agents.standing import Agent, Standing
from evidence.redaction import mask_text
from incidents.causes import EXPLAINS
from incidents.changes import Change, LeafChange
from incidents.decisions import Request
from incidents.evidence import Evidence
from incidents.health import Finding
from incidents.incident import Incident, Outcome, Round
from incidents.policy import Mode, Verdict
from incidents.proposals import Drain, Proposal
from incidents.signals import clean
from tools.notify.contract import Notice, Section, Severity

_FOUND, _RESTS_ON, _LOGGED = 5, 5, 12  # lines shown of each: a reader wants the telling ones, the case has them all
_STAMP = re.compile(r"^(?:\S+ ?(?:\(previous\))?:\d+: )?(?:\d{4}-\d\d-\d\d[T ][\d:.,]+Z?\s*)?")
_LEAD = re.compile(r"^(?:(?:Failed\w*|Error(?: creating)?|Unhealthy|Reported|\w+Exceeded): )+")
_POD_HASH = re.compile(r"-[a-z0-9]{5}\b(?=\W)")  # of one pod or another of the same template
_TOLD_BY_STATE = frozenset({"BackOff", "Swept"})  # events that say no more than the state that was read

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
    deadline = f"Until {request.expires_at:%Y-%m-%d %H:%M} UTC; without an answer nothing is changed."
    first = gist_of_request(standing, request, evidence, commands.approve(request.id))
    sections = (
        *_still_changed(kept, commands),
        Section(lines=first),
        _exact(request.proposal, request.diff, incident),
        Section(heading="Why a person is asked", lines=(*objections, *_drift(request.verdict), deadline)),
        _evidence(standing, evidence),
        *(_tried(entry) for entry in standing.rounds if entry.change is not None),
        *_thoughts(standing),
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
        Section(lines=gist(standing, outcome, evidence, kept)),
        *_explained(evidence),
        _evidence(standing, evidence),
        *(_tried(entry) for entry in standing.rounds if entry.change is not None),
        *_proposed(standing, mode, commands),
        *_by_hand(standing),
        *_thoughts(standing),
        *_found(standing),
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


def _evidence(standing: Standing, evidence: Evidence | None) -> Section:
    """What the first lines rest on: the states, what was observed of the cause, the event; each thing once."""
    findings = evidence.health.findings[:_FOUND] if evidence is not None else ()
    own = [found for found in findings if not found.detail.startswith(EXPLAINS)]  # the others have their own section
    states = [f"{found.symptom} in {_place(found, standing)}: {short(found.detail)}" for found in own]
    round_ = diagnosed(standing)
    diagnosis = round_.diagnosis if round_ is not None else None
    observed = diagnosis.rests_on[:_RESTS_ON] if diagnosis is not None else ()
    rests_on = [short(line) for line in observed if not line.startswith(EXPLAINS)]
    event = [_event(standing)] if not findings or standing.incident.last_signal.reason not in _TOLD_BY_STATE else []
    heading = f"Evidence (confidence {diagnosis.confidence:.2f})" if diagnosis is not None else "Evidence"
    return Section(heading=heading, lines=tuple(_once([*states, *rests_on, *event])))


def _event(standing: Standing) -> str:
    """The event, or where it tells of something that this explains, what that was refused with."""
    signal = standing.incident.last_signal
    if signal.message.startswith(EXPLAINS):
        return short(signal.message.partition(": ")[2])
    return short(f"{signal.reason}: {signal.message}" if signal.message else str(signal.reason))


def _once(lines: Iterable[str]) -> list[str]:
    """Lines without those that say no more than one before: kubelet, controller and playbook quote each other."""
    kept: list[str] = []
    for line in lines:
        said = _POD_HASH.sub("", _LEAD.sub("", line)).strip(" .")
        if said and not any(said in _POD_HASH.sub("", one) for one in kept):
            kept.append(line)
    return kept


def _place(finding: Finding, standing: Standing) -> str:
    where = f"pod {finding.pod}" if finding.pod else standing.incident.subject.name
    return f"{where}, container {finding.container}" if finding.container else where


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
    for_good = all(change.for_good for change in kept)
    heading = "These changes stay, for good" if for_good else "These changes stay; to undo them"
    return [Section(heading=heading, lines=lines, verbatim=True)] if lines else []


def told_undo(change: Change, commands: Commands) -> str:
    """The undo command for a message: kubectl's, or where that would carry what may be secret, the program's own."""
    if change.for_good:
        return f"# change {change.id} of {change.target} stays: it cannot be taken back"
    if change.anew is not None:
        return commands.undo(change.id)  # deleting and creating again in the right order is more than one command
    command = undo_command(change)
    return commands.undo(change.id) if may_be_secret(command) else command


def undo_command(change: Change) -> str:
    """A kubectl command that takes a change back exactly, or fails if somebody has changed it since."""
    return patch_command(change.target, list(change.inverse.operations))


def _tried(entry: Round) -> Section:
    outcome = entry.verification
    drift = _drift(entry.verdict) if entry.verdict is not None else []
    lines = [entry.proposal.reason if entry.proposal else "", *map(_leaf, entry.diff), *drift]
    if outcome is not None:
        lines.append(f"{outcome.result}: {short(outcome.detail)}")
    return Section(heading=f"Tried in round {entry.number}", lines=tuple(lines))


def _proposed(standing: Standing, mode: Mode, commands: Commands) -> list[Section]:
    """What would be changed if a person agreed: diagnosis, exact diff, and the command that does it."""
    current = standing.current
    if current is None or current.proposal is None or current.change is not None:
        return []
    lines = [current.proposal.reason]
    if current.verdict is not None:
        lines += _drift(current.verdict)
        lines += [f"{ruling.answer} by {ruling.rule}: {ruling.reason}" for ruling in current.verdict.objections]
    sections = [Section(heading="Proposed, and why it was not done", lines=tuple(lines))]
    if current.diff:
        sections.append(_exact(current.proposal, current.diff, standing.incident))
    if command := _command(standing, current, mode, commands):
        sections.append(Section(heading="To apply it", lines=(command,), verbatim=True))
    return sections


def _by_hand(standing: Standing) -> list[Section]:
    """What a person can do about the cause, where the program has no right to."""
    round_ = diagnosed(standing)
    lines = round_.diagnosis.by_hand if round_ is not None and round_.diagnosis is not None else ()
    return [Section(heading="If you agree, by hand", lines=lines, verbatim=True)] if lines else []


def _command(standing: Standing, current: Round, mode: Mode, commands: Commands) -> str:
    """By which a person makes the change: the program's own where only the mode kept it from that, else kubectl's."""
    if not current.diff or current.proposal is None:
        return ""
    subject = standing.incident.subject
    if mode is Mode.SUGGEST and subject.is_workload:
        workload = f"{subject.kind.lower()}/{subject.name}"
        return commands.spoken("fix", workload, "-n", subject.namespace, "--mode", "auto")
    return command_of(current.proposal, current.diff)


def _drift(verdict: Verdict) -> list[str]:
    """What an allowed change would differ from, and where it has to be made so that it lasts."""
    return [ruling.reason for ruling in verdict.remarks]


def _leaf(leaf: LeafChange) -> str:
    return f"{leaf.pointer}: {json.dumps(leaf.before)} -> {json.dumps(leaf.after)}"


def _exact(proposal: Proposal, diff: Iterable[LeafChange], incident: Incident) -> Section:
    """Every leaf that would differ and every pod that would leave, with the object where it is not the subject."""
    leaving = proposal.action.pods if isinstance(proposal.action, Drain) else ()
    beside = proposal.target.uid != incident.subject.uid
    heading = f"Exact change of {proposal.target}" if beside else "Exact change"
    lines = (*map(_leaf, diff), *(f"evict {pod}" for pod in leaving))
    return Section(heading=heading, lines=lines, verbatim=True)


def _found(standing: Standing) -> list[Section]:
    """What the logs say, and where more can be read; of what an agent said twice the last."""
    said = {saying.by: saying.text for saying in standing.sayings if saying.by in (Agent.RESEARCHER, Agent.CODER)}
    sections = []
    if text := said.get(Agent.CODER, ""):
        sections.append(Section(heading="Log, the lines that matter", lines=_logged(text.splitlines()), verbatim=True))
    if (text := said.get(Agent.RESEARCHER, "")) and text != NOTHING:
        sections.append(Section(heading="To read", lines=tuple(text.splitlines()), verbatim=True))
    return sections


def _logged(lines: Iterable[str]) -> tuple[str, ...]:
    """Lines of logs without those of the run before that say the same: the last of them tell why it ended."""
    once = {_STAMP.sub("", line): line for line in lines}
    kept = list(once.values())
    return tuple(kept if len(kept) <= _LOGGED else [f"… {len(kept) - _LOGGED} lines before", *kept[-_LOGGED:]])
