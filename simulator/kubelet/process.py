"""A container's process while it runs, as probes, neighbours, the node and the metrics API see it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from simulator.clock import SimClock
from simulator.kubelet.execution import AT_WORK, Execution
from simulator.kubelet.programs import Upstream


async def _always(_: Upstream) -> str | None:
    return None


def _nobody(_: tuple[str, ...]) -> None:
    return None


@dataclass(frozen=True)
class Process:
    """One run. ``reach`` says what is wrong with an upstream, or None; ``log`` takes the lines that it writes."""

    execution: Execution
    clock: SimClock
    started_at: float
    files: frozenset[str] = frozenset()
    reach: Callable[[Upstream], Awaitable[str | None]] = field(default=_always)
    log: Callable[[tuple[str, ...]], None] = field(default=_nobody)
    _told: dict[Upstream, str] = field(default_factory=dict)

    @property
    def age(self) -> float:
        """Simulated seconds since it started."""
        return self.clock.monotonic() - self.started_at

    @property
    def is_up(self) -> bool:
        """Whether the program has come up."""
        after = self.execution.answers_after
        return after is not None and self.age >= after

    @property
    def is_starting(self) -> bool:
        """Whether its working set still grows to its usual size."""
        return self.age < self.execution.start_seconds

    def listens(self, port: int) -> bool:
        """Whether somebody would answer at that port now."""
        return self.is_up and port in self.execution.program.ports

    @property
    def lag_seconds(self) -> float:
        """How much longer its answers take at the moment."""
        busy = self.execution.program.busy
        if busy is None or self.age % busy.every < busy.every - busy.lasts:
            return 0.0
        return busy.answer_seconds

    def takes(self, seconds: float) -> float:
        """How long an answer takes at the moment that takes so long when nothing is special."""
        return (seconds + self.lag_seconds) * self.execution.slowed(self._at_work)

    async def lacks_upstream(self) -> bool:
        """Whether a service is away without which it calls itself not ready; the program logs each new reason."""
        for upstream in self.execution.program.needs.upstreams:
            why = await self.reach(upstream) if upstream.otherwise == "unready" else None
            if why is None:
                self._told.pop(upstream, None)
                continue
            if self._told.get(upstream) != why:
                self._told[upstream] = why
                self.log((f"{{time}} ERROR cannot reach {upstream.service}:{upstream.port}: {why}",))
            return True
        return False

    @property
    def memory_mebibytes(self) -> float:
        """Its working set."""
        return self.execution.memory_mebibytes(self.age)

    @property
    def disk_mebibytes(self) -> float:
        """What it has written."""
        return self.execution.disk_mebibytes(self.age)

    @property
    def cpu_millicores(self) -> float:
        """How much it computes; starting and being busy take ten times as much, and its limit is all it gets."""
        return self.execution.computes(self._at_work)

    @property
    def _at_work(self) -> float:
        return AT_WORK if self.is_starting or self.lag_seconds else 1.0
