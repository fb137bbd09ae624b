"""The index of images that the sweep keeps in the store, so that an incident costs no list of all pods.

The index carries a mark, because "there is no such image here" and "nobody has looked yet" are different answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from incidents.images import parse_image
from incidents.objects import ClusterId
from tools.store import Store

_MARK = "*"  # no repository is called that


class ImageIndex:
    """What the last sweep saw of one cluster's images."""

    def __init__(self, store: Store, cluster: ClusterId) -> None:
        self._store = store
        self._cluster = cluster

    async def of(self, repository: str) -> list[str] | None:
        """The images of one repository; None while no sweep has looked. Raises ImageReferenceError."""
        wanted = parse_image(repository)
        found = await self._store.images(self._cluster, f"{wanted.registry}/{wanted.repository}")
        if not found and not await self._store.images(self._cluster, _MARK):
            return None
        return sorted({str(parse_image(image)) for image in found})


def with_mark(images: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """An index as it is recorded."""
    return {**images, _MARK: (_MARK,)}
