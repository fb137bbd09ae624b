"""LimitRanger: fills what containers leave out, and refuses what is too small, too large or too far apart
(`plugin/pkg/admission/limitranger`, Kubernetes v1.36).
"""

from collections.abc import Iterable, Iterator

from simulator.apiserver.objects import Object, at, items_at, metadata
from simulator.apiserver.plugins.pod_resources import Amounts, pod_amounts, written
from simulator.quantities import parse

_NOTE = "kubernetes.io/limit-ranger"


def fill_pod(pod: Object, ranges: Iterable[Object]) -> None:
    """Gives containers the default requests and limits of the ranges, and says so in an annotation."""
    notes: list[str] = []
    for limit in _limits(ranges, "Container"):
        for group, word in (("containers", "container"), ("initContainers", "init container")):
            for container in items_at(pod["spec"], group):
                name = str(container.get("name"))
                for part, field in (("requests", "defaultRequest"), ("limits", "default")):
                    added = _fill(container, part, limit.get(field) or {})
                    if added:
                        notes.append(f"{', '.join(added)} {part[:-1]} for {word} {name}")
    if notes:
        found = metadata(pod).get("annotations") or {}
        metadata(pod)["annotations"] = found | {_NOTE: f"LimitRanger plugin set: {'; '.join(notes)}"}


def _fill(container: Object, part: str, defaults: Object) -> list[str]:
    resources = container.setdefault("resources", {})
    stated = resources.get(part) or {}
    added = {name: value for name, value in sorted(defaults.items()) if name not in stated}
    if added:
        resources[part] = stated | added
    return list(added)


def _limits(ranges: Iterable[Object], kind: str) -> Iterator[Object]:
    for one in ranges:
        yield from (limit for limit in items_at(one, "spec.limits") if limit.get("type") == kind)


def complaints(kind: str, obj: Object, ranges: list[Object]) -> list[str]:
    """What the ranges have against a Pod or a PersistentVolumeClaim."""
    if kind == "Pod":
        return [*_of_containers(obj["spec"], ranges), *_of_pod(obj["spec"], ranges)]
    size = at(obj, "spec.resources.requests.storage")
    requests: Amounts = {"storage": (parse(size), size)} if size else {}
    return [
        text
        for limit in _limits(ranges, kind)
        for text in _compared(limit, "PersistentVolumeClaim", requests, requests)
    ]


def _of_containers(spec: Object, ranges: list[Object]) -> Iterator[str]:
    for limit in _limits(ranges, "Container"):
        for group in ("containers", "initContainers"):
            for container in items_at(spec, group):
                requests, limits = (
                    {
                        name: (parse(text), str(text))
                        for name, text in (at(container, f"resources.{part}") or {}).items()
                    }
                    for part in ("requests", "limits")
                )
                yield from _compared(limit, "Container", requests, limits)


def _of_pod(spec: Object, ranges: list[Object]) -> Iterator[str]:
    requests, limits = pod_amounts(spec, "requests"), pod_amounts(spec, "limits")
    for limit in _limits(ranges, "Pod"):
        yield from _compared(limit, "Pod", requests, limits)


def _compared(limit: Object, kind: str, requests: Amounts, limits: Amounts) -> Iterator[str]:
    claim = kind == "PersistentVolumeClaim"
    for name, text in sorted((limit.get("min") or {}).items()):
        yield from _too_small(f"minimum {name} usage per {kind} is {text}", text, requests.get(name), limits.get(name))
    for name, text in sorted((limit.get("max") or {}).items()):
        bound = None if claim else limits.get(name)
        said = f"maximum {name} usage per {kind} is {text}"
        yield from _too_large(said, text, requests.get(name), bound, must_limit=not claim)
    for name, text in sorted((limit.get("maxLimitRequestRatio") or {}).items()):
        said = f"{name} max limit to request ratio per {kind} is {text}"
        yield from _too_far(said, text, requests.get(name), limits.get(name))


def _too_small(said: str, text: str, request: object, limit: object) -> Iterator[str]:
    floor = parse(text)
    if not isinstance(request, tuple):
        yield f"{said}.  No request is specified"
    elif request[0] < floor:
        yield f"{said}, but request is {written(request)}"
    elif isinstance(limit, tuple) and limit[0] < floor:
        yield f"{said}, but limit is {written(limit)}"


def _too_large(said: str, text: str, request: object, limit: object, *, must_limit: bool) -> Iterator[str]:
    ceiling = parse(text)
    if must_limit and not isinstance(limit, tuple):
        yield f"{said}.  No limit is specified"
    elif isinstance(limit, tuple) and limit[0] > ceiling:
        yield f"{said}, but limit is {written(limit)}"
    elif isinstance(request, tuple) and request[0] > ceiling:
        yield f"{said}, but request is {written(request)}"


def _too_far(said: str, text: str, request: object, limit: object) -> Iterator[str]:
    if not isinstance(request, tuple) or not request[0]:
        yield f"{said}, but no request is specified or request is 0"
    elif not isinstance(limit, tuple) or not limit[0]:
        yield f"{said}, but no limit is specified or limit is 0"
    elif limit[0] / request[0] > parse(text):
        yield f"{said}, but provided ratio is {float(limit[0] / request[0]):.6f}"
