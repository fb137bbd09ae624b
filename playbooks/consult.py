"""Asking every playbook, and choosing between those that are certain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from incidents.evidence import Evidence
from incidents.incident import Result, Round
from incidents.proposals import Diagnosis, Needs, Opinion, Proposal, Silent
from playbooks.been_well import as_suggestion
from playbooks.confidence import LIKELY
from playbooks.held_back import held_back
from playbooks.managed import with_manager
from playbooks.ordered import reaching
from playbooks.registry import Playbook, all_playbooks


def consult(
    evidence: Evidence, rounds: Sequence[Round], families: Mapping[str, Playbook] | None = None
) -> Silent | Needs | Opinion:
    """The most confident opinion; else everything that is still wanted; else silence and every reason for it.

    An opinion that is only likely waits until nobody wants to know more.

    What may have been well for long is changed by no rule for what never was, unless a person says so (``been_well``).

    A cause that lies with another object comes before every change of the subject: it has to be mended first.

    An equal to a proposal that a round has proved no better counts as silence, whichever playbook makes it. Silence
    carries the most confident diagnosis there is, and what a foreign controller manages is diagnosed and never changed.
    ``families``: all of the registry where nothing is said.
    """
    answer = _consulted(evidence, rounds, all_playbooks() if families is None else families)
    if not isinstance(answer, Needs) and answer.diagnosis is not None:
        answer = msgspec.structs.replace(answer, diagnosis=with_manager(answer.diagnosis, evidence.snapshot.workload))
    if isinstance(answer, Opinion):
        answer = reaching(evidence, answer)
    if isinstance(answer, Opinion) and evidence.subject.manager:
        answer = Silent(f"{evidence.subject.manager} manages it and would put a change back", answer.diagnosis)
    if isinstance(answer, Silent) and answer.diagnosis is not None and not answer.diagnosis.because:
        return Silent(answer.because, _reasoned(answer.diagnosis, answer.because))
    return answer


def _consulted(
    evidence: Evidence, rounds: Sequence[Round], families: Mapping[str, Playbook]
) -> Silent | Needs | Opinion:
    if (held := held_back(evidence)) is not None and not _tried(held, rounds):
        return held
    if evidence.snapshot.workload.get("spec", {}).get("paused"):
        return Silent("its rollout is paused: somebody is at work on it")
    opinions: list[Opinion] = []
    wants: dict[str, Needs] = {}
    silences: list[tuple[str, Silent]] = []
    for family, playbook in families.items():
        if evidence.subject.kind not in playbook.subjects:
            continue
        match _asked(playbook, evidence, rounds):
            case Opinion() as opinion if failed_before(opinion.proposal, rounds):
                silences.append((family, Silent("its proposal was tried and was no better", opinion.diagnosis)))
            case Opinion() as opinion:
                opinions.append(opinion)
            case Needs() as needs:
                wants[family] = needs
            case Silent() as silent:
                silences.append((family, silent))
    known = [*(silent.diagnosis for _, silent in silences), *(one.diagnosis for one in opinions)]
    if any(diagnosis is not None and diagnosis.blames is not None for diagnosis in known):
        opinions = [one for one in opinions if one.proposal.target.uid != evidence.subject.uid]
        wants = {}
    best = max(opinions, key=lambda opinion: opinion.proposal.confidence, default=None)
    certain = best is not None and best.proposal.confidence > LIKELY and not any(one.first for one in wants.values())
    if best is not None and (certain or not wants):
        return best
    if wants:  # what is only likely waits for those who could be certain if they knew more
        return Needs(tuple(dict.fromkeys(want for needs in wants.values() for want in needs.wants)))
    return _silence(evidence, silences)


def _tried(answer: Silent | Opinion, rounds: Sequence[Round]) -> bool:
    return isinstance(answer, Opinion) and failed_before(answer.proposal, rounds)


def _asked(playbook: Playbook, evidence: Evidence, rounds: Sequence[Round]) -> Silent | Needs | Opinion:
    """What one playbook says; one that fails over something nobody foresaw does not silence the others."""
    try:
        return as_suggestion(evidence, playbook.family, playbook.consider(evidence, rounds))
    except Exception as error:  # noqa: BLE001 - a playbook may be anybody's; that it failed stands in the case
        return Silent(f"it failed: {type(error).__name__}: {str(error)[:200]}")


def _silence(evidence: Evidence, silences: Sequence[tuple[str, Silent]]) -> Silent:
    if not silences:
        return Silent(f"no playbook knows how to change a {evidence.subject.kind}")
    known = [_reasoned(silent.diagnosis, silent.because) for _, silent in silences if silent.diagnosis is not None]
    diagnosis = max(known, key=lambda one: (one.blames is not None, one.confidence), default=None)
    return Silent("; ".join(f"{family}: {silent.because}" for family, silent in silences), diagnosis)


def _reasoned(diagnosis: Diagnosis, because: str) -> Diagnosis:
    """The diagnosis, with why nothing is proposed with it."""
    return msgspec.structs.replace(diagnosis, because=because)


def failed_before(proposal: Proposal, rounds: Sequence[Round]) -> bool:
    """Whether a round of this incident has proved the same action no better."""
    return any(
        entry.proposal is not None
        and entry.proposal.action == proposal.action
        and entry.verification is not None
        and entry.verification.result is Result.NO_BETTER
        for entry in rounds
    )
