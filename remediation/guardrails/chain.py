"""The chains, in the order in which their rulings are told."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from incidents.policy import Ruling, Verdict
from remediation.guardrails import amounts, anew, difference, draining, inverse, over_time, protection, request, sources
from remediation.guardrails.view import View

Guardrail = Callable[[View], Iterator[Ruling]]

OVER_TIME: tuple[Guardrail, ...] = (
    over_time.kill_switch,
    over_time.paused_switch,
    over_time.cooldown,
    over_time.concurrency,
    over_time.hourly_cap,
    over_time.namespace_share,
    over_time.breaker,
)
REQUEST: tuple[Guardrail, ...] = (
    request.mode,
    request.namespace,
    request.confidence,
    request.model_proposal,
    request.masked,
    request.manager,
    request.terminating,
    request.paused,
    request.edited_since,
    request.foreign_change,
    inverse.way_back,
    anew.made_anew,
    anew.created,
    draining.drained,
    *OVER_TIME,
)
DIFFERENCE: tuple[Guardrail, ...] = (
    difference.something_happens,
    difference.pointers,
    anew.as_asked,
    difference.rollback,
    amounts.amounts,
    amounts.replicas,
    amounts.probe_times,
    difference.image_repository,
    difference.nothing_weakened,
    protection.security_kept,
    protection.requests_kept,
    protection.selector_kept,
    protection.probes_ask_no_less,
    sources.put_back,
    sources.drift,
    over_time.same_field,
)


def before_dry_run(view: View) -> Verdict:
    """What the guardrails say of the proposal itself."""
    return Verdict(tuple(ruling for guard in REQUEST for ruling in guard(view)))


def on_difference(view: View, earlier: Verdict) -> Verdict:
    """The earlier rulings and those on the difference that the server's dry run shows."""
    return Verdict((*earlier.rulings, *(ruling for guard in DIFFERENCE for ruling in guard(view))))


def just_before(view: View) -> Verdict:
    """The rules over time once more, with what others have done meanwhile: caps hold however many work at once."""
    return Verdict(tuple(ruling for guard in OVER_TIME for ruling in guard(view)))
