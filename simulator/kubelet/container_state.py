"""The state of one container as its ContainerStatus shows it."""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from simulator.clock import format_time
from simulator.kubelet.process import Process

_MOST_LINES = 5000


@dataclass
class ContainerState:
    """Mutable; owned by the container's worker, read by the status writer and the log endpoint."""

    spec: dict[str, Any]
    field_path: str
    state: dict[str, Any] = field(default_factory=dict)
    last_state: dict[str, Any] = field(default_factory=dict)
    ready: bool = False
    started: bool | None = None
    restart_count: int = 0
    container_id: str = ""
    image_id: str = ""
    logs: "deque[LogLine]" = field(default_factory=lambda: deque(maxlen=_MOST_LINES))
    previous_logs: "deque[LogLine] | None" = None
    process: Process | None = None

    @property
    def name(self) -> str:
        """The container's name in the pod."""
        return str(self.spec["name"])

    @property
    def is_running(self) -> bool:
        """Whether its process runs."""
        return "running" in self.state

    @property
    def terminated(self) -> dict[str, Any] | None:
        """How it ended, if that is its present state."""
        found: dict[str, Any] | None = self.state.get("terminated")
        return found

    def waiting(self, reason: str, message: str = "") -> bool:
        """Not running, and why; True when that is news."""
        state: dict[str, Any] = {"waiting": {"reason": reason}}
        if message:
            state["waiting"]["message"] = message
        if self.state == state:
            return False
        if "terminated" in self.state:
            self.last_state = self.state
        self.state, self.ready, self.started = state, False, False
        return True

    def status(self) -> dict[str, Any]:
        """The ContainerStatus."""
        status: dict[str, Any] = {
            "name": self.name,
            "state": self.state,
            "lastState": self.last_state,
            "ready": self.ready,
            "restartCount": self.restart_count,
            "image": self.spec["image"],
            "imageID": self.image_id,
        }
        if self.container_id:
            status["containerID"] = self.container_id
        if self.started is not None:
            status["started"] = self.started
        if self.container_id:  # an API server takes a resize only where these are reported, empty or not
            resources = self.spec.get("resources") or {}
            status["resources"] = resources
            if resources.get("requests"):
                status["allocatedResources"] = resources["requests"]
        return status


@dataclass(frozen=True)
class LogLine:
    """One line with its moment."""

    at: datetime
    text: str


def running(at: datetime) -> dict[str, Any]:
    """ContainerState of a process that runs since ``at``."""
    return {"running": {"startedAt": format_time(at)}}


def terminated(
    *, code: int, reason: str, started: datetime, finished: datetime, container_id: str, message: str = ""
) -> dict[str, Any]:
    """ContainerState of a process that has ended."""
    state: dict[str, Any] = {
        "exitCode": code,
        "reason": reason,
        "startedAt": format_time(started),
        "finishedAt": format_time(finished),
        "containerID": container_id,
    }
    if message:
        state["message"] = message
    return {"terminated": state}
