"""Which tags a repository has: the one question this program asks a registry.

Read-only and anonymous. A list that is longer than the settings allow is an error rather than the beginning of a list,
because whoever asks wants to conclude that a tag does **not** exist. Tags are text from outside: what could not stand
in an image reference is dropped.
"""

import asyncio
import re
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from incidents.images import ImageReference, ImageReferenceError, is_tag, parse_image
from tools.registry.addresses import LookUp, system_look_up
from tools.registry.challenge import anonymous_token
from tools.registry.errors import RegistryError, RegistryNotAllowed, RepositoryNotFound
from tools.registry.settings import Registry, RegistrySettings
from tools.registry.transport import Reply, Transport, same_origin
from tools.scrub import one_line

_PAGE = 1_000
_NEXT = re.compile(r'<([^<>\s]{1,2048})>\s*;\s*rel="?next"?', re.IGNORECASE)


class RegistryClient:
    """Lists tags; an async context manager that owns its connections."""

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
        registry = self._settings.find(reference.registry)
        if registry is None:
            raise RegistryNotAllowed(f"{reference.registry} may not be asked: add it to registries")
        try:
            async with asyncio.timeout(self._settings.deadline_seconds):
                return await self._listed(registry, reference.repository)
        except TimeoutError as error:
            seconds = self._settings.deadline_seconds
            raise RegistryError(f"{registry.name} did not list its tags within {seconds:g} s") from error

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
