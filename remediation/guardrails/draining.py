"""The rule on asking pods to leave their node: a few, where the policy lets it act, and only if a person agrees."""

from __future__ import annotations

from collections.abc import Iterator

from incidents.moving import MOST
from incidents.objects import NODE
from incidents.policy import Answer, Ruling
from incidents.proposals import Drain
from remediation.guardrails.view import View

_CORDON = "/spec/unschedulable"
_SHOWN = 4


def drained(view: View) -> Iterator[Ruling]:
    """Every namespace that a pod is of counts: the node itself has none."""
    action = view.proposal.action
    if not isinstance(action, Drain):
        return
    if view.proposal.target.kind != NODE.kind or [(one.path, one.value) for one in action.edits] != [(_CORDON, True)]:
        yield Ruling(
            "drain", Answer.REFUSE, "pods are evicted from a node alone, and only while nothing new comes to it"
        )
    if not 0 < len(action.pods) <= MOST or not action.owners:
        yield Ruling("drain", Answer.REFUSE, f"between 1 and {MOST} pods are evicted, not {len(action.pods)}")
    for namespace in sorted({pod.namespace for pod in action.pods}):
        if not view.policy.covers(namespace):
            yield Ruling("namespace", Answer.REFUSE, f"namespace {namespace} is not to be touched")
    names = ", ".join(f"{pod.namespace}/{pod.name}" for pod in action.pods[:_SHOWN])
    more = f" and {len(action.pods) - _SHOWN} more" if len(action.pods) > _SHOWN else ""
    yield Ruling("drain", Answer.NEEDS_APPROVAL, f"whether {names}{more} are to leave the node is for a person to say")
