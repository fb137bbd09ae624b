"""Image references, read the way the container runtimes read them.

One pure parser for everybody who compares images: playbooks that look for the tag that was meant, the
registry client that asks which tags exist. The grammar is that of `distribution/reference` (grammar in its
`reference.go`, the Docker Hub defaults in its `normalize.go`), which the kubelet uses to decide between
pulling and `InvalidImageName`.

A reference keeps the **name as it was written** beside the parsed parts, because a repair must change the
tag and nothing else: `nginx:1.27o` becomes `nginx:1.27`, never `docker.io/library/nginx:1.27`.
"""

import re
from dataclasses import dataclass, field, replace

DEFAULT_REGISTRY = "docker.io"
_OFFICIAL = "library/"
_LONGEST_NAME = 255  # distribution/reference: NameTotalLengthMax

_HOST_PART = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_REGISTRY = re.compile(rf"(?:{_HOST_PART}(?:\.{_HOST_PART})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?", re.ASCII)
_PATH_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_PATH_PART}(?:/{_PATH_PART})*", re.ASCII)
_TAG = re.compile(r"[\w][\w.-]{0,127}", re.ASCII)
_DIGEST = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}", re.ASCII)
_DIGEST_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}
_BARE_IDENTIFIER = re.compile(r"[a-f0-9]{64}")


class ImageReferenceError(ValueError):
    """The text is not an image reference; the message says which part is wrong and what it may look like."""


@dataclass(frozen=True)
class ImageReference:
    """One parsed image reference. Two are equal when they name the same image, however they were spelled."""

    registry: str
    """Host, with a port if one was written: `docker.io`, `registry.example:5000`."""
    repository: str
    """Path in that registry: `library/nginx`, `shop/api`."""
    tag: str | None = None
    digest: str | None = None
    name: str = field(default="", compare=False)
    """Registry and repository as they were written; the canonical name when the reference was not parsed from
    text.
    """

    @property
    def effective_tag(self) -> str | None:
        """The tag a runtime pulls: `latest` when neither tag nor digest is given, None when only a digest is."""
        return self.tag or (None if self.digest else "latest")

    @property
    def canonical(self) -> str:
        """The fully qualified spelling: `docker.io/library/nginx:1.27`."""
        return f"{self.registry}/{self.repository}{self._suffix()}"

    def same_repository(self, other: "ImageReference") -> bool:
        """Whether both come from one repository of one registry."""
        return (self.registry, self.repository) == (other.registry, other.repository)

    def with_tag(self, tag: str) -> "ImageReference":
        """The same name with this tag and no digest (a digest would win over it). Raises ImageReferenceError."""
        if not is_tag(tag):
            raise ImageReferenceError(_wrong_tag(tag))
        return replace(self, tag=tag, digest=None)

    def __str__(self) -> str:
        """The reference spelled as it was written."""
        return f"{self.name or f'{self.registry}/{self.repository}'}{self._suffix()}"

    def _suffix(self) -> str:
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def is_tag(text: str) -> bool:
    """Whether `text` may stand as a tag: up to 128 of letters, digits, `_`, `.`, `-`, not starting with `.`
    or `-`.
    """
    return _TAG.fullmatch(text) is not None


def is_repository(text: str) -> bool:
    """Whether `text` may stand as a repository path, as in `library/nginx`."""
    return len(text) <= _LONGEST_NAME and _REPOSITORY.fullmatch(text) is not None


def parse_image(reference: str) -> ImageReference:
    """Parse `[registry/]repository[:tag][@digest]`, with Docker Hub's defaults for what is left out.

    Raises ImageReferenceError for what a kubelet answers with `InvalidImageName`.
    """
    rest, digest = _cut_digest(reference)
    name, tag = _cut_tag(rest)
    if not name:
        raise ImageReferenceError(f"image {_shown(reference)} has no name: write it as repository:tag")
    if _BARE_IDENTIFIER.fullmatch(name):
        raise ImageReferenceError(f"image {_shown(reference)} is a bare identifier, not a repository")
    registry, repository = _split_registry(name)
    if not _REGISTRY.fullmatch(registry):
        raise ImageReferenceError(f"image {_shown(reference)}: {_shown(registry)} is not a registry host[:port]")
    if repository != repository.lower():
        raise ImageReferenceError(f"image {_shown(reference)}: the repository must be in lower case")
    if len(registry) + 1 + len(repository) > _LONGEST_NAME:
        raise ImageReferenceError(f"image {_shown(reference)}: the name is longer than {_LONGEST_NAME} characters")
    if not is_repository(repository):
        raise ImageReferenceError(f"image {_shown(reference)}: {_shown(repository)} is not a repository path")
    return ImageReference(registry, repository, tag, digest, name)


def respelled(reference: str) -> ImageReference | None:
    """What a reference that cannot be read was meant to be, where only its spelling is wrong; None for any other.

    A scheme in front of it, white space around it, a repository in capitals, a separator that was doubled or left over:
    no registry host, name, tag or digest becomes another one.
    """
    try:
        parse_image(reference)
    except ImageReferenceError:
        pass
    else:
        return None
    plain = re.sub(r"([:/@])\1+", r"\1", re.sub(r"^https?://", "", reference[: 2 * _LONGEST_NAME].strip()))
    rest, at, digest = plain.rstrip(":@/").partition("@")
    name, colon, tag = rest.rpartition(":") if "/" not in rest.rpartition(":")[2] else (rest, "", "")
    host, slash, path = name.partition("/")
    is_host = bool(slash) and ("." in host or ":" in host or host == "localhost")
    lower = f"{host}/{path.lower()}" if is_host else name.lower()
    try:
        return parse_image(f"{lower}{colon}{tag}{at}{digest}")
    except ImageReferenceError:
        return None


def _cut_digest(reference: str) -> tuple[str, str | None]:
    rest, at, digest = reference.partition("@")
    if not at:
        return rest, None
    algorithm, _, encoded = digest.partition(":")
    if not _DIGEST.fullmatch(digest) or len(encoded) != _DIGEST_LENGTHS.get(algorithm, len(encoded)):
        raise ImageReferenceError(f"image {_shown(reference)}: the digest must look like sha256:<64 hex digits>")
    return rest, digest


def _cut_tag(rest: str) -> tuple[str, str | None]:
    colon = rest.rfind(":")
    if colon < 0 or "/" in rest[colon:] or rest.endswith("]"):
        return rest, None
    tag = rest[colon + 1 :]
    if not is_tag(tag):
        raise ImageReferenceError(f"image {_shown(rest)}: {_wrong_tag(tag)}")
    return rest[:colon], tag


def _split_registry(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    is_host = bool(slash) and (first == "localhost" or "." in first or ":" in first or first != first.lower())
    registry, repository = (first, rest) if is_host else (DEFAULT_REGISTRY, name)
    if registry == "index.docker.io":
        registry = DEFAULT_REGISTRY
    if registry == DEFAULT_REGISTRY and "/" not in repository:
        repository = _OFFICIAL + repository
    return registry, repository


def _wrong_tag(tag: str) -> str:
    return f"{_shown(tag)} is not a tag: use up to 128 letters, digits, '_', '.', '-', not '.' or '-' first"


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:79] + "…")
