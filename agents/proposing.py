"""From a model's words to a proposal in our type, and how much of its confidence is believed.

A model cannot name an object: every proposal is about the subject of the incident. It cannot name an action that is
none of ours. What does not parse, what rests on a value that is not there and what would change nothing is nothing,
with one line that says why. The rest is a proposal like a playbook's, and takes the same road.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from agents.answers import Edit, Fix, ProposedChange
from incidents.evidence import Evidence
from incidents.incident import Round
from incidents.masking import is_masked
from incidents.pointers import ABSENT, PathNotFound, resolve, value_at
from incidents.proposals import MODEL_AUTHOR, Action, Diagnosis, Proposal, Review, Risk, RollBack, SetField
from incidents.signals import clean
from incidents.symptoms import Symptom
from playbooks.confidence import SUGGESTED
from playbooks.consult import failed_before
from playbooks.edits import made_anew
from playbooks.last_good import may_roll_back

HIGHEST = 0.9  # what a model is believed at most
UNNAMED = 0.5  # where the cause names nothing that was observed
UNREHEARSED = 0.6  # without a dry run
UNREVIEWED = 0.6  # without a second look
AUTHOR = f"{MODEL_AUTHOR}auto_fixer"
_SHORTEST_WORD = 3  # letters of a name that is looked for in a cause


class Misfit(ValueError):
    """A proposed change that is nothing; the text says why, for the model and for the record."""


class Believed(msgspec.Struct, frozen=True):
    """How much is believed, and every check that lowered it."""

    confidence: float
    checks: tuple[str, ...]


def diagnosis_of(answer: Fix) -> Diagnosis:
    """The diagnosis as the model puts it, its confidence not yet capped."""
    return Diagnosis(
        family=clean(answer.family, 40),
        cause=clean(answer.cause, 400),
        confidence=answer.confidence,
        rests_on=tuple(clean(one, 200) for one in answer.rests_on),
    )


def proposal_of(change: ProposedChange, evidence: Evidence, rounds: Sequence[Round]) -> Proposal:
    """One proposed change in our type. Raises Misfit."""
    if change.ends not in set(evidence.health.symptoms):
        seen = ", ".join(sorted(evidence.health.symptoms))
        raise Misfit(f"ends: {clean(change.ends, 40)!r} is not observed; observed are: {seen}")
    proposal = Proposal(
        target=evidence.subject.ref,
        action=_action(change, evidence),
        ends=Symptom(change.ends),
        reason=clean(change.reason, 300) or "a model proposed it",
        risk=Risk.MEDIUM,
        confidence=change.confidence,
        author=AUTHOR,
    )
    if failed_before(proposal, rounds):
        raise Misfit("this was tried in an earlier round and was no better")
    return proposal


def still_fits(proposal: Proposal, evidence: Evidence) -> bool:
    """Whether a proposal made from an earlier reading still rests on what this one says."""
    if proposal.target != evidence.subject.ref or proposal.ends not in evidence.health.symptoms:
        return False
    if isinstance(proposal.action, RollBack):
        known = {(one.name, one.digest) for one in evidence.other_revisions}
        return (proposal.action.replica_set, proposal.action.digest) in known
    try:
        return all(_present(edit.path, evidence) == _expected(edit.expected) for edit in proposal.edits)
    except Misfit:
        return False  # a container of that name is gone


def believed(
    proposal: Proposal, diagnosis: Diagnosis, evidence: Evidence, *, rehearsed: bool, review: Review | None
) -> Believed:
    """The model's confidence, capped by what can be checked without believing it."""
    caps: list[tuple[float, str]] = [(HIGHEST, "it is a model's"), (proposal.confidence, "the proposal's own")]
    caps.append((diagnosis.confidence, "the diagnosis' own"))
    if not still_fits(proposal, evidence):
        caps.append((0.0, "the evidence does not show what it rests on"))
    if not names_what_was_seen(diagnosis, evidence):
        caps.append((UNNAMED, "the cause names nothing that was observed"))
    if isinstance(proposal.action, RollBack) and not may_roll_back(evidence):
        caps.append((SUGGESTED, "what it would take back was well, serves, or may have written what outlasts it"))
    if not rehearsed:
        caps.append((UNREHEARSED, "no dry run has shown what it would do"))
    if review is None:
        caps.append((UNREVIEWED, "nobody has given it a second look"))
    elif review.veto:
        caps.append((0.0, "the reviewer vetoes it"))
    else:
        caps.append((review.confidence, "the reviewer's"))
    confidence = min(cap for cap, _ in caps)
    claimed = min(proposal.confidence, diagnosis.confidence)
    return Believed(confidence, tuple(f"at most {cap:.2f}: {why}" for cap, why in caps if cap < claimed))


def names_what_was_seen(diagnosis: Diagnosis, evidence: Evidence) -> bool:
    """Whether the cause, or what it rests on, names a container, a symptom, a state or an event that was observed."""
    text = " ".join((diagnosis.cause, *diagnosis.rests_on)).casefold()
    words: set[str] = {symptom.value for symptom in evidence.health.symptoms}
    words |= {one.reason for one in evidence.events} | {found.container for found in evidence.health.findings}
    words |= {name.partition("/")[2] for name in evidence.snapshot.missing}
    words |= {reason for pod in evidence.snapshot.current_pods for reason in _reasons(pod)}
    return any(word.casefold() in text for word in words if len(word) >= _SHORTEST_WORD)


def _reasons(pod: dict[str, object]) -> set[str]:
    """The reasons that a pod's container states give."""
    status = pod.get("status")
    found: set[str] = set()
    for key in ("initContainerStatuses", "containerStatuses"):
        for one in (status.get(key) or ()) if isinstance(status, dict) else ():
            for state in (one.get("state") or {}, one.get("lastState") or {}):
                found |= {str(detail["reason"]) for detail in state.values() if detail and detail.get("reason")}
    return found


def _action(change: ProposedChange, evidence: Evidence) -> Action:
    """What it asks for; where the fields cannot be set in place, to make the object anew with them."""
    if change.action == "roll-back":
        return _roll_back(change, evidence)
    return made_anew(evidence, _edits(change, evidence))


def _edits(change: ProposedChange, evidence: Evidence) -> tuple[SetField, ...]:
    if not change.edits:
        raise Misfit(f"{change.action}: it names no field")
    if len({edit.path for edit in change.edits}) < len(change.edits):
        raise Misfit(f"{change.action}: it names a field twice")
    return tuple(_edit(edit, evidence, remove=change.action == "remove") for edit in change.edits)


def _edit(edit: Edit, evidence: Evidence, *, remove: bool) -> SetField:
    shown = clean(edit.path, 200)
    present = _present(edit.path, evidence)
    value = None if remove else edit.value
    if isinstance(present, dict | list):
        raise Misfit(f"{shown}: it holds further fields: name one of them")
    if is_masked(present) or is_masked(value):
        raise Misfit(f"{shown}: what is masked cannot be changed")
    if present != _expected(edit.expected):
        raise Misfit(f"{shown}: its present value is {'not set' if present is ABSENT else repr(present)[:80]}")
    if value is None and (present is ABSENT or not remove):
        raise Misfit(f"{shown}: there is nothing to remove" if remove else f"{shown}: no value is given")
    if type(value) is type(present) and value == present:
        raise Misfit(f"{shown}: it has that value already")
    return SetField(path=edit.path, expected=None if present is ABSENT else present, value=value)


def _present(path: str, evidence: Evidence) -> object:
    workload = evidence.snapshot.workload
    try:
        parts = resolve(workload, path)
    except PathNotFound as error:
        raise Misfit(clean(error, 200)) from error
    if not parts or parts[0] != "spec":
        raise Misfit(f"{clean(path, 200)}: only fields below /spec can be changed")
    return value_at(workload, parts)


def _expected(value: object) -> object:
    return ABSENT if value is None else value


def _roll_back(change: ProposedChange, evidence: Evidence) -> RollBack:
    found = next((one for one in evidence.revisions if one.number == change.revision), None)
    if found is None:
        raise Misfit(f"roll-back: there is no revision {change.revision}")
    if found.digest == evidence.present:
        raise Misfit(f"roll-back: revision {change.revision} is the present one")
    if not found.good:
        raise Misfit(f"roll-back: revision {change.revision} is not known to work")
    return RollBack(replica_set=found.name, digest=found.digest)
