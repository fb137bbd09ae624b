"""Every scenario in other words: the same faults with other names, images, ports and sizes, by seed.

A variant is a scenario and the images it needs, renamed together, so that they can run beside the variants of other
scenarios. Nothing of it can be matched by a literal that somebody has read in the files. The variant of ``second``
speaks another dialect altogether, and is there to be held back while something is being fitted to the first.
"""

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Any

from simulator.identifiers import names_in, variables_in
from simulator.kubelet.catalogue import Catalogue, catalogue_of, read_catalogue
from simulator.kubelet.image_reference import ImageReference, InvalidReferenceError
from simulator.renaming import Renaming, Vocabulary
from simulator.scenario import Scenario, ScenarioError, parse_scenario, scenario_documents
from simulator.wordlists import DIALECTS, SetName

_KEPT = ("name", "family", "title", "demo", "embedded_only", "secret_keys", "slips", "images", "gap", "untold")
_KEPT_EXPECTED = ("outcome", "also", "because", "family", "workloads_well")
_OFFICIAL = "docker.io/"
_MARK = "0123456789abcdefghijkmnpqrstuvwxyz"


@dataclass(frozen=True)
class Variants:
    """Scenarios of one seed, and the catalogue they run with; ``document`` is that as a file would have it."""

    scenarios: tuple[Scenario, ...]
    document: Mapping[str, Any]

    @property
    def catalogue(self) -> Catalogue:
        """The images that there are."""
        return catalogue_of(self.document, "the varied catalogue")

    @property
    def hosts(self) -> tuple[str, ...]:
        """The registries that the images come from."""
        return tuple(sorted({ImageReference.parse(name).host for name in self.document["images"]}))


def vary(names: Sequence[str], *, seed: int, words: SetName = "first") -> Variants:
    """The named scenarios (none: all of them) as that seed tells them; raises ``ScenarioError`` for an unknown name."""
    documents = scenario_documents()
    for name in names:
        if name not in documents:
            raise ScenarioError(f"there is no scenario {name!r}; known are {', '.join(documents)}")
    catalogue = read_catalogue()
    images = {name: item for name, item in catalogue["images"].items() if _repository(name).startswith(_OFFICIAL)}
    registries: dict[str, Any] = {}
    scenarios = []
    for name in names or documents:
        scenario, own, hosts = _varied(documents[name], catalogue, seed=seed, words=words)
        scenarios.append(scenario)
        images |= own
        registries |= hosts
    return Variants(tuple(scenarios), {"images": images, "registries": registries})


def _varied(
    raw: Mapping[str, Any], catalogue: Mapping[str, Any], *, seed: int, words: SetName
) -> tuple[Scenario, dict[str, Any], dict[str, Any]]:
    name, namespace = str(raw["name"]), str(raw["namespace"])
    own = {item: catalogue["images"][item] for item in _used(raw, catalogue["images"])}
    random = Random(f"{words}/{seed}/{name}")
    mark = "".join(_MARK[int(zlib.crc32(f"{salt}{name}".encode()) % len(_MARK))] for salt in ("x", "yy", "zzz"))
    renaming = Renaming(
        _vocabulary(raw, own, namespace), dialect=DIALECTS[words], random=random, mark=mark, namespace=namespace
    )
    told: dict[str, Any] = {
        field: value if field in _KEPT else renaming.document(value, field) for field, value in raw.items()
    }
    expected = raw.get("expected") or {}
    told["expected"] = told.get("expected", {}) | {key: expected[key] for key in _KEPT_EXPECTED if key in expected}
    images = {
        renaming.repository(item): renaming.document(entry)
        | {"tags": {renaming.tag(str(tag)): renaming.document(each) for tag, each in entry["tags"].items()}}
        for item, entry in own.items()
    }
    hosts = {item.partition("/")[0]: renaming.repository(item).partition("/")[0] for item in own}
    registries = {hosts[host]: entry for host, entry in (catalogue.get("registries") or {}).items() if host in hosts}
    return parse_scenario(told, name), images, registries


def _vocabulary(raw: Mapping[str, Any], own: Mapping[str, Any], namespace: str) -> Vocabulary:
    slips = {str(wrong): str(meant) for wrong, meant in (raw.get("slips") or {}).items()}
    made = {"setup": raw["setup"], "break": raw.get("break") or ()}
    names = names_in(made) | _programs(own) | {name.rpartition("/")[2] for name in own}
    kept = {namespace, *slips}
    names = {name for name in names - kept if not name.startswith(f"{namespace}-")}
    return Vocabulary(
        names=frozenset(names),
        shared=frozenset(names & set(_of_nodes(raw["setup"]))),
        variables=frozenset((variables_in(made) | variables_in(own)) - slips.keys()),
        repositories=frozenset(own),
        ports=frozenset(_ports(made)) | frozenset(_ports(own)),
        slips=slips,
    )


def _of_nodes(setup: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """What the labels of nodes say: nodes belong to no namespace, and are chosen by their labels."""
    for manifest in setup:
        if manifest.get("kind") == "Node":
            yield from map(str, (manifest["metadata"].get("labels") or {}).values())


def _used(raw: Mapping[str, Any], images: Mapping[str, Any]) -> list[str]:
    """The repositories that a scenario mentions, official ones aside."""
    mentioned = {_repository(text) for text in (*_images(raw), *map(str, raw.get("images") or ()))}
    return sorted(
        name for name in images if _repository(name) in mentioned and not _repository(name).startswith(_OFFICIAL)
    )


def _images(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key == "image" and isinstance(item, str):
                yield item
            else:
                yield from _images(item)
    elif isinstance(value, list):
        for item in value:
            yield from _images(item)


@lru_cache(maxsize=1024)
def _repository(text: str) -> str:
    try:
        return ImageReference.parse(text).repository
    except InvalidReferenceError:
        return ""


def _programs(own: Mapping[str, Any]) -> set[str]:
    """What the images' own programs are called."""
    found = set()
    for entry in own.values():
        for program in (entry.get("program") or {}, *(item or {} for item in entry["tags"].values())):
            found |= {str(item).rpartition("/")[2] for item in program.get("entrypoint") or ()}
    return {name for name in found if name.isalpha()}


def _ports(value: Any, key: str = "") -> Iterable[int]:
    """Every number that stands where a port does."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            if key == "ports" and isinstance(name, int):
                yield name
            yield from _ports(item, str(name))
    elif isinstance(value, list):
        for item in value:
            yield from _ports(item, key)
    elif isinstance(value, int) and key in ("port", "containerPort", "targetPort", "hostPort", "tls_ports"):
        yield value
