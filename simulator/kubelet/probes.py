"""Startup, readiness and liveness probes: the real periods and thresholds against what the program answers.

After pkg/kubelet/prober (worker.go, prober.go) and pkg/probe in Kubernetes v1.36.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from simulator.clock import SimClock
from simulator.kubelet.answers import Target, check

ProbeKind = Literal["Startup", "Readiness", "Liveness"]


@dataclass
class ContainerProbe:
    """One probe of one run of one container; ends with the task that runs it.

    ``report`` hears whether the threshold of success or of failure has been reached; ``failed`` hears the text
    of every single failure; ``enabled`` says whether this probe may run yet (the startup probe goes first).
    """

    kind: ProbeKind
    spec: dict[str, Any]
    target: Target
    clock: SimClock
    enabled: Callable[[], bool]
    report: Callable[[ProbeKind, bool], None]
    failed: Callable[[ProbeKind, str], None]
    trigger: asyncio.Event
    first_delay: float = 0.0

    def __post_init__(self) -> None:
        self._last: bool | None = None
        self._repeated = 0

    async def run(self) -> None:
        """Probe every period until cancelled, or at once when triggered."""
        period = float(self.spec.get("periodSeconds", 10))
        await self._tick(self.first_delay)
        while True:
            if self.target.process.age >= self.spec.get("initialDelaySeconds", 0) and self.enabled():
                await self._probe()
            await self._tick(period)

    async def _probe(self) -> None:
        found = await check(self.spec, self.target)
        await self.clock.sleep(found.seconds)
        if found.broken:
            self.failed(self.kind, f"probe errored and resulted in unknown state: {found.problem}")
            return
        result = found.problem is None
        if not result:
            self.failed(self.kind, f"probe failed: {found.problem}")
        self._repeated = self._repeated + 1 if result == self._last else 1
        self._last = result
        name, default = ("successThreshold", 1) if result else ("failureThreshold", 3)
        if self._repeated >= self.spec.get(name, default):
            self.report(self.kind, result)

    async def _tick(self, period: float) -> None:
        try:
            async with asyncio.timeout(self.clock.real_seconds(period)):
                await self.trigger.wait()
            self.trigger.clear()
        except TimeoutError:
            return
