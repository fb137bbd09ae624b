"""Rules on what protects a workload: who it may be, what it may reach, and whether its probes still find something out.

A probe that asks less, and a template that was written before somebody tightened it, both end a symptom. Neither is a
repair by itself: a person decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from incidents.objects import WORKLOADS, Manifest
from incidents.pointers import parts_of
from incidents.policy import Answer, Ruling
from incidents.proposals import RollBack
from incidents.snapshot import pod_template
from remediation.guardrails.view import View

_SECURING = frozenset(
    {
        *("securityContext", "hostNetwork", "hostPID", "hostIPC", "hostUsers", "hostPath", "runtimeClassName"),
        *("serviceAccountName", "automountServiceAccountToken"),
    }
)
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_HANDLERS = ("httpGet", "tcpSocket", "grpc", "exec")

Handler = tuple[str, Any]


def security_kept(view: View) -> Iterator[Ruling]:
    """What an earlier revision ran as, or could reach, is put back only by a person who knows why it was changed."""
    if not isinstance(view.proposal.action, RollBack):
        return
    for leaf in view.diff:
        if not _SECURING.isdisjoint(parts_of(leaf.pointer)):
            yield Ruling("security", Answer.NEEDS_APPROVAL, f"{leaf.pointer} was changed with what is rolled back")


def requests_kept(view: View) -> Iterator[Ruling]:
    """No container stops saying what it needs."""
    if isinstance(view.proposal.action, RollBack):
        return
    for leaf in view.diff:
        if leaf.after is None and parts_of(leaf.pointer)[-3:-1] == ["resources", "requests"]:
            yield Ruling("requests", Answer.REFUSE, f"{leaf.pointer} would be removed")


def selector_kept(view: View) -> Iterator[Ruling]:
    """A Service asks for as many labels as before: one less would send to strangers, and who has none keeps its own."""
    if view.live.get("kind") != "Service":
        return
    for leaf in view.diff:
        if parts_of(leaf.pointer)[:2] == ["spec", "selector"] and (leaf.before is None or leaf.after is None):
            yield Ruling("selector", Answer.REFUSE, f"{leaf.pointer} would be {'added' if leaf.after else 'removed'}")


def probes_ask_no_less(view: View) -> Iterator[Ruling]:
    """A probe goes on asking in its way: another way, or another command, is one that this workload's probes know."""
    if isinstance(view.proposal.action, RollBack) or view.answer is None or view.live.get("kind") not in WORKLOADS:
        return
    before = dict(_asked(pod_template(view.live)))
    known = [handler for template in view.templates() for _, handler in _asked(template)]
    for place, handler in _asked(pod_template(view.answer)):
        now, was = handler[0], before.get(place, ("", None))[0]
        same_way = now == was and now != "exec"
        if handler != before.get(place) and not same_way and handler not in known and (was or now == "exec"):
            yield Ruling("probe", Answer.NEEDS_APPROVAL, f"the {place[1]} of container {place[0]} would ask by {now}")


def _asked(template: Manifest) -> Iterator[tuple[tuple[str, str], Handler]]:
    """Every probe by container and name, with the way in which it asks."""
    spec = template.get("spec") or {}
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        for name in _PROBES:
            for way in _HANDLERS:
                if (container.get(name) or {}).get(way) is not None:
                    yield (str(container.get("name")), name), (way, container[name][way])
