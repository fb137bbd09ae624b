"""A case in three lines, which tell it all: what is broken, which family and cause, what came of it.

Who is woken by it reads no more before deciding whether to get up. What kubelet and controllers repeat in every
sentence (uids, the pod's name in full) is left out here; it stands further down.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from agents.standing import Standing
from evidence.redaction import mask_text
from incidents.changes import Change
from incidents.decisions import Request
from incidents.evidence import Evidence
from incidents.incident import Incident, Outcome, Round
from incidents.proposals import Diagnosis
from incidents.signals import clean

LINE, HALF = 300, 160  # characters of a line, and of one of two things on it
_UID = re.compile(r"\([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\)")
_RESTARTING = re.compile(r"(restarting failed container)\b.*", re.DOTALL)
_PREEMPTION = re.compile(r"\s*(?:no new claims to deallocate, )?preemption: 0/\d+ nodes are available:.*", re.DOTALL)
_STAMP = re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?\s*")


def gist(standing: Standing, outcome: Outcome, evidence: Evidence | None, kept: Sequence[Change]) -> tuple[str, ...]:
    """The three lines of a case that is handed over."""
    done = _came_of_it(standing, outcome, kept)
    return (what(standing.incident, evidence, detailed=diagnosed(standing) is None), why(standing), done)


def gist_of_request(standing: Standing, request: Request, evidence: Evidence | None, decide: str) -> tuple[str, ...]:
    """The three lines of a change that a person has to decide about; the command on the last is never cut."""
    proposed = one_line(request.proposal.reason, HALF)
    return (what(standing.incident, evidence), why(standing), f"Proposed: {proposed}. To approve it: {decide}")


def what(incident: Incident, evidence: Evidence | None, *, detailed: bool = False) -> str:
    """What is broken, and how badly. ``detailed``: with the words of it, where nobody knows a cause that says more."""
    signal = incident.last_signal
    if evidence is None or not evidence.health.findings:
        return one_line(f"{incident.subject}: {signal.symptom} ({signal.reason})")
    health = evidence.health
    symptoms = list(dict.fromkeys(found.symptom.value for found in health.findings))[:3]
    ready = f", {health.ready} of {health.desired} ready" if incident.subject.is_workload else ""
    said = f": {short(health.findings[0].detail)}" if detailed else ""
    return one_line(f"{incident.subject}: {', '.join(symptoms)}{ready}{said}")


def why(standing: Standing) -> str:
    """The family and the cause, or that nobody knows it."""
    found = diagnosed(standing)
    if found is None or found.diagnosis is None:
        return "Nobody here is certain why."
    by = " (a model thinks)" if found.thought is not None else ""
    return one_line(f"{found.diagnosis.family}: {_STAMP.sub('', found.diagnosis.cause)}{by}")


def diagnosed(standing: Standing) -> Round | None:
    """The last round in which a cause was named."""
    return next((entry for entry in reversed(standing.rounds) if entry.diagnosis is not None), None)


def _came_of_it(standing: Standing, outcome: Outcome, kept: Sequence[Change]) -> str:
    tried = [entry for entry in standing.rounds if entry.verification is not None and entry.proposal is not None]
    current = standing.current
    objections = current.verdict.objections if current is not None and current.verdict is not None else ()
    if tried and outcome is Outcome.ROLLED_BACK:
        last = f"{_reason(tried[-1])}: {tried[-1].verification.result if tried[-1].verification else ''}"
        more = f", the last of {len(tried)}" if len(tried) > 1 else ""
        return one_line(f"Tried and undone: {last}{more}.")
    if tried or kept:
        return one_line(standing.summary or f"Tried: {'; '.join(map(_reason, tried))}.")
    if current is not None and current.proposal is not None and objections:
        said = "; ".join(f"{one.rule}: {one.reason}" for one in objections)
        return one_line(f"Proposed: {_reason(current)}. Not done: {said}")
    found = diagnosed(standing)
    return _left(found.diagnosis if found is not None else None, standing.summary)


def _left(diagnosis: Diagnosis | None, summary: str) -> str:
    """That nothing was changed, and why: in the words of who has named the cause, or of who has ended the work."""
    because = (diagnosis.because if diagnosis is not None else "") or summary
    return one_line(
        f"Nothing was changed{f': {because}' if because else ', for nobody is certain'}.".replace("..", ".")
    )


def _reason(entry: Round) -> str:
    return one_line(entry.proposal.reason, HALF) if entry.proposal is not None else ""


def short(detail: str) -> str:
    """What was found, without what is said already or nobody reads; of what is long the end too, which says why."""
    line = _PREEMPTION.sub("", _RESTARTING.sub(r"\1", _UID.sub("", detail)))
    line = one_line(line, 4 * LINE)
    return line if len(line) <= LINE else f"{line[:HALF].rstrip()} … {line[HALF - LINE :].lstrip()}"


def one_line(text: str, most: int = LINE) -> str:
    """Text as one line of at most so many characters, with secrets masked."""
    line = mask_text(clean(" ".join(text.split()), most * 4)).strip()
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"
