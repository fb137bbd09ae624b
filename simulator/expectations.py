"""What a scenario may say about an object: it is there, a field has a value, a workload is available. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from simulator.quantities import to_bytes
from simulator.scenario_kinds import KINDS

Manifest = dict[str, Any]

_MISSING = object()
_SORTS = {
    "exists": {"kind", "name"},
    "available": {"kind", "name", "replicas", "image"},
    "field": {"kind", "name", "path", "equals", "matches", "original", "between"},
}
_VALUES = {"equals", "matches", "original", "between"}
_REPLICAS = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
_COUNTS = {"DaemonSet": ("desiredNumberScheduled", "updatedNumberScheduled", "numberReady", "numberAvailable")}


@dataclass(frozen=True)
class Expectation:
    """One expectation about one object; ``sort`` says which of the rest is meant.

    ``between`` are two sizes, as quantities; both are still right.
    """

    sort: str
    kind: str
    name: str
    replicas: int = 0
    image: str = ""
    path: str = ""
    equals: Any = _MISSING
    matches: str = ""
    original: bool = False
    between: tuple[str, ...] = ()


def parse_expectations(raw: Any, where: str) -> tuple[Expectation, ...]:
    """Read a list of ``{SORT: {...}}``; raises ``ValueError`` that says what is wrong with which entry."""
    if not isinstance(raw, list) or not raw:
        raise ValueError(f"{where}: must be a list with at least one of {', '.join(_SORTS)}")
    return tuple(_parse(item, f"{where}[{index}]") for index, item in enumerate(raw))


def _parse(item: Any, where: str) -> Expectation:
    if not isinstance(item, dict) or len(item) != 1 or next(iter(item)) not in _SORTS:
        raise ValueError(f"{where}: must be a mapping with one key of {', '.join(_SORTS)}")
    sort, fields = next(iter(item.items()))
    unknown = fields.keys() - _SORTS[sort]
    if unknown:
        raise ValueError(f"{where}: unknown field {min(unknown)!r}; {sort} has {', '.join(sorted(_SORTS[sort]))}")
    kind = fields.get("kind", "Deployment")
    if kind not in KINDS:
        raise ValueError(f"{where}: kind {kind!r} is not known; use one of {', '.join(sorted(KINDS))}")
    if "name" not in fields:
        raise ValueError(f"{where}: name is missing; add the object's name")
    if sort == "field" and ("path" not in fields or not fields.keys() & _VALUES):
        raise ValueError(f"{where}: a field needs a path, and one of equals, matches, original, between")
    if "between" in fields:
        fields = fields | {"between": tuple(map(str, fields["between"]))}
    return Expectation(sort=sort, kind=kind, **{key: value for key, value in fields.items() if key != "kind"})


def problems_of(expectation: Expectation, live: Mapping[str, Any] | None, setup: Iterable[Manifest]) -> list[str]:
    """What of the expectation does not hold; ``live`` is None when the object is not there."""
    what = f"{expectation.kind} {expectation.name}"
    if live is None:
        return [f"{what} does not exist"]
    if expectation.sort == "available":
        return _unavailable(expectation, live, what)
    if expectation.sort == "field":
        return _field_problem(expectation, live, setup, what=what)
    return []


def _unavailable(expectation: Expectation, live: Mapping[str, Any], what: str) -> list[str]:
    status, wanted = live.get("status") or {}, expectation.replicas
    problems = []
    if status.get("observedGeneration", 0) < live["metadata"].get("generation", 0):
        problems.append(f"{what}: its controller has not seen the last change yet")
    problems += [
        f"{what}: {field} is {status.get(field, 0)}, not {wanted}"
        for field in _COUNTS.get(expectation.kind, _REPLICAS)
        if status.get(field, 0) != wanted
    ]
    images = [item["image"] for item in live["spec"]["template"]["spec"]["containers"]]
    if expectation.image and not any(re.fullmatch(expectation.image, image) for image in images):
        problems.append(f"{what}: runs {', '.join(images)}, not {expectation.image}")
    return problems


def _field_problem(
    expectation: Expectation, live: Mapping[str, Any], setup: Iterable[Manifest], *, what: str
) -> list[str]:
    value = at_pointer(live, expectation.path)
    if expectation.original:
        manifest = next(
            (
                item
                for item in setup
                if (item["kind"], item["metadata"]["name"]) == (expectation.kind, expectation.name)
            ),
            {},
        )
        wanted = at_pointer(manifest, expectation.path)
    elif expectation.matches:
        found = isinstance(value, str) and re.fullmatch(expectation.matches, value)
        return [] if found else [f"{what}: {expectation.path} is {_shown(value)}, not {expectation.matches}"]
    elif expectation.between:
        least, most = map(to_bytes, expectation.between)
        if isinstance(value, str) and least <= to_bytes(value) <= most:
            return []
        return [f"{what}: {expectation.path} is {_shown(value)}, not between {' and '.join(expectation.between)}"]
    else:
        wanted = expectation.equals
    if value == wanted:
        return []
    return [f"{what}: {expectation.path} is {_shown(value)}, not {_shown(wanted)}"]


def at_pointer(document: Any, pointer: str) -> Any:
    """What a JSON pointer leads to; a private marker, equal to nothing, when it leads nowhere."""
    for raw in pointer.split("/")[1:]:
        segment = raw.replace("~1", "/").replace("~0", "~")
        if isinstance(document, Mapping) and segment in document:
            document = document[segment]
        elif isinstance(document, list) and segment.isdecimal() and int(segment) < len(document):
            document = document[int(segment)]
        else:
            return _MISSING
    return document


def _shown(value: Any) -> str:
    return "absent" if value is _MISSING else repr(value)
