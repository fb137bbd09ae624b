"""What programs have written on the volumes of claims, and what room a volume has left for more. MiB.

What is written stays on its volume, whichever container or pod comes next and on whichever node, for as long as the
volume is that volume (its uid). How large the file system on it is, its claim's ``status.capacity`` says: a claim
that has grown is seen by the next start. What several write at once is added up when they end.
"""

from dataclasses import dataclass, field
from typing import Any

from simulator.api_client import ApiClient
from simulator.informer import Object
from simulator.quantities import MEBIBYTE, to_bytes
from simulator.storage.kinds import CLAIMS, VOLUMES

_FILE = 16.0  # how much stands in one of a program's files


@dataclass(frozen=True)
class Room:
    """A volume as a program finds it when it starts: what it ``held`` then, and can hold."""

    volume: str
    held: float
    capacity: float

    @property
    def left(self) -> float:
        """What can still be written."""
        return max(0.0, self.capacity - self.held)

    def refusal(self, path: str) -> str:
        """What a program says that finds no more room below ``path``, in Go's words for ENOSPC."""
        return f"{{time}} ERROR write {path.rstrip('/')}/{int(self.capacity // _FILE):04d}: no space left on device"


@dataclass
class Contents:
    """How much stands on each volume, by its uid. One for all nodes: a volume takes along what is on it."""

    _held: dict[str, float] = field(default_factory=dict)

    async def room(self, client: ApiClient, pod: Object, container: dict[str, Any], path: str) -> Room | None:
        """The claim's volume that the container writes to under a path; None where it is on none. Raises ApiError."""
        name = _claim_of(pod, nearest_mount(container, path))
        if not name:
            return None
        claim = await client.get(CLAIMS, name, pod["metadata"]["namespace"])
        volume = await client.get(VOLUMES, claim["spec"]["volumeName"])
        uid = str(volume["metadata"]["uid"])
        capacity = to_bytes((claim["status"].get("capacity") or {}).get("storage", 0)) / MEBIBYTE
        return Room(uid, self._held.get(uid, 0.0), capacity)

    def wrote(self, room: Room, amount: float) -> None:
        """Take down what a program has written to it."""
        self._held[room.volume] = self._held.get(room.volume, 0.0) + amount


def nearest_mount(container: dict[str, Any], path: str) -> str | None:
    """The name of the volume that a path of the container is on; None for its own file system."""
    below = f"{path.rstrip('/')}/"
    mounts = [
        item for item in container.get("volumeMounts") or () if below.startswith(f"{item['mountPath'].rstrip('/')}/")
    ]
    nearest = max(mounts, key=lambda item: len(item["mountPath"]), default=None)
    return nearest["name"] if nearest else None


def _claim_of(pod: Object, volume: str | None) -> str:
    """The name of the claim behind a volume of the pod; empty where there is none."""
    found: dict[str, Any] = next((item for item in pod["spec"].get("volumes") or () if item["name"] == volume), {})
    if "ephemeral" in found:
        return f"{pod['metadata']['name']}-{volume}"
    return str((found.get("persistentVolumeClaim") or {}).get("claimName", ""))
