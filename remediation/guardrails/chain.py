"""The two chains, in the order in which their rulings are told."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from incidents.policy import Ruling, Verdict
from remediation.guardrails import difference, request
from remediation.guardrails.view import View

Guardrail = Callable[[View], Iterator[Ruling]]

REQUEST: tuple[Guardrail, ...] = (
    request.mode,
    request.namespace,
    request.confidence,
    request.manager,
    request.terminating,
    request.paused,
    request.edited_since,
    request.foreign_change,
)
DIFFERENCE: tuple[Guardrail, ...] = (
    difference.something_happens,
    difference.pointers,
    difference.rollback,
    difference.memory,
    difference.image_repository,
    difference.nothing_weakened,
)


def before_dry_run(view: View) -> Verdict:
    """What the guardrails say of the proposal itself."""
    return Verdict(tuple(ruling for guard in REQUEST for ruling in guard(view)))


def on_difference(view: View, earlier: Verdict) -> Verdict:
    """The earlier rulings and those on the difference that the server's dry run shows."""
    return Verdict((*earlier.rulings, *(ruling for guard in DIFFERENCE for ruling in guard(view))))
