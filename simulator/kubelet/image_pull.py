"""Getting one container's image: policy, pull, back-off, and every event about it.

After EnsureImageExists in pkg/kubelet/images/image_manager.go, Kubernetes v1.36.
"""

from typing import Any

from simulator.informer import Object
from simulator.kubelet.image_access import Credentials
from simulator.kubelet.image_reference import ImageReference, InvalidReferenceError
from simulator.kubelet.images import PulledImage, PullError
from simulator.kubelet.node_context import NodeContext


class ImageUnavailable(Exception):
    """The container cannot have its image now; ``reason`` and ``message`` become its waiting state."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class ImagePull:
    """One container's way to its image; remembers the last failure for the back-off's message."""

    def __init__(self, node: NodeContext, pod: Object, container: dict[str, Any], involved: dict[str, Any]) -> None:
        self._node = node
        self._image: str = container["image"]
        self._policy = container.get("imagePullPolicy", "IfNotPresent")
        self._key = f"{pod['metadata']['uid']}_{self._image}"
        self._involved = involved
        self._last_error = ""

    async def ensure(self, credentials: Credentials) -> PulledImage:
        """The image, pulled if need be; raises ``ImageUnavailable``."""
        try:
            reference = ImageReference.parse(self._image)
        except InvalidReferenceError as error:
            message = f'Failed to apply default image tag "{self._image}": {error}'
            self._warn("InspectFailed", message)
            raise ImageUnavailable("InvalidImageName", message) from error
        present = self._node.images.present(reference, credentials)
        if present is not None and self._policy != "Always":
            text = f'Container image "{self._image}" already present on machine and can be accessed by the pod'
            self._tell("Pulled", text)
            return present
        if self._policy == "Never":
            message = f'Container image "{self._image}" is not present with pull policy of Never'
            self._warn("ErrImageNeverPull", message)
            raise ImageUnavailable("ErrImageNeverPull", message)
        return await self._pull(reference, credentials)

    async def _pull(self, reference: ImageReference, credentials: Credentials) -> PulledImage:
        backoff, clock = self._node.images.pull_backoff, self._node.clock
        if backoff.is_active_since_update(self._key, clock.monotonic()):
            message = f'Back-off pulling image "{self._image}"'
            self._tell("BackOff", message)
            raise ImageUnavailable("ImagePullBackOff", f"{message}: {self._last_error}")
        self._tell("Pulling", f'Pulling image "{self._image}"')
        try:
            image = self._node.images.find(reference, credentials)
        except PullError as error:
            await clock.sleep(0.5 + 0.5 * self._node.random.random())
            self._warn("Failed", f'Failed to pull image "{self._image}": {error}')
            now = clock.monotonic()
            backoff.next(self._key, event_at=now, now=now)
            self._last_error = f"ErrImagePull: {error}"
            raise ImageUnavailable("ErrImagePull", str(error)) from error
        await self._download(image, credentials)
        return image

    async def _download(self, image: PulledImage, credentials: Credentials) -> None:
        present = self._node.images.present(image.reference, credentials) is not None
        seconds = 0.1 if present else image.program.pull_seconds * (0.8 + 0.4 * self._node.random.random())
        await self._node.clock.sleep(seconds)
        self._node.images.keep(image, credentials)
        took = f"{seconds * 1000:.0f}ms" if seconds < 1 else f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"
        size = f"Image size: {image.program.size_bytes} bytes."
        text = f'Successfully pulled image "{self._image}" in {took} ({took} including waiting). {size}'
        self._tell("Pulled", text)

    def _tell(self, reason: str, message: str) -> None:
        self._node.recorder.normal(self._node.source, self._involved, reason, message)

    def _warn(self, reason: str, message: str) -> None:
        self._node.recorder.warning(self._node.source, self._involved, reason, message)
