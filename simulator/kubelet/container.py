"""One container from pull to end, again and again: the steps of the kubelet's startContainer and after.

``run`` returns when the container will not be started again: its restart policy says so, or the pod ends.
Order and words after pkg/kubelet/kuberuntime (kuberuntime_manager.go, kuberuntime_container.go) in v1.36.
"""

from datetime import datetime
from typing import Any, Literal

from simulator.api_client import ApiError
from simulator.event_recorder import reference_to
from simulator.informer import Object
from simulator.kubelet.container_run import ContainerRun, RunEnded
from simulator.kubelet.container_state import ContainerState, terminated
from simulator.kubelet.execution import Execution, StartError, Surroundings, plan
from simulator.kubelet.image_pull import ImagePull, ImageUnavailable
from simulator.kubelet.images import PulledImage, container_id
from simulator.kubelet.pod_run import PodRun
from simulator.kubelet.references import ConfigError
from simulator.kubelet.restarts import restarts_after
from simulator.kubelet.users import refuse_user

Role = Literal["init", "sidecar", "regular"]
Created = tuple[Execution, Surroundings, PulledImage]


class ContainerWorker:
    """Runs one container of one pod. An init container must succeed once; a sidecar ends with the others."""

    def __init__(self, run: PodRun, state: ContainerState, *, role: Role = "regular") -> None:
        self.state = state
        self._run = run
        self._role = role
        self._clock = run.node.clock
        self._tell, self._warn = run.reporter(state.field_path)
        self._current: ContainerRun | None = None
        self._prepare_pull()

    def _prepare_pull(self) -> None:
        reference = reference_to(self._run.pod, field_path=self.state.field_path)
        self._pull = ImagePull(self._run.node, self._run.pod, self.state.spec, reference)

    async def run(self) -> None:
        """Start it and restart it until it is done or the pod ends."""
        try:
            while not self._stopping:
                finished_at = await self._run_once()
                if finished_at is None or self._is_done() or not await self._back_off(finished_at):
                    return
        finally:
            if self.state.name in self._run.ended:
                self._run.ended[self.state.name].set()

    def redefine(self, spec: dict[str, Any], *, restart: bool) -> None:
        """The container's spec has changed in place: other resources, or (``restart``) another image."""
        self.state.spec = spec
        self._prepare_pull()
        if self._current is not None:
            if restart:
                self._current.kill(f"Container {self.state.name} definition changed, will be restarted")
            self._current.resized.set()

    @property
    def _stopping(self) -> bool:
        return self._run.ending.is_set() or (self._role == "sidecar" and self._run.drained.is_set())

    async def _run_once(self) -> float | None:
        """Start it and follow it to its end; the simulated moment of that, None when the pod ends first."""
        try:
            created = await self._start()
        except StartError as error:
            return await self._fail_to_start(str(error))
        if created is None:
            return None
        execution, around, image = created
        self._tell("Created", "Container created")
        self._count_run()
        self.state.image_id = image.image_id
        self._current = ContainerRun(self._run, self.state, is_sidecar=self._role == "sidecar")
        ended: RunEnded = await self._current.live(execution, around)
        self._current = None
        self.state.ready = self._role == "init" and ended.code == 0
        if ended.hook_error and not self._stopping:
            self.state.waiting("PostStartHookError", ended.hook_error)
        self._run.changed()
        return self._clock.monotonic()

    def _is_done(self) -> bool:
        ended = self.state.terminated or self.state.last_state.get("terminated")
        if ended is None or self._stopping:
            return self._stopping
        if self._role == "sidecar":
            return False
        if self._role == "init" and ended["exitCode"] == 0:
            return True
        return not restarts_after(self.state.spec, self._run.restart_policy, int(ended["exitCode"]))

    async def _start(self) -> Created | None:
        """Try until the container can be created; None when the pod ends first. Raises ``StartError``."""
        first_failure = True
        while not self._stopping:
            try:
                image = await self._pull.ensure(await self._run.credentials(self.state.spec["image"]))
                return await self._configure(image)
            except ImageUnavailable as error:
                self._warn("Failed", f"Error: {error.reason}")
                self._wait(error.reason, error.message)
                pause = 1.0 if error.reason == "ErrImagePull" and first_failure else self._run.node.sync_pause()
            except ConfigError as error:
                self._warn("Failed", f"Error: {error}")
                self._wait(error.reason, str(error))
                pause = self._run.node.sync_pause()
            except ApiError:
                pause = 1.0
            first_failure = False
            if await self._run.pause(pause):
                return None
        return None

    async def _configure(self, image: PulledImage) -> Created:
        refuse_user(self._run.pod, self.state.spec, image.program.user)
        around = await self._run.surroundings(self.state.spec, image.program)
        if not image.program.entrypoint and not self.state.spec.get("command"):
            text = (
                f'failed to generate container "{self.state.name}" spec: failed to generate spec: no command specified'
            )
            raise ConfigError(text, reason="CreateContainerError")
        try:
            return plan(image.program, self.state.spec, around), around, image
        except StartError:
            self._tell("Created", "Container created")
            self.state.image_id = image.image_id
            raise

    async def _fail_to_start(self, message: str) -> float:
        """The runtime could not start it: shown as RunContainerError, then handled as an exit."""
        now = self._clock.now()
        self._warn("Failed", f"Error: {message}")
        self._count_run()
        self.state.state = terminated(
            code=StartError.code,
            reason="StartError",
            started=datetime.fromtimestamp(0, tz=now.tzinfo),
            finished=now,
            container_id=self.state.container_id,
            message=message,
        )
        finished_at = self._clock.monotonic()
        if self._role == "sidecar" or restarts_after(self.state.spec, self._run.restart_policy, StartError.code):
            self.state.waiting("RunContainerError", message)
        self._run.changed()
        await self._run.pause(1.0)
        return finished_at

    async def _back_off(self, finished_at: float) -> bool:
        """Wait out the crash loop's back-off; False when the pod ends meanwhile."""
        backoff, key = self._run.crash_backoff, self.state.name
        if await self._run.pause(self._run.node.notice_delay()):
            return False
        while backoff.is_active(key, since=finished_at, now=self._clock.monotonic()):
            seconds = backoff.seconds(key)
            where = f"container={self.state.name} pod={self._run.display_name}"
            text = f"Back-off restarting failed container {self.state.name} in pod {self._run.display_name}"
            self._warn("BackOff", text)
            self._wait("CrashLoopBackOff", f"back-off {_go_duration(seconds)} restarting failed {where}")
            left = finished_at + seconds - self._clock.monotonic()
            if await self._run.pause(min(left, self._run.node.sync_pause())):
                return False
        backoff.next(key, event_at=finished_at, now=self._clock.monotonic())
        return True

    def _wait(self, reason: str, message: str) -> None:
        if self.state.waiting(reason, message):
            self._run.changed()

    def _count_run(self) -> None:
        state = self.state
        if state.container_id:
            state.previous_logs = state.logs
            state.logs = type(state.logs)(maxlen=state.logs.maxlen)
            state.restart_count += 1
        state.container_id = container_id(self._run.pod["metadata"]["uid"], state.name, state.restart_count)


def _go_duration(seconds: float) -> str:
    """Whole seconds as Go's time.Duration prints them: 10s, 1m20s, 5m0s."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def role_of(container: dict[str, Any]) -> Role:
    """Of a container in initContainers: one that is always restarted is a sidecar."""
    return "sidecar" if container.get("restartPolicy") == "Always" else "init"


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
