"""What the images of the simulated world are and do: the file ``catalogue.yaml``, read strictly.

The file's head explains its fields. An unknown field or a wrong type is refused with the place where it
stands, since a silently ignored field would make a scenario prove nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from simulator.kubelet.image_reference import ImageReference

_FILE = Path(__file__).resolve().parent.parent / "catalogue.yaml"


class CatalogueError(ValueError):
    """The catalogue cannot be read; the message names the place and the remedy."""


@dataclass(frozen=True)
class Answer:
    """What an HTTP path answers: a status, after ``seconds``."""

    status: int = 200
    seconds: float = 0.0


@dataclass(frozen=True)
class Needs:
    """What the program looks for when it starts, and how it leaves when one is missing."""

    env: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    code: int = 1


@dataclass(frozen=True)
class Exit:
    """How a program ends by itself, counted from its start; ``logs`` are its last words."""

    after_seconds: float
    code: int
    logs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stop:
    """How a program takes SIGTERM: it leaves after ``seconds`` with ``code``."""

    seconds: float = 0.2
    code: int = 0


@dataclass(frozen=True)
class Program:
    """What runs when a container of an image runs. Memory in MiB, time in simulated seconds."""

    ports: Mapping[int, Mapping[str, Answer]] = field(default_factory=dict)
    start_seconds: float = 0.3
    working_set: float = 16.0
    growth_per_second: float = 0.0
    needs: Needs = Needs()
    logs: tuple[str, ...] = ()
    exits: Exit | None = None
    stops: Stop = Stop()
    user: str = ""
    entrypoint: tuple[str, ...] = ("/docker-entrypoint.sh",)
    shell: bool = False
    size_bytes: int = 40_000_000
    pull_seconds: float = 1.0


@dataclass(frozen=True)
class Image:
    """One tag of one repository."""

    reference: ImageReference
    program: Program


class Catalogue:
    """Repositories → tags → programs; repositories carry their registry host (docker.io for none)."""

    def __init__(self, images: Mapping[str, Mapping[str, Program]]) -> None:
        self._images = images

    @property
    def repositories(self) -> list[str]:
        """Full names, such as ``docker.io/library/nginx``."""
        return sorted(self._images)

    def tags(self, repository: str) -> list[str]:
        """The tags of a full repository name, in lexical order; empty when it is unknown."""
        return sorted(self._images.get(repository, {}))

    def program(self, repository: str, tag: str) -> Program | None:
        """What that tag runs, or None when there is no such image."""
        return self._images.get(repository, {}).get(tag)

    def knows_host(self, host: str) -> bool:
        """Whether any image comes from that registry."""
        return any(name.startswith(f"{host}/") for name in self._images)


@lru_cache(maxsize=4)
def load_catalogue(path: Path = _FILE) -> Catalogue:
    """Read a catalogue file; raises ``CatalogueError``."""
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise CatalogueError(f"{path.name} cannot be read: {error}") from error
    if not isinstance(raw, dict) or not isinstance(raw.get("images"), dict):
        raise CatalogueError(f"{path.name}: the top level needs a mapping 'images' from repository to tags")
    images: dict[str, dict[str, Program]] = {}
    for repository, entry in raw["images"].items():
        images[ImageReference.parse(str(repository)).repository] = _tags(str(repository), entry)
    return Catalogue(images)


def _tags(where: str, entry: Any) -> dict[str, Program]:
    if not isinstance(entry, dict) or not isinstance(entry.get("tags"), dict):
        raise CatalogueError(f"images.{where}: needs a mapping 'tags' from tag to what differs from 'program'")
    unknown = set(entry) - {"tags", "program"}
    if unknown:
        raise CatalogueError(f"images.{where}: unknown field {min(unknown)!r}; use 'program' and 'tags'")
    base = _program(f"images.{where}.program", entry.get("program") or {}, Program())
    return {
        str(tag): _program(f"images.{where}.tags.{tag}", override or {}, base)
        for tag, override in entry["tags"].items()
    }


def _program(where: str, raw: Any, base: Program) -> Program:
    known = {item.name for item in fields(Program)}
    for name in raw:
        if name not in known:
            raise CatalogueError(f"{where}: unknown field {name!r}; known are {', '.join(sorted(known))}")
    try:
        return replace(base, **{name: _value(name, value) for name, value in raw.items()})
    except (TypeError, ValueError, AttributeError) as error:
        raise CatalogueError(f"{where}: {error}; see the head of the catalogue for the form") from error


def _value(name: str, value: Any) -> Any:
    match name:
        case "ports":
            return {int(port): _paths(paths) for port, paths in value.items()}
        case "needs":
            return Needs(tuple(value.get("env", ())), tuple(value.get("files", ())), int(value.get("code", 1)))
        case "exits":
            return value and Exit(float(value["after_seconds"]), int(value["code"]), tuple(value.get("logs", ())))
        case "stops":
            return Stop(float(value.get("seconds", 0.2)), int(value.get("code", 0)))
        case "logs" | "entrypoint":
            return tuple(str(line) for line in value)
        case "user":
            return str(value)
        case "shell":
            return bool(value)
        case "size_bytes":
            return int(value)
        case _:
            return float(value)


def _paths(paths: Mapping[str, Any] | None) -> dict[str, Answer]:
    return {
        path: Answer(int(answer["status"]), float(answer.get("seconds", 0)))
        if isinstance(answer, dict)
        else Answer(int(answer))
        for path, answer in (paths or {}).items()
    }
