"""One run of one container: from the moment its process starts to its end, with its hooks, probes and last words.

After pkg/kubelet/kuberuntime/kuberuntime_container.go (startContainer's hook, killContainer) in Kubernetes v1.36.
"""

import asyncio
from collections.abc import Awaitable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from simulator.clock import format_time
from simulator.kubelet.answers import Target, run_hook
from simulator.kubelet.container_probes import ProbeResults
from simulator.kubelet.container_state import ContainerState, LogLine, running, terminated
from simulator.kubelet.execution import End, Execution, Surroundings
from simulator.kubelet.pod_run import PodRun
from simulator.kubelet.process import Process
from simulator.kubelet.programs import Stop
from simulator.kubelet.signals import Signal, first_of

_KILLED_CODE = 137
_LEAST_GRACE_SECONDS = 2.0
_IGNORES_TERM = Stop(seconds=float("inf"), code=_KILLED_CODE)
_MESSAGE_BYTES = 4096
_FALLBACK_LINES, _FALLBACK_BYTES = 80, 2048


@dataclass(frozen=True)
class RunEnded:
    """How it ended; ``hook_error`` is what the postStart hook said, if that is why."""

    code: int
    hook_error: str = ""


class ContainerRun:
    """``live`` follows the process; ``kill`` and ``resized`` reach it meanwhile."""

    def __init__(self, run: PodRun, state: ContainerState, *, is_sidecar: bool) -> None:
        self.resized = Signal()
        self._run = run
        self._state = state
        self._is_sidecar = is_sidecar
        self._clock = run.node.clock
        self._tell, self._warn = run.reporter(state.field_path)
        self._kill = Signal()
        self._kill_message = ""
        self._kill_grace = run.grace_seconds
        self._hook_error = ""

    def kill(self, message: str, grace_seconds: float | None = None) -> None:
        """Ask for its end; ``message`` is the Killing event's."""
        self._kill_message = message
        self._kill_grace = self._run.grace_seconds if grace_seconds is None else grace_seconds
        self._kill.set()

    async def live(self, execution: Execution, around: Surroundings) -> RunEnded:
        """Run the process to its end."""
        process = self._begin(execution, around)
        target = Target(process, self._run.ip, self._state.spec)
        probes = ProbeResults(
            self._state,
            target,
            clock=self._clock,
            warn=self._warn,
            changed=self._run.changed,
            kill=self.kill,
            first_delay=self._run.node.notice_delay(),
        )
        beside = [probe.run() for probe in probes.probes]
        if self._post_start_handler is not None:
            beside.append(self._post_start(self._post_start_handler, target))
        try:
            end = await self._until_end_with(beside, process, target)
        finally:  # also where the pod vanishes: what is on its volumes stays
            if execution.room is not None:
                self._run.node.contents.wrote(execution.room, process.disk_mebibytes)
        self._state.process = None
        self._run.bound.pop(self._state.name, None)
        self._ended(end)
        return RunEnded(end.code, self._hook_error)

    def _begin(self, execution: Execution, around: Surroundings) -> Process:
        state = self._state
        if "terminated" in state.state:
            state.last_state = state.state
        self._started = self._clock.now()
        process = Process(
            execution, self._clock, self._clock.monotonic(), frozenset(around.files), self._run.reach, self._log
        )
        state.process = process
        if execution.answers_after is not None:
            self._run.bound[state.name] = frozenset(execution.program.ports)
        state.state = running(self._started)
        state.started = "startupProbe" not in state.spec
        state.ready = "readinessProbe" not in state.spec and state.started
        self._log(execution.logs)
        self._run.changed()
        self._tell("Started", "Container started")
        return process

    @property
    def _post_start_handler(self) -> dict[str, Any] | None:
        return (self._state.spec.get("lifecycle") or {}).get("postStart") or None

    async def _post_start(self, handler: dict[str, Any], target: Target) -> None:
        found = await run_hook(handler, target)
        await self._clock.sleep(found.seconds)
        if found.problem is None:
            return
        self._warn("FailedPostStartHook", "PostStartHook failed")
        where = f'for Container "{self._state.name}" in Pod "{self._run.display_name}" failed - error: '
        if "httpGet" in handler:
            self._hook_error = f"HTTP lifecycle hook ({handler['httpGet'].get('path', '')}) {where}{found.problem}"
        else:
            words = " ".join((handler.get("exec") or {}).get("command") or ())
            why = found.problem if found.broken else f'command exited with 1, message: "{found.problem}"'
            self._hook_error = f"Exec lifecycle hook ([{words}]) {where}{why}"
        self.kill("FailedPostStartHook")

    async def _until_end_with(self, beside: list[Coroutine[Any, Any, None]], process: Process, target: Target) -> End:
        if not beside:
            return await self._until_end(process, target)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in beside]
            end = await self._until_end(process, target)
            for task in tasks:
                task.cancel()
        return end

    async def _until_end(self, process: Process, target: Target) -> End:
        while True:
            self.resized.clear()
            end = process.execution.ends(self._state.spec)
            left = None if end is None else end.after_seconds - process.age
            happened = await self._happens_within(left)
            if self._kill.is_set() or self._stopping:
                return await self._stop(process, target)
            if end is not None and not happened:
                return end

    @property
    def _stopping(self) -> bool:
        return self._run.ending.is_set() or (self._is_sidecar and self._run.drained.is_set())

    async def _happens_within(self, seconds: float | None) -> bool:
        """Wait for something to react to, at most ``seconds`` simulated ones; False when nothing came."""
        signals = (self._kill, self._run.ending, self.resized)
        real = None if seconds is None else self._clock.real_seconds(max(0.0, seconds))
        return await first_of((*signals, self._run.drained) if self._is_sidecar else signals, seconds=real)

    async def _stop(self, process: Process, target: Target) -> End:
        """preStop hook, a sidecar's turn, SIGTERM, and SIGKILL when the grace period is over."""
        stopping = self._stopping
        self._tell("Killing", f"Stopping container {self._state.name}" if stopping else self._kill_message)
        grace = self._run.grace_seconds if stopping else self._kill_grace
        began = self._clock.monotonic()
        if grace > 0:
            await self._within(self._pre_stop(target), grace)
        if stopping and self._is_sidecar and (left := grace - (self._clock.monotonic() - began)) > 0:
            await self._within(self._run.turn(self._state.name), left)
        grace = max(_LEAST_GRACE_SECONDS, grace - (self._clock.monotonic() - began))
        stop = process.execution.program.stops if process.execution.own else _IGNORES_TERM
        await self._clock.sleep(min(grace, stop.seconds))
        code = int(stop.code) if stop.seconds <= grace else _KILLED_CODE
        return End(0.0, code, "Completed" if code == 0 else "Error")

    async def _pre_stop(self, target: Target) -> None:
        handler = (self._state.spec.get("lifecycle") or {}).get("preStop")
        if not handler:
            return
        found = await run_hook(handler, target)
        await self._clock.sleep(found.seconds)
        if found.problem is not None:
            self._warn("FailedPreStopHook", "PreStopHook failed")

    async def _within(self, activity: Awaitable[None], seconds: float) -> None:
        try:
            async with asyncio.timeout(self._clock.real_seconds(seconds)):
                await activity
        except TimeoutError:
            return

    def _ended(self, end: End) -> None:
        self._log(end.logs)
        self._state.state = terminated(
            code=end.code,
            reason=end.reason,
            started=self._started,
            finished=self._clock.now(),
            container_id=self._state.container_id,
            message=self._last_words(end),
        )
        self._state.ready = False
        self._state.started = False

    def _last_words(self, end: End) -> str:
        """terminationMessagePath's content, or the end of the log where the policy says so."""
        if end.message:
            return end.message.encode()[:_MESSAGE_BYTES].decode(errors="ignore")
        if end.code == 0 or self._state.spec.get("terminationMessagePolicy") != "FallbackToLogsOnError":
            return ""
        lines = [line.text for line in list(self._state.logs)[-_FALLBACK_LINES:]]
        return "".join(f"{line}\n" for line in lines).encode()[-_FALLBACK_BYTES:].decode(errors="ignore")

    def _log(self, lines: tuple[str, ...]) -> None:
        now: datetime = self._clock.now()
        stamped = (line.replace("{time}", format_time(now)) for line in lines)
        self._state.logs.extend(LogLine(now, line) for line in stamped)
