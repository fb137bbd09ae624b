"""What a pod requests and is limited to as a whole (`k8s.io/component-helpers/resource`, Kubernetes v1.36).

Containers add up; init containers run one after another, so the largest counts, except those that stay (sidecars),
which add to everything after them. The pod's overhead comes on top.
"""

import re
from fractions import Fraction

from simulator.apiserver.objects import Object, items_at
from simulator.quantities import canonical, parse

Amounts = dict[str, tuple[Fraction, str]]
"""By resource: the exact value, and a quantity in whose suffix family the sum is written."""


def pod_amounts(spec: Object, part: str) -> Amounts:
    """The sums of "requests" or "limits"."""
    total: Amounts = {}
    for container in items_at(spec, "containers"):
        total = add(total, _of(container, part))
    peak: Amounts = {}
    staying: Amounts = {}
    for container in items_at(spec, "initContainers"):
        own = _of(container, part)
        if container.get("restartPolicy") == "Always":
            staying = add(staying, own)
            own = staying
        else:
            own = add(own, staying)
        peak = _largest(peak, own)
    total = _largest(add(total, staying), peak)
    overhead = {name: (parse(text), text) for name, text in (spec.get("overhead") or {}).items()}
    if part == "limits":
        overhead = {name: value for name, value in overhead.items() if name in total}
    return add(total, overhead)


def _of(container: Object, part: str) -> Amounts:
    listed = (container.get("resources") or {}).get(part) or {}
    return {name: (parse(text), str(text)) for name, text in listed.items()}


def add(one: Amounts, other: Amounts) -> Amounts:
    """Sums by resource; the suffix family of the first that is not nothing stays."""
    total = dict(one)
    for name, (value, text) in other.items():
        before, shown = total.get(name, (Fraction(0), text))
        total[name] = (before + value, shown if before else text)
    return total


def _largest(one: Amounts, other: Amounts) -> Amounts:
    return one | {name: value for name, value in other.items() if name not in one or value[0] > one[name][0]}


def written(amount: tuple[Fraction, str]) -> str:
    """A sum as a quantity in canonical form."""
    value, like = amount
    if value == 0:
        return "0"
    if re.search("[KMGTPE]i$", like) and (value / 1024).denominator == 1:
        return canonical(f"{value / 1024}Ki")
    return canonical(str(value)) if value.denominator == 1 else canonical(f"{-(-value * 1000 // 1)}m")
