"""Pulling images: which exist, for whom, what containerd says when one cannot be had, and what a node holds.

Messages as containerd 2 returns them through the CRI and as pkg/kubelet/images/image_manager.go in
Kubernetes v1.36 reports them.
"""

import hashlib
from dataclasses import dataclass
from urllib.parse import quote

from simulator.clock import SimClock
from simulator.kubelet.backoff import Backoff
from simulator.kubelet.catalogue import Catalogue, Program
from simulator.kubelet.image_access import Credentials, may_pull
from simulator.kubelet.image_reference import ImageReference
from simulator.kubelet.oci_image import image_digests

_PLATFORM = "linux/amd64"


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


class RegistryHosts:
    """The registries as all nodes see them: one that has an outage is away from when it is first asked."""

    def __init__(self, catalogue: Catalogue, clock: SimClock) -> None:
        self.catalogue = catalogue
        self._clock = clock
        self._asked: dict[str, float] = {}

    def is_away(self, host: str) -> bool:
        """Whether it fails to answer now."""
        seconds = self.catalogue.registry(host).outage_seconds
        now = self._clock.monotonic()
        return seconds > 0 and now - self._asked.setdefault(host, now) < seconds


class NodeImages:
    """The images that one node holds."""

    def __init__(self, hosts: RegistryHosts) -> None:
        self._hosts = hosts
        self._catalogue = hosts.catalogue
        self._present: dict[str, PulledImage] = {}
        self._access: dict[str, set[Credentials]] = {}
        self.pull_backoff = Backoff()

    def present(self, reference: ImageReference, credentials: Credentials = frozenset()) -> PulledImage | None:
        """The image if it has been pulled here before, with these credentials where it takes any."""
        image = self._present.get(str(reference))
        open_to_all = not self._catalogue.registry(reference.host).users
        return image if open_to_all or credentials in self._access.get(str(reference), ()) else None

    def find(self, reference: ImageReference, credentials: Credentials = frozenset()) -> PulledImage:
        """The image as its registry would give it; raises ``PullError``."""
        self._refuse_access(reference, credentials)
        program, tag = self._lookup(reference)
        if program is None:
            raise PullError(self._refusal(reference))
        digest = image_digests(reference.repository, tag, program).manifest
        if _PLATFORM not in program.platforms:
            raise PullError(
                f'rpc error: code = NotFound desc = failed to pull and unpack image "{reference}": '
                f"no match for platform in manifest {digest}: not found"
            )
        return PulledImage(reference, program, digest)

    def keep(self, image: PulledImage, credentials: Credentials = frozenset()) -> None:
        """The pull has finished."""
        self._present[str(image.reference)] = image
        self._access.setdefault(str(image.reference), set()).add(credentials)

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

    def _refuse_access(self, reference: ImageReference, credentials: Credentials) -> None:
        host, resolving = reference.host, f"rpc error: code = Unknown desc = {_resolving(reference)}"
        if self._hosts.is_away(host):
            status = self._catalogue.registry(host).outage_status
            raise PullError(f"{resolving}: unexpected status from HEAD request to {_url(reference)}: {status}")
        if may_pull(self._catalogue.registry(host), credentials):
            return
        scope = quote(f"repository:{reference.path}:pull", safe="")
        token = f"https://{host}/token?scope={scope}&service={host}: 401 Unauthorized"
        kind = "oauth" if credentials else "anonymous"
        raise PullError(
            f"{resolving}: failed to authorize: failed to fetch {kind} token: unexpected status from "
            f"GET request to {token}"
        )

    def _refusal(self, reference: ImageReference) -> str:
        resolving = _resolving(reference)
        if not self._catalogue.knows_host(reference.host):
            return (
                f'rpc error: code = Unknown desc = {resolving}: failed to do request: Head "{_url(reference)}": '
                f"dial tcp: lookup {reference.host.partition(':')[0]}: no such host"
            )
        if reference.host == "docker.io" and not self._catalogue.tags(reference.repository):
            return (
                f"rpc error: code = Unknown desc = {resolving}: pull access denied, repository does not exist "
                "or may require authorization: server message: insufficient_scope: authorization failed"
            )
        return f"rpc error: code = NotFound desc = {resolving}: {reference}: not found"


def _resolving(reference: ImageReference) -> str:
    return f'failed to pull and unpack image "{reference}": failed to resolve reference "{reference}"'


def _url(reference: ImageReference) -> str:
    return f"https://{reference.host}/v2/{reference.path}/manifests/{reference.digest or reference.tag}"


def container_id(*parts: object) -> str:
    """A stable, plausible containerd id."""
    text = "/".join(str(part) for part in parts)
    return f"containerd://{hashlib.sha256(text.encode()).hexdigest()}"
