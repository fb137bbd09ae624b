"""What is odd about a pod and stored all the same: the server answers with a warning
(`pkg/api/pod/warnings.go`, Kubernetes v1.36).

Told are the oddities that a wrong patch makes; use of what is deprecated is not.
"""

from collections.abc import Iterator

from simulator.apiserver.objects import Object, at, items_at
from simulator.quantities import parse

_BYTES = ("memory", "ephemeral-storage")
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_NEGATIVE_GRACE = "must be >= 0; negative values are invalid and will be treated as 1"
_NO_SELECTOR = "a null labelSelector results in matching no pod"


def pod_warnings(spec: Object, path: str) -> Iterator[str]:
    """Warnings about a pod's spec; `path` is where it stands."""
    for index, one in enumerate(items_at(spec, "topologySpreadConstraints")):
        if one.get("labelSelector") is None:
            yield f"{path}.topologySpreadConstraints[{index}].labelSelector: {_NO_SELECTOR}"
    yield from _aliases(spec, f"{path}.hostAliases")
    yield from _pull_secrets(spec, f"{path}.imagePullSecrets")
    placed = list(_containers(spec, path))
    for where, container in placed:
        for part in ("limits", "requests"):
            yield from fractions(at(container, f"resources.{part}"), f"{where}.resources.{part}")
        yield from _hidden_variables(container, f"{where}.env")
    yield from _ports(placed)
    yield from _port_names(placed)
    if (spec.get("terminationGracePeriodSeconds") or 0) < 0:
        yield f"{path}.terminationGracePeriodSeconds: {_NEGATIVE_GRACE}"
    for kind in ("podAffinity", "podAntiAffinity"):
        yield from _affinity(at(spec, f"affinity.{kind}") or {}, f"{path}.affinity.{kind}")


def _containers(spec: Object, path: str) -> Iterator[tuple[str, Object]]:
    for group in ("initContainers", "containers"):
        for index, container in enumerate(items_at(spec, group)):
            yield f"{path}.{group}[{index}]", container


def _aliases(spec: Object, where: str) -> Iterator[str]:
    addresses = [str(one.get("ip")) for one in items_at(spec, "hostAliases")]
    for index, address in enumerate(addresses):
        if address in addresses[:index]:
            yield f'{where}[{index}].ip: duplicate ip "{address}"'


def _pull_secrets(spec: Object, where: str) -> Iterator[str]:
    seen: set[str] = set()
    names = [str(one.get("name") or "") for one in items_at(spec, "imagePullSecrets")]
    for index, name in enumerate(names):
        if name in seen:
            yield f'{where}[{index}].name: duplicate name "{name}"'
        seen.add(name)
    for index in (place for place, name in enumerate(names) if not name):
        yield f'{where}[{index}].name: invalid empty name ""'


def fractions(amounts: Object | None, where: str, names: tuple[str, ...] = _BYTES) -> Iterator[str]:
    """Bytes come whole."""
    for name in names:
        amount = (amounts or {}).get(name)
        if amount is not None and parse(amount).denominator != 1:
            yield f'{where}[{name}]: fractional byte value "{amount}" is invalid, must be an integer'


def _hidden_variables(container: Object, where: str) -> Iterator[str]:
    seen: set[str] = set()
    for index, variable in enumerate(items_at(container, "env")):
        name, value, itself = str(variable.get("name")), str(variable.get("value") or ""), f"$({variable.get('name')})"
        builds_on_it = variable.get("valueFrom") is None and itself in value and value != itself
        if name in seen and not builds_on_it:
            yield f'{where}[{index}]: hides previous definition of "{name}", which may be dropped when using apply'
        seen.add(name)


def _ports(placed: list[tuple[str, Object]]) -> Iterator[str]:
    known: list[tuple[str, Object]] = []
    for where, container in placed:
        for index, port in enumerate(items_at(container, "ports")):
            here = f"{where}.ports[{index}]"
            for there, other in known:
                word = _clash(port, other)
                if word:
                    yield f"{here}: {word} port definition with {there}"
            known.append((here, port))


def _clash(port: Object, other: Object) -> str:
    if any(port.get(field) != other.get(field) for field in ("containerPort", "protocol")):
        return ""
    mine, theirs = ((one.get("hostIP") or "", one.get("hostPort") or 0) for one in (port, other))
    if mine == theirs:
        return "duplicate"
    if not mine[1] or not theirs[1]:
        return "overlapping"
    return "dangerously ambiguous" if mine[1] == theirs[1] and not (mine[0] and theirs[0]) else ""


def _port_names(placed: list[tuple[str, Object]]) -> Iterator[str]:
    known: dict[str, str] = {}
    for where, container in placed:
        for index, port in enumerate(items_at(container, "ports")):
            here, name = f"{where}.ports[{index}]", port.get("name")
            if name and name in known:
                yield (
                    f'{here}: duplicate port name "{name}" with {known[name]}, services and probes that select ports '
                    f"by name will use {known[name]}"
                )
            elif name:
                known[name] = here


def _affinity(stated: Object, where: str) -> Iterator[str]:
    for index, term in enumerate(items_at(stated, _REQUIRED)):
        if term.get("labelSelector") is None:
            yield f"{where}.{_REQUIRED}[{index}].labelSelector: {_NO_SELECTOR}"
    for index, term in enumerate(items_at(stated, _PREFERRED)):
        if at(term, "podAffinityTerm.labelSelector") is None:
            yield f"{where}.{_PREFERRED}[{index}].podAffinityTerm.labelSelector: {_NO_SELECTOR}"
