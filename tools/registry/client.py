"""Which tags a repository has, and what an image says of itself: the two questions this program asks a registry.

Read-only and anonymous. A list that is longer than the settings allow is an error rather than the beginning of a list,
because whoever asks wants to conclude that a tag does **not** exist. Tags are text from outside: what could not stand
in an image reference is dropped.
"""

import asyncio
import re
from collections.abc import Awaitable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

from incidents.images import ImageReference, ImageReferenceError, is_tag, parse_image
from tools.registry.addresses import LookUp, system_look_up
from tools.registry.challenge import anonymous_token
from tools.registry.errors import RegistryError, RegistryNotAllowed, RepositoryNotFound
from tools.registry.settings import Registry, RegistrySettings
from tools.registry.transport import Reply, Transport, same_origin
from tools.scrub import one_line

_PAGE = 1_000
T = TypeVar("T")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_MANIFESTS = ", ".join(
    (
        *(f"application/vnd.oci.image.{kind}.v1+json" for kind in ("manifest", "index", "config")),
        *(f"application/vnd.docker.distribution.manifest.{kind}v2+json" for kind in ("", "list.")),
        "application/json",
    )
)
_NEXT = re.compile(r'<([^<>\s]{1,2048})>\s*;\s*rel="?next"?', re.IGNORECASE)


class RegistryClient:
    """Lists tags and reads image configs; an async context manager that owns its connections."""

    def __init__(self, settings: RegistrySettings | None = None, *, look_up: LookUp = system_look_up) -> None:
        self._settings = settings or RegistrySettings()
        self._transport = Transport(self._settings, look_up)

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.__aexit__(kind, error, trace)

    async def tags(self, image: ImageReference | str) -> list[str]:
        """Every tag of the image's repository, in the registry's order; the image's own tag does not matter.

        Raises RegistryNotAllowed before anything is connected to if the registry is not in the settings,
        RepositoryNotFound if the registry says there is none, RegistryError for everything else.
        """
        reference = _parsed(image)
        registry = self._allowed(reference)
        return await self._within(registry, self._listed(registry, reference.repository), "list its tags")

    async def config(self, image: ImageReference | str) -> Mapping[str, Any]:
        """What an image says of itself: the OCI image config, as built for linux/amd64 where there are several.

        Raises what ``tags`` raises.
        """
        reference = _parsed(image)
        registry = self._allowed(reference)
        return await self._within(registry, self._config(registry, reference), "describe the image")

    def _allowed(self, reference: ImageReference) -> Registry:
        registry = self._settings.find(reference.registry)
        if registry is None:
            raise RegistryNotAllowed(f"{reference.registry} may not be asked: add it to registries")
        return registry

    async def _within(self, registry: Registry, answer: Awaitable[T], what: str) -> T:
        """An answer within the deadline that the settings give it."""
        seconds = self._settings.deadline_seconds
        try:
            async with asyncio.timeout(seconds):
                return await answer
        except TimeoutError as error:
            raise RegistryError(f"{registry.name} did not {what} within {seconds:g} s") from error

    async def _config(self, registry: Registry, reference: ImageReference) -> Mapping[str, Any]:
        base, wanted = f"{registry.origin}/v2/{reference.repository}", reference.digest or reference.effective_tag
        manifest = await self._document(registry, reference, f"{base}/manifests/{wanted}")
        if one := _platform_of(manifest):
            manifest = await self._document(registry, reference, f"{base}/manifests/{one}")
        return await self._document(registry, reference, f"{base}/blobs/{_digest_of(manifest.get('config'))}")

    async def _document(self, registry: Registry, reference: ImageReference, url: str) -> Mapping[str, Any]:
        reply = await self._transport.get(url, accept=_MANIFESTS)
        if reply.status == 401:
            token = await anonymous_token(
                self._transport, self._settings, registry, repository=reference.repository, refusal=reply
            )
            reply = await self._transport.get(url, token=token, accept=_MANIFESTS)
        answer = _accepted(reply, registry, reference.repository)
        if not isinstance(answer, dict):
            raise RegistryError(f"{registry.name} describes {reference.repository} with something that is no document")
        return answer

    async def _listed(self, registry: Registry, repository: str) -> list[str]:
        url = f"{registry.origin}/v2/{repository}/tags/list?n={_PAGE}"
        token: str | None = None
        tags: dict[str, None] = {}
        for _ in range(self._settings.most_pages):
            reply = await self._transport.get(url, token=token)
            if reply.status == 401 and token is None:
                token = await anonymous_token(
                    self._transport, self._settings, registry, repository=repository, refusal=reply
                )
                reply = await self._transport.get(url, token=token)
            tags.update(dict.fromkeys(_tags_of(_accepted(reply, registry, repository))))
            following = _next_page(reply, repository)
            if len(tags) > self._settings.most_tags:
                break
            if following is None:
                return list(tags)
            url = following
        raise RegistryError(f"{registry.name} lists more tags of {repository} than are read")


def _platform_of(manifest: Mapping[str, Any]) -> str:
    """The digest of the manifest for linux/amd64, else of the first; empty where this is no index of several."""
    built = [one for one in manifest.get("manifests") or () if isinstance(one, dict)]
    platforms = [one.get("platform") or {} for one in built]
    fitting = [
        one
        for one, platform in zip(built, platforms, strict=True)
        if (platform.get("os"), platform.get("architecture")) == ("linux", "amd64")
    ]
    return _digest_of((fitting or built)[0]) if built else ""


def _digest_of(descriptor: Any) -> str:
    digest = descriptor.get("digest") if isinstance(descriptor, dict) else None
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise RegistryError("the registry's answer names no digest to read next")
    return digest


def _parsed(image: ImageReference | str) -> ImageReference:
    try:
        return parse_image(image) if isinstance(image, str) else image
    except ImageReferenceError as error:
        raise RegistryError(str(error)) from error


def _accepted(reply: Reply, registry: Registry, repository: str) -> Any:
    if reply.status == 200:
        return reply.json()
    if reply.status in (401, 403, 404):
        raise RepositoryNotFound(f"{registry.name} has no {repository} that may be read: status {reply.status}")
    said = one_line(reply.body[:300].decode("utf-8", "replace"), limit=120)
    raise RegistryError(f"{registry.name} answered with status {reply.status}: {said}")


def _tags_of(answer: Any) -> list[str]:
    tags = answer.get("tags") if isinstance(answer, dict) else None
    if tags is None and isinstance(answer, dict) and "tags" in answer:
        return []  # a repository without tags is listed as null by some registries
    if not isinstance(tags, list):
        raise RegistryError("the registry's answer has no list of tags")
    return [tag for tag in tags if isinstance(tag, str) and is_tag(tag)]


def _next_page(reply: Reply, repository: str) -> str | None:
    found = _NEXT.search(reply.headers.get("Link", ""))
    if found is None:
        return None
    following = same_origin(reply.url, found.group(1))
    if not urlsplit(following).path.endswith(f"/v2/{repository}/tags/list"):
        raise RegistryError("the registry's next page is not a page of this list")
    return following
