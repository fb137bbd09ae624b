"""Pulling images: which exist, what containerd says when one does not, and the back-off between tries.

Messages as containerd 2 returns them through the CRI and as pkg/kubelet/images/image_manager.go in
Kubernetes v1.36 reports them.
"""

import hashlib
from dataclasses import dataclass

from simulator.kubelet.backoff import Backoff
from simulator.kubelet.catalogue import Catalogue, Program
from simulator.kubelet.image_reference import ImageReference
from simulator.kubelet.oci_image import image_digests


class PullError(Exception):
    """The runtime could not pull; the text is what the kubelet puts into its event."""


@dataclass(frozen=True)
class PulledImage:
    """An image on a node."""

    reference: ImageReference
    program: Program
    digest: str

    @property
    def image_id(self) -> str:
        """As containerStatuses[].imageID shows it."""
        return f"{self.reference.repository}@{self.digest}"


class NodeImages:
    """The images that one node holds."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._present: dict[str, PulledImage] = {}
        self.pull_backoff = Backoff()

    def present(self, reference: ImageReference) -> PulledImage | None:
        """The image if it has been pulled here before."""
        return self._present.get(str(reference))

    def find(self, reference: ImageReference) -> PulledImage:
        """The image as its registry would give it; raises ``PullError``."""
        program, tag = self._lookup(reference)
        if program is None:
            raise PullError(self._refusal(reference))
        digest = image_digests(reference.repository, tag, program).manifest
        return PulledImage(reference, program, digest)

    def keep(self, image: PulledImage) -> None:
        """The pull has finished."""
        self._present[str(image.reference)] = image

    def listed(self) -> list[dict[str, object]]:
        """Node.status.images, largest first."""
        items: list[dict[str, object]] = [
            {"names": [image.image_id, str(image.reference)], "sizeBytes": image.program.size_bytes}
            for image in sorted(self._present.values(), key=lambda image: -image.program.size_bytes)
        ]
        return items[:50]

    def _lookup(self, reference: ImageReference) -> tuple[Program | None, str]:
        repository = reference.repository
        if reference.digest is None:
            return self._catalogue.program(repository, reference.tag), reference.tag
        for tag in self._catalogue.tags(repository):
            program = self._catalogue.program(repository, tag)
            if program and image_digests(repository, tag, program).manifest == reference.digest:
                return program, tag
        return None, reference.tag

    def _refusal(self, reference: ImageReference) -> str:
        full = str(reference)
        resolving = f'failed to pull and unpack image "{full}": failed to resolve reference "{full}"'
        if not self._catalogue.knows_host(reference.host):
            url = f"https://{reference.host}/v2/{reference.path}/manifests/{reference.digest or reference.tag}"
            return (
                f'rpc error: code = Unknown desc = {resolving}: failed to do request: Head "{url}": '
                f"dial tcp: lookup {reference.host.partition(':')[0]}: no such host"
            )
        if reference.host == "docker.io" and not self._catalogue.tags(reference.repository):
            return (
                f"rpc error: code = Unknown desc = {resolving}: pull access denied, repository does not exist "
                "or may require authorization: server message: insufficient_scope: authorization failed"
            )
        return f"rpc error: code = NotFound desc = {resolving}: {full}: not found"


def container_id(*parts: object) -> str:
    """A stable, plausible containerd id."""
    text = "/".join(str(part) for part in parts)
    return f"containerd://{hashlib.sha256(text.encode()).hexdigest()}"
