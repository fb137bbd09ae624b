"""One container from pull to end, again and again: the steps of the kubelet's startContainer and after.

``run`` returns when the container will not be started again: its restart policy says so, or the pod ends.
Order and words after pkg/kubelet/kuberuntime (kuberuntime_manager.go, kuberuntime_container.go) in v1.36.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from simulator.api_client import ApiError
from simulator.clock import format_time
from simulator.event_recorder import reference_to
from simulator.informer import Object
from simulator.kubelet.backoff import Backoff
from simulator.kubelet.container_probes import ProbeResults
from simulator.kubelet.container_state import ContainerState, LogLine, running, terminated
from simulator.kubelet.execution import End, Execution, StartError, plan
from simulator.kubelet.image_pull import ImagePull, ImageUnavailable
from simulator.kubelet.images import PulledImage, container_id
from simulator.kubelet.node_context import NodeContext
from simulator.kubelet.references import ConfigError, References, mounted_files

_KILLED_CODE = 137


@dataclass
class PodRun:
    """What a pod's containers share while the pod lives."""

    pod: Object
    node: NodeContext
    references: References
    changed: Callable[[], None]
    ip: str = ""
    volumes: dict[str, set[str]] | None = None

    def __post_init__(self) -> None:
        self.crash_backoff = Backoff()
        self.ending = asyncio.Event()
        self.grace_seconds = float(self.pod["spec"].get("terminationGracePeriodSeconds", 30))

    @property
    def display_name(self) -> str:
        """As the kubelet's format.Pod writes it."""
        metadata = self.pod["metadata"]
        return f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"

    @property
    def restart_policy(self) -> str:
        """Always, OnFailure or Never."""
        return str(self.pod["spec"].get("restartPolicy", "Always"))

    async def pause(self, seconds: float) -> bool:
        """Wait simulated seconds; True when the pod's end cut it short."""
        try:
            async with asyncio.timeout(self.node.clock.real_seconds(seconds)):
                await self.ending.wait()
        except TimeoutError:
            return False
        return True


class ContainerWorker:
    """Runs one container of one pod. ``is_init``: it must succeed once, then it is done."""

    def __init__(self, run: PodRun, state: ContainerState, *, is_init: bool = False) -> None:
        self._run = run
        self._state = state
        self._is_init = is_init
        self._clock = run.node.clock
        self._kill = asyncio.Event()
        self._kill_message = ""
        self._kill_grace = run.grace_seconds
        self._reference = reference_to(run.pod, field_path=state.field_path)
        self._pull = ImagePull(run.node, run.pod, state.spec, self._reference)

    async def run(self) -> None:
        """Start it and restart it until it is done or the pod ends."""
        while not self._run.ending.is_set():
            try:
                started = await self._start()
            except StartError as error:
                finished_at = await self._fail_to_start(str(error))
            else:
                if started is None:
                    return
                finished_at = await self._live(*started)
            if self._is_done() or not await self._back_off(finished_at):
                return

    def _is_done(self) -> bool:
        ended = self._state.terminated or self._state.last_state.get("terminated")
        if ended is None or self._run.ending.is_set():
            return self._run.ending.is_set()
        if ended["exitCode"] == 0 and (self._is_init or self._run.restart_policy != "Always"):
            return True
        return self._run.restart_policy == "Never"

    async def _start(self) -> tuple[Execution, PulledImage] | None:
        """Try until the container can be created; None when the pod ends first. Raises ``StartError``."""
        first_failure = True
        while not self._run.ending.is_set():
            try:
                image = await self._pull.ensure()
                return await self._configure(image), image
            except ImageUnavailable as error:
                self._warn("Failed", f"Error: {error.reason}")
                self._wait(error.reason, error.message)
                pause = 1.0 if error.reason == "ErrImagePull" and first_failure else self._run.node.sync_pause()
            except ConfigError as error:
                self._warn("Failed", f"Error: {error}")
                self._wait("CreateContainerConfigError", str(error))
                pause = self._run.node.sync_pause()
            except ApiError:
                pause = 1.0
            first_failure = False
            if await self._run.pause(pause):
                return None
        return None

    async def _configure(self, image: PulledImage) -> Execution:
        self._run.references.look_again()
        self._refuse_root(image)
        variables = await self._run.references.variables(self._state.spec)
        files = mounted_files(self._state.spec, self._run.volumes or {})
        try:
            return plan(image.program, self._state.spec, variables=variables, files=files)
        except StartError:
            self._tell("Created", "Container created")
            self._state.image_id = image.image_id
            raise

    def _refuse_root(self, image: PulledImage) -> None:
        settings = (self._run.pod["spec"].get("securityContext") or {}) | (
            self._state.spec.get("securityContext") or {}
        )
        if not settings.get("runAsNonRoot"):
            return
        user = settings.get("runAsUser", image.program.user)
        where = f'(pod: "{self._run.display_name}", container: {self._state.name})'
        if str(user) in ("", "0", "root"):
            raise ConfigError(f"container has runAsNonRoot and image will run as root {where}")
        if not str(user).isdecimal():
            why = f"image has non-numeric user ({user}), cannot verify user is non-root"
            raise ConfigError(f"container has runAsNonRoot and {why} {where}")

    async def _fail_to_start(self, message: str) -> float:
        """The runtime could not start it: shown as RunContainerError, then handled as an exit."""
        now = self._clock.now()
        self._warn("Failed", f"Error: {message}")
        self._count_run()
        self._new_id()
        state = terminated(
            code=StartError.code,
            reason="StartError",
            started=datetime.fromtimestamp(0, tz=now.tzinfo),
            finished=now,
            container_id=self._state.container_id,
            message=message,
        )
        self._state.state = state
        finished_at = self._clock.monotonic()
        if self._run.restart_policy != "Never":
            self._state.waiting("RunContainerError", message)
        self._run.changed()
        await self._run.pause(1.0)
        return finished_at

    async def _live(self, execution: Execution, image: PulledImage) -> float:
        """Run the process to its end; the simulated moment at which it ended."""
        self._tell("Created", "Container created")
        started, started_at = self._clock.now(), self._clock.monotonic()
        self._begin(execution, image, started)
        self._tell("Started", "Container started")
        probes = ProbeResults(
            self._state,
            execution,
            pod_ip=self._run.ip,
            clock=self._clock,
            started_at=started_at,
            warn=self._warn,
            changed=self._run.changed,
            kill=self._ask_to_kill,
            first_delay=self._run.node.notice_delay(),
        )
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(probe.run()) for probe in probes.probes]
            end = await self._until_end(execution, started_at)
            for task in tasks:
                task.cancel()
        self._ended(end, started)
        return self._clock.monotonic()

    def _begin(self, execution: Execution, image: PulledImage, started: datetime) -> None:
        state = self._state
        self._count_run()
        if "terminated" in state.state:
            state.last_state = state.state
        self._kill.clear()
        self._new_id()
        state.image_id = image.image_id
        state.state = running(started)
        state.started = "startupProbe" not in state.spec
        state.ready = "readinessProbe" not in state.spec and state.started
        self._log(execution.logs)
        self._run.changed()

    async def _until_end(self, execution: Execution, started_at: float) -> End:
        end = execution.end
        left = None if end is None else end.after_seconds - (self._clock.monotonic() - started_at)
        if await self._killed_within(left):
            return await self._kill_process(execution)
        if end is None:
            raise AssertionError("a process without an end of its own is only ever killed")
        return end

    async def _killed_within(self, seconds: float | None) -> bool:
        """Wait for a kill or for the pod's end, at most ``seconds`` simulated ones; False when neither came."""
        waits = [asyncio.ensure_future(event.wait()) for event in (self._kill, self._run.ending)]
        real = None if seconds is None else self._clock.real_seconds(max(0.0, seconds))
        try:
            done, _ = await asyncio.wait(waits, timeout=real, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return bool(done)

    async def _kill_process(self, execution: Execution) -> End:
        ending = self._run.ending.is_set()
        message = f"Stopping container {self._state.name}" if ending else self._kill_message
        self._tell("Killing", message)
        grace = self._run.grace_seconds if ending else self._kill_grace
        stop = execution.program.stops
        await self._clock.sleep(min(grace, stop.seconds))
        code = stop.code if stop.seconds <= grace else _KILLED_CODE
        return End(0.0, code, "Completed" if code == 0 else "Error")

    def _ended(self, end: End, started: datetime) -> None:
        self._log(end.logs)
        self._state.state = terminated(
            code=end.code,
            reason=end.reason,
            started=started,
            finished=self._clock.now(),
            container_id=self._state.container_id,
        )
        self._state.ready = self._is_init and end.code == 0
        self._state.started = False
        self._run.changed()

    async def _back_off(self, finished_at: float) -> bool:
        """Wait out the crash loop's back-off; False when the pod ends meanwhile."""
        backoff, key = self._run.crash_backoff, self._state.name
        if await self._run.pause(self._run.node.notice_delay()):
            return False
        while backoff.is_active(key, since=finished_at, now=self._clock.monotonic()):
            seconds = backoff.seconds(key)
            where = f"container={self._state.name} pod={self._run.display_name}"
            text = f"Back-off restarting failed container {self._state.name} in pod {self._run.display_name}"
            self._warn("BackOff", text)
            self._wait("CrashLoopBackOff", f"back-off {_go_duration(seconds)} restarting failed {where}")
            left = finished_at + seconds - self._clock.monotonic()
            if await self._run.pause(min(left, self._run.node.sync_pause())):
                return False
        backoff.next(key, event_at=finished_at, now=self._clock.monotonic())
        return True

    def _ask_to_kill(self, message: str, grace_seconds: float | None) -> None:
        self._kill_message = message
        self._kill_grace = self._run.grace_seconds if grace_seconds is None else grace_seconds
        self._kill.set()

    def _wait(self, reason: str, message: str) -> None:
        if self._state.waiting(reason, message):
            self._run.changed()

    def _count_run(self) -> None:
        state = self._state
        if state.container_id:
            state.previous_logs = state.logs
            state.logs = type(state.logs)(maxlen=state.logs.maxlen)
            state.restart_count += 1

    def _new_id(self) -> None:
        uid, count = self._run.pod["metadata"]["uid"], self._state.restart_count
        self._state.container_id = container_id(uid, self._state.name, count)

    def _log(self, lines: tuple[str, ...]) -> None:
        now = self._clock.now()
        stamped = (line.replace("{time}", format_time(now)) for line in lines)
        self._state.logs.extend(LogLine(now, line) for line in stamped)

    def _tell(self, reason: str, message: str) -> None:
        self._run.node.recorder.normal(self._run.node.source, self._reference, reason, message)

    def _warn(self, reason: str, message: str) -> None:
        self._run.node.recorder.warning(self._run.node.source, self._reference, reason, message)


def _go_duration(seconds: float) -> str:
    """Whole seconds as Go's time.Duration prints them: 10s, 1m20s, 5m0s."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def initial_states(pod: Object) -> tuple[list[ContainerState], list[ContainerState]]:
    """The states of init and of regular containers before anything has happened."""

    def make(container: dict[str, Any], part: str) -> ContainerState:
        state = ContainerState(container, f"spec.{part}{{{container['name']}}}")
        has_init = bool(pod["spec"].get("initContainers"))
        state.waiting("PodInitializing" if has_init else "ContainerCreating")
        return state

    spec = pod["spec"]
    return (
        [make(item, "initContainers") for item in spec.get("initContainers") or ()],
        [make(item, "containers") for item in spec["containers"]],
    )
