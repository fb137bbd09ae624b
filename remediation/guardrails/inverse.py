"""The rule on ways back: what cannot be taken back exactly is for a person to decide."""

from __future__ import annotations

from collections.abc import Iterator

from incidents.changes import InverseKind
from incidents.objects import CLAIM, JOB, Manifest
from incidents.policy import Answer, Ruling
from incidents.proposals import Create, Drain, Proposal, Recreate, RollBack
from incidents.snapshot import Snapshot
from remediation.anew import holds
from remediation.guardrails.view import View


def inverse_of(proposal: Proposal) -> InverseKind:
    """How far the action of a proposal can be taken back."""
    match proposal.action:
        case tuple() if _grows_a_claim(proposal):  # the API server refuses to make one smaller again
            return InverseKind.NONE
        case RollBack() | tuple():  # fields of one object, and what stood there before is known
            return InverseKind.EXACT
        case Recreate() | Create() | Drain():  # another object, equal in all that its author wrote
            return InverseKind.COMPENSATING


def _grows_a_claim(proposal: Proposal) -> bool:
    """Whether a claim that is there is to ask for another size (pkg/apis/core/validation: it may only grow)."""
    return proposal.target.kind == CLAIM.kind and any(
        edit.path.startswith("/spec/resources") for edit in proposal.edits
    )


def way_back(view: View) -> Iterator[Ruling]:
    """Exact is free; compensating only where what it replaces never ran; none always asks."""
    match view.inverse:
        case InverseKind.NONE:
            yield Ruling("inverse", Answer.NEEDS_APPROVAL, "it cannot be taken back")
        case InverseKind.COMPENSATING if not view.never_ran:
            yield Ruling("inverse", Answer.NEEDS_APPROVAL, "it can be made up for, but not taken back exactly")


def never_ran(snapshot: Snapshot, live: Manifest | None = None) -> bool:
    """Whether no container of the workload has ever been started, as its pods tell; without pods nobody knows.

    ``live``: the object to be changed, where it is not the workload itself: a claim never ran while it has no volume.
    """
    live = snapshot.workload if live is None else live
    if live.get("kind") == CLAIM.kind:
        return not holds(live)
    if live["metadata"]["uid"] != snapshot.workload["metadata"]["uid"]:
        return False
    status = live.get("status") or {}
    if live.get("kind") == JOB.kind and (status.get("failed") or status.get("succeeded")):
        return False  # some of its pods may be gone by now
    return bool(snapshot.pods) and not any(_started(pod) for pod in snapshot.pods)


def _started(pod: Manifest) -> bool:
    status = pod.get("status", {})
    seen = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    return any(
        one.get("restartCount") or any((one.get(key) or {}).keys() & {"running", "terminated"} for key in _STATES)
        for one in seen
    )


_STATES = ("state", "lastState")
