"""What a container may request: names of resources, amounts, and how requests and limits go together
(`pkg/apis/core/validation` and `pkg/apis/core/helper`, Kubernetes v1.36).
"""

from collections.abc import Iterator
from typing import Any

from simulator.apiserver.field_errors import (
    FieldError,
    duplicate,
    forbidden_field,
    invalid_value,
    not_found_value,
    required,
    unsupported,
)
from simulator.apiserver.names import qualified_name_problems
from simulator.apiserver.objects import Object, items_at
from simulator.apiserver.strategies.forms import NOT_NEGATIVE
from simulator.quantities import parse

COUNTED = frozenset(
    [
        "pods", "services", "replicationcontrollers", "resourcequotas", "secrets", "configmaps",
        "persistentvolumeclaims", "services.nodeports", "services.loadbalancers",
    ]
)  # fmt: skip
_COMPUTED = frozenset(["cpu", "memory", "ephemeral-storage"])
STANDARD = COUNTED | _COMPUTED | {f"{part}.{one}" for part in ("requests", "limits") for one in _COMPUTED}
STANDARD |= {"storage", "requests.storage"}
_HUGE = "hugepages-"
_RESIZED = ("cpu", "memory")
_RESIZE_POLICIES = ("NotRequired", "RestartContainer")
NO_STANDARD = "must be a standard resource type or fully qualified"
NO_INTEGER = "must be an integer"


def resources(stated: Object, where: str, *, claims: list[str]) -> Iterator[FieldError]:
    """Complaints about requests and limits; `claims` are the names of the pod's resource claims."""
    limits, requests = stated.get("limits") or {}, stated.get("requests") or {}
    for part, amounts in (("limits", limits), ("requests", requests)):
        for name, amount in amounts.items():
            here = f"{where}.{part}[{name}]"
            yield from resource_name(name, here, of_container=True)
            yield from amount_errors(name, amount, here)
            if part == "requests":
                yield from _with_limit(name, amount, limits, where)
            if name.startswith(_HUGE):
                yield from _huge_pages(name, amount, here)
    names = {*limits, *requests}
    if any(name.startswith(_HUGE) for name in names) and not names & {"cpu", "memory"}:
        yield forbidden_field(where, "HugePages require cpu or memory")
    yield from _claims(stated, f"{where}.claims", claims)


def resource_name(name: str, where: str, *, of_container: bool) -> Iterator[FieldError]:
    """The name of a resource: a standard one, or one with a domain in front."""
    problems = list(qualified_name_problems(name))
    yield from (invalid_value(where, name, one) for one in problems)
    plain = "/" not in name and not name.startswith(_HUGE)
    if plain and not problems and name not in STANDARD:
        yield invalid_value(where, name, NO_STANDARD)
    if plain and of_container and name not in _COMPUTED:
        yield invalid_value(where, name, "must be a standard resource for containers")
    elif of_container and "/" in name and "kubernetes.io/" not in name and not is_extended(name):
        yield invalid_value(where, name, "doesn't follow extended resource name standard")


def is_extended(name: str) -> bool:
    """Whether a resource is one that somebody else counts: a device, say."""
    if "/" not in name or "kubernetes.io/" in name or name.startswith("requests."):
        return False
    return not list(qualified_name_problems(f"requests.{name}"))


def amount_errors(name: str, amount: Any, where: str) -> Iterator[FieldError]:
    """No amount is negative, and of what comes in pieces there is no fraction."""
    value = parse(amount)
    if value < 0:
        yield invalid_value(where, amount, NOT_NEGATIVE)
    if (name in COUNTED or is_extended(name)) and value.denominator != 1:
        yield invalid_value(where, amount, NO_INTEGER)


def _with_limit(name: str, amount: Any, limits: Object, where: str) -> Iterator[FieldError]:
    shared = name.startswith(_HUGE) or is_extended(name)  # of these nothing is given out twice
    if name not in limits:
        if shared:
            yield required(f"{where}.limits", "Limit must be set for non overcommitable resources")
        return
    limit = limits[name]
    if shared and parse(amount) != parse(limit):
        yield invalid_value(f"{where}.requests", amount, f"must be equal to {name} limit of {limit}")
    elif parse(amount) > parse(limit):
        yield invalid_value(f"{where}.requests", amount, f"must be less than or equal to {name} limit of {limit}")


def _huge_pages(name: str, amount: Any, where: str) -> Iterator[FieldError]:
    size = parse(name.removeprefix(_HUGE))
    if size and parse(amount) % size:
        yield invalid_value(where, amount, f"{amount} is not positive integer multiple of {name}")


def _claims(stated: Object, where: str, known: list[str]) -> Iterator[FieldError]:
    for index, claim in enumerate(items_at(stated, "claims")):
        if not claim.get("name"):
            yield required(f"{where}[{index}]")
        elif claim["name"] not in known:
            which = "which is empty" if not known else f"which are [{' '.join(known)}]"
            found = not_found_value(f"{where}[{index}]", claim["name"])
            detail = f"{found.message}: must be one of the names in pod.spec.resourceClaims {which}"
            yield FieldError(found.field, found.reason, detail)


def resize_policies(container: Object, where: str, *, restart_policy: str) -> Iterator[FieldError]:
    """Complaints about what happens to the container when its resources change."""
    seen: set[str] = set()
    for index, one in enumerate(items_at(container, "resizePolicy")):
        resource, policy = str(one.get("resourceName") or ""), str(one.get("restartPolicy") or "")
        if resource in seen:
            yield duplicate(f"{where}[{index}]", resource)
        seen.add(resource)
        for word, words in ((resource, _RESIZED), (policy, _RESIZE_POLICIES)):
            if not word:
                yield required(where)
            elif word not in words:
                yield unsupported(where, word, words)
        if restart_policy == "Never" and policy != "NotRequired":
            yield invalid_value(where, policy, "must be 'NotRequired' when pod `restartPolicy` is 'Never'")
