"""The rule on ways back: what cannot be taken back exactly is for a person to decide."""

from __future__ import annotations

from collections.abc import Iterator

from incidents.changes import InverseKind
from incidents.objects import Manifest
from incidents.policy import Answer, Ruling
from incidents.proposals import Proposal, RollBack
from incidents.snapshot import Snapshot
from remediation.guardrails.view import View


def inverse_of(proposal: Proposal) -> InverseKind:
    """How far the action of a proposal can be taken back."""
    match proposal.action:
        case RollBack() | tuple():  # fields of one object, and what stood there before is known
            return InverseKind.EXACT


def way_back(view: View) -> Iterator[Ruling]:
    """Exact is free; compensating only where what it replaces never ran; none always asks."""
    match view.inverse:
        case InverseKind.NONE:
            yield Ruling("inverse", Answer.NEEDS_APPROVAL, "it cannot be taken back")
        case InverseKind.COMPENSATING if not view.never_ran:
            yield Ruling("inverse", Answer.NEEDS_APPROVAL, "it can be made up for, but not taken back exactly")


def never_ran(snapshot: Snapshot) -> bool:
    """Whether no container of the workload has ever been started, as its pods tell; without pods nobody knows."""
    return bool(snapshot.pods) and not any(_started(pod) for pod in snapshot.pods)


def _started(pod: Manifest) -> bool:
    status = pod.get("status", {})
    seen = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    return any(
        one.get("restartCount") or any((one.get(key) or {}).keys() & {"running", "terminated"} for key in _STATES)
        for one in seen
    )


_STATES = ("state", "lastState")
