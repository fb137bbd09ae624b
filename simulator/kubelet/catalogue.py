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
from simulator.kubelet.programs import Answer, Busy, Exit, Heap, Needs, Program, Stop, Upstream

__all__ = ["Answer", "Catalogue", "CatalogueError", "Exit", "Needs", "Program", "Registry", "Stop", "load_catalogue"]

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # C where PyYAML has it: it is read at every start
_FILE = Path(__file__).resolve().parent.parent / "catalogue.yaml"


class CatalogueError(ValueError):
    """The catalogue cannot be read; the message names the place and the remedy."""


@dataclass(frozen=True)
class Registry:
    """A registry host: who may pull from it (nobody named: all), how long it is away once asked, in what words."""

    users: Mapping[str, str] = field(default_factory=dict)
    outage_seconds: float = 0.0
    outage_status: str = "503 Service Unavailable"


class Catalogue:
    """Repositories → tags → programs; repositories carry their registry host (docker.io for none)."""

    def __init__(
        self, images: Mapping[str, Mapping[str, Program]], registries: Mapping[str, Registry] | None = None
    ) -> None:
        self._images = images
        self._registries = registries or {}

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

    def registry(self, host: str) -> Registry:
        """What is special about a registry; an open one that always answers if nothing is."""
        return self._registries.get(host, Registry())


@lru_cache(maxsize=4)
def load_catalogue(path: Path = _FILE) -> Catalogue:
    """Read a catalogue file; raises ``CatalogueError``."""
    return catalogue_of(read_catalogue(path), path.name)


def read_catalogue(path: Path = _FILE) -> Any:
    """What a catalogue file says, unchecked; raises ``CatalogueError`` if it cannot be read at all."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506 - both are safe loaders
    except (OSError, yaml.YAMLError) as error:
        raise CatalogueError(f"{path.name} cannot be read: {error}") from error


def catalogue_of(raw: Any, where: str) -> Catalogue:
    """A catalogue from what a file says; ``where`` is for the errors. Raises ``CatalogueError``."""
    if not isinstance(raw, dict) or not isinstance(raw.get("images"), dict):
        raise CatalogueError(f"{where}: the top level needs a mapping 'images' from repository to tags")
    images: dict[str, dict[str, Program]] = {}
    for repository, entry in raw["images"].items():
        images[ImageReference.parse(str(repository)).repository] = _tags(str(repository), entry)
    return Catalogue(images, _registries(raw.get("registries") or {}))


def _registries(raw: Mapping[str, Any]) -> dict[str, Registry]:
    found = {}
    for host, entry in raw.items():
        unknown = set(entry) - {item.name for item in fields(Registry)}
        if unknown:
            known = ", ".join(item.name for item in fields(Registry))
            raise CatalogueError(f"registries.{host}: unknown field {min(unknown)!r}; use {known}")
        found[str(host)] = Registry(
            dict(entry.get("users") or {}),
            float(entry.get("outage_seconds", 0)),
            str(entry.get("outage_status", Registry.outage_status)),
        )
    return found


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
        case "heap":
            return value and Heap(**{key: float(item) for key, item in value.items()})
        case "ports":
            return {int(port): _paths(paths) for port, paths in value.items()}
        case "tls_ports":
            return tuple(int(port) for port in value)
        case "needs":
            return _needs(value)
        case "exits" | "busy" | "stops":
            kind: Any = {"exits": Exit, "busy": Busy, "stops": Stop}[name]
            return value and kind(**{key: tuple(item) if key == "logs" else item for key, item in value.items()})
        case "logs" | "entrypoint" | "flags" | "tools" | "platforms":
            return tuple(str(line) for line in value)
        case "user" | "disk_path":
            return str(value)
        case "shell":
            return bool(value)
        case "size_bytes":
            return int(value)
        case _:
            return float(value)


def _needs(raw: Mapping[str, Any]) -> Needs:
    upstreams = tuple(Upstream(**item) for item in raw.get("upstreams", ()))
    lists = {name: tuple(raw.get(name, ())) for name in ("env", "files", "writable")}
    unknown = set(raw) - {"env", "files", "writable", "upstreams", "code"}
    if unknown:
        raise ValueError(f"needs has no field {min(unknown)!r}")
    return Needs(**lists, upstreams=upstreams, code=int(raw.get("code", 1)))


def _paths(paths: Mapping[str, Any] | None) -> dict[str, Answer]:
    return {
        path: Answer(**answer) if isinstance(answer, dict) else Answer(int(answer))
        for path, answer in (paths or {}).items()
    }
