"""Probes and lifecycle hooks: what they do, and the numbers beside it (`pkg/apis/core/validation`, Kubernetes
v1.36).
"""

from collections.abc import Iterator

from simulator.apiserver.field_errors import (
    FieldError,
    forbidden_field,
    invalid_value,
    required,
)
from simulator.apiserver.objects import Object, items_at
from simulator.apiserver.strategies.forms import fits, header_problems, number_at_least, one_of, port_number_or_name

PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")
_NUMBERS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")


def probes_and_hooks(container: Object, where: str, *, grace_seconds: int) -> Iterator[FieldError]:
    """Complaints about a container that stays; `grace_seconds` is what the pod has for stopping."""
    hooks = container.get("lifecycle") or {}
    for name in ("postStart", "preStop"):
        if hooks.get(name) is not None:
            yield from _handler(hooks[name], f"{where}.lifecycle.{name}", grace_seconds)
    for name in PROBES:
        if container.get(name) is not None:
            yield from _probe(container[name], f"{where}.{name}", grace_seconds)
            yield from _only_of(name, container[name], f"{where}.{name}")


def _probe(probe: Object, where: str, grace_seconds: int) -> Iterator[FieldError]:
    yield from _handler(probe, where, grace_seconds)
    yield from number_at_least(0, probe, where, *_NUMBERS)
    own = probe.get("terminationGracePeriodSeconds")
    if own is not None and own <= 0:
        yield invalid_value(f"{where}.terminationGracePeriodSeconds", own, "must be greater than 0")


def _only_of(name: str, probe: Object, where: str) -> Iterator[FieldError]:
    """What is asked of one kind of probe."""
    if name == "readinessProbe":
        own = probe.get("terminationGracePeriodSeconds")
        if own is not None:
            yield invalid_value(f"{where}.terminationGracePeriodSeconds", own, "must not be set for readinessProbes")
    elif probe.get("successThreshold", 1) != 1:
        yield invalid_value(f"{where}.successThreshold", probe["successThreshold"], "must be 1")


def _handler(handler: Object, where: str, grace_seconds: int) -> Iterator[FieldError]:
    stated = [one for one in _HANDLERS if handler.get(one) is not None]
    if not stated:
        yield required(where, "must specify a handler type")
        return
    kind, what = stated[0], handler[stated[0]]
    here = f"{where}.{kind}"
    if kind == "exec" and not what.get("command"):
        yield required(f"{here}.command")
    elif kind == "httpGet":
        yield from _http_get(what, here)
    elif kind in ("tcpSocket", "grpc"):
        yield from port_number_or_name(what.get("port"), f"{here}.port")
    elif kind == "sleep" and not 0 <= (what.get("seconds") or 0) <= grace_seconds:
        detail = f"must be non-negative and less than terminationGracePeriodSeconds ({grace_seconds})"
        yield invalid_value(here, what.get("seconds") or 0, detail)
    yield from (forbidden_field(f"{where}.{one}", "may not specify more than 1 handler type") for one in stated[1:])


def _http_get(get: Object, where: str) -> Iterator[FieldError]:
    yield from port_number_or_name(get.get("port"), f"{where}.port")
    yield from one_of(get.get("scheme"), f"{where}.scheme", ("HTTP", "HTTPS"))
    for header in items_at(get, "httpHeaders"):
        yield from fits(header.get("name") or "", f"{where}.httpHeaders", header_problems)
