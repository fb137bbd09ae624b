"""The probes of one run of one container, and what their results mean for it."""

import asyncio
from collections.abc import Callable
from functools import partial

from simulator.clock import SimClock
from simulator.kubelet.answers import Target
from simulator.kubelet.container_state import ContainerState
from simulator.kubelet.probes import ContainerProbe, ProbeKind

_FIELDS: tuple[tuple[ProbeKind, str], ...] = (
    ("Startup", "startupProbe"),
    ("Readiness", "readinessProbe"),
    ("Liveness", "livenessProbe"),
)


class ProbeResults:
    """Turns results into ``ready``, ``started`` and the wish to kill the container.

    ``kill`` is called with the Killing event's message and the probe's own grace period, if it has one;
    ``first_delay`` is how long the kubelet takes to notice that the container runs.
    """

    def __init__(
        self,
        state: ContainerState,
        target: Target,
        *,
        clock: SimClock,
        warn: Callable[[str, str], None],
        changed: Callable[[], None],
        kill: Callable[[str, float | None], None],
        first_delay: float,
    ) -> None:
        self._state = state
        self._warn = warn
        self._changed = changed
        self._kill = kill
        self._on_hold = False
        self.probes = [
            ContainerProbe(
                kind,
                state.spec[name],
                target,
                clock,
                enabled=partial(self._enabled, kind),
                report=self._report,
                failed=self._failed,
                trigger=asyncio.Event(),
                first_delay=first_delay,
            )
            for kind, name in _FIELDS
            if state.spec.get(name)
        ]

    def _enabled(self, kind: ProbeKind) -> bool:
        if not self._state.is_running or (self._on_hold and kind != "Readiness"):
            return False
        return (kind == "Startup") != bool(self._state.started)

    def _failed(self, kind: ProbeKind, problem: str) -> None:
        self._warn("Unhealthy", f"{kind} {problem}")

    def _report(self, kind: ProbeKind, success: bool) -> None:
        if kind == "Readiness":
            self._set_ready(success)
        elif kind == "Startup" and success:
            self._state.started = True
            self._set_ready("readinessProbe" not in self._state.spec)
            self._changed()
            for probe in self.probes:
                if probe.kind != "Startup":
                    probe.trigger.set()
        elif not success:
            self._on_hold = True
            grace = self._state.spec[f"{kind.lower()}Probe"].get("terminationGracePeriodSeconds")
            word = f"Container {self._state.name} failed {kind.lower()} probe, will be restarted"
            self._kill(word, None if grace is None else float(grace))

    def _set_ready(self, ready: bool) -> None:
        if self._state.ready != ready:
            self._state.ready = ready
            self._changed()
