"""What the containers of one pod share while it lives: its objects, its clocks, and the signals of its end."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from simulator.event_recorder import reference_to
from simulator.informer import Object
from simulator.kubelet.backoff import Backoff
from simulator.kubelet.execution import Surroundings
from simulator.kubelet.filling import Room
from simulator.kubelet.image_access import Credentials, credentials_for
from simulator.kubelet.image_reference import ImageReference, InvalidReferenceError
from simulator.kubelet.node_context import NodeContext
from simulator.kubelet.programs import Program, Upstream
from simulator.kubelet.references import References, mounted_files, read_only_paths
from simulator.kubelet.signals import Signal, first_of


@dataclass
class PodRun:
    """Mutable; owned by the pod's worker. ``ending``: the whole pod is to stop; ``drained``: only sidecars are left."""

    pod: Object
    node: NodeContext
    references: References
    changed: Callable[[], None]
    ip: str = ""
    volumes: dict[str, set[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.crash_backoff = Backoff()
        self.ending = Signal()
        self.drained = Signal()
        self.grace_seconds = float(self.pod["spec"].get("terminationGracePeriodSeconds", 30))
        self.ended: dict[str, Signal] = {}
        self.bound: dict[str, frozenset[int]] = {}  # by container, the ports that it listens on

    @property
    def namespace(self) -> str:
        """Where the pod is."""
        return str(self.pod["metadata"]["namespace"])

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
        return await first_of((self.ending,), seconds=self.node.clock.real_seconds(max(0.0, seconds)))

    async def credentials(self, image: str) -> Credentials:
        """What the pod's pull secrets have for the registry of ``image``; raises ``ApiError``."""
        names = [item["name"] for item in self.pod["spec"].get("imagePullSecrets") or () if item.get("name")]
        if not names:
            return frozenset()
        found = [(name, await self.references.secret(name)) for name in names]
        missing = [name for name, secret in found if secret is None]
        if missing:
            text = f"Unable to retrieve some image pull secrets ({', '.join(missing)})"
            self.warn("FailedToRetrieveImagePullSecret", f"{text}; attempting to pull the image may not succeed.")
        try:
            host = ImageReference.parse(image).host
        except InvalidReferenceError:
            return frozenset()
        return credentials_for(host, [secret for _, secret in found if secret is not None])

    async def surroundings(self, container: dict[str, Any], program: Program) -> Surroundings:
        """What the program will find; raises ``ConfigError`` and ``ApiError``."""
        self.references.look_again()
        variables = await self.references.variables(container)
        away = [(item, await self.reach(item)) for item in program.needs.upstreams if item.otherwise == "exit"]
        return Surroundings(
            variables=variables,
            files=mounted_files(container, self.volumes),
            read_only=read_only_paths(self.pod, container, program.needs.writable),
            unreachable=tuple((item, why) for item, why in away if why is not None),
            room=await self._room(container, program),
            bound={port for name, ports in self.bound.items() if name != container["name"] for port in ports},
        )

    async def _room(self, container: dict[str, Any], program: Program) -> Room | None:
        """The claim's volume that the program writes to; None where it writes to none. Raises ``ApiError``."""
        if program.disk_per_second <= 0:
            return None
        return await self.node.contents.room(self.node.client, self.pod, container, program.disk_path)

    async def reach(self, upstream: Upstream) -> str | None:
        """What is wrong with a service that a program of this pod needs, or None."""
        return await self.node.network.reach(self.namespace, upstream.service, upstream.port)

    async def turn(self, name: str) -> None:
        """Wait until every container that has to stop before the sidecar ``name`` has stopped."""
        order = list(self.ended)
        later = order[order.index(name) + 1 :]
        for event in map(self.ended.__getitem__, later):
            await event.wait()

    def warn(self, reason: str, message: str) -> None:
        """A Warning about the whole pod."""
        self.node.recorder.warning(self.node.source, reference_to(self.pod), reason, message)

    def reporter(self, field_path: str) -> tuple[Callable[[str, str], None], Callable[[str, str], None]]:
        """Two functions of reason and message, for Normal and for Warning events about one container."""
        involved = reference_to(self.pod, field_path=field_path)
        recorder, source = self.node.recorder, self.node.source
        return partial(recorder.normal, source, involved), partial(recorder.warning, source, involved)
