"""Image references as container runtimes read them (distribution/reference), with Docker Hub's defaults."""

import re
from dataclasses import dataclass
from typing import Self

_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_HOST = r"(?:localhost|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+(?::\d+)?|[A-Za-z0-9-]+:\d+|localhost:\d+)"
_REFERENCE = re.compile(
    rf"(?:(?P<host>{_HOST})/)?(?P<path>{_COMPONENT}(?:/{_COMPONENT})*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>[A-Za-z][A-Za-z0-9+._-]*:[0-9a-fA-F]{32,}))?",
    re.ASCII,
)


class InvalidReferenceError(ValueError):
    """The text is no image reference."""


@dataclass(frozen=True)
class ImageReference:
    """Host, path and tag or digest, with nothing left implicit."""

    host: str
    path: str
    tag: str
    digest: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a reference; ``nginx`` means ``docker.io/library/nginx:latest``.

        Raises ``InvalidReferenceError``.
        """
        found = _REFERENCE.fullmatch(text)
        if found is None:
            raise InvalidReferenceError(f'couldn\'t parse image name "{text}": invalid reference format')
        host, path = found["host"] or "docker.io", found["path"]
        if host == "docker.io" and "/" not in path:
            path = f"library/{path}"
        return cls(host, path, found["tag"] or "latest", found["digest"])

    @property
    def repository(self) -> str:
        """Host and path."""
        return f"{self.host}/{self.path}"

    def __str__(self) -> str:
        return f"{self.repository}@{self.digest}" if self.digest else f"{self.repository}:{self.tag}"
