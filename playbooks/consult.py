"""Asking every playbook, and choosing between those that are certain."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from incidents.evidence import Evidence
from incidents.incident import Result, Round
from incidents.objects import DEPLOYMENT
from incidents.proposals import Needs, Opinion, Proposal, Silent
from playbooks import crash_after_rollout, image_reference, out_of_memory

Playbook = Callable[[Evidence, Sequence[Round]], Silent | Needs | Opinion]

FAMILIES: Mapping[str, Playbook] = {
    image_reference.FAMILY: image_reference.consider,
    out_of_memory.FAMILY: out_of_memory.consider,
    crash_after_rollout.FAMILY: crash_after_rollout.consider,
}


def consult(evidence: Evidence, rounds: Sequence[Round]) -> Silent | Needs | Opinion:
    """The most confident opinion; else everything that is still wanted; else silence and every reason for it.

    An equal to a proposal that a round has proved no better counts as silence, whichever playbook makes it.
    """
    if evidence.subject.kind != DEPLOYMENT.kind:
        return Silent(f"no playbook knows how to change a {evidence.subject.kind}")
    if evidence.subject.manager:
        return Silent(f"{evidence.subject.manager} manages it and would put a change back")
    if evidence.snapshot.workload.get("spec", {}).get("paused"):
        return Silent("its rollout is paused: somebody is at work on it")
    opinions: list[Opinion] = []
    wants: dict[str, Needs] = {}
    reasons: list[str] = []
    for family, playbook in FAMILIES.items():
        match playbook(evidence, rounds):
            case Opinion() as opinion if failed_before(opinion.proposal, rounds):
                reasons.append(f"{family}: its proposal was tried and was no better")
            case Opinion() as opinion:
                opinions.append(opinion)
            case Needs() as needs:
                wants[family] = needs
            case Silent(because=because):
                reasons.append(f"{family}: {because}")
    if opinions:
        return max(opinions, key=lambda opinion: opinion.proposal.confidence)
    if wants:
        return Needs(tuple(want for needs in wants.values() for want in needs.wants))
    return Silent("; ".join(reasons))


def failed_before(proposal: Proposal, rounds: Sequence[Round]) -> bool:
    """Whether a round of this incident has proved the same action no better."""
    return any(
        entry.proposal is not None
        and entry.proposal.action == proposal.action
        and entry.verification is not None
        and entry.verification.result is Result.NO_BETTER
        for entry in rounds
    )
