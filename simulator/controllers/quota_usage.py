"""How much of a ResourceQuota the objects of its namespace use. Pure.

After pkg/quota/v1/evaluator/core in Kubernetes v1.36. Pods that have ended use nothing but ``count/pods``; the
scopes of a quota choose among pods.
"""

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from simulator.informer import Object
from simulator.quantities import canonical, parse

_PLAIN = ("cpu", "memory", "ephemeral-storage")
_STORAGE_CLASS = ".storageclass.storage.k8s.io/"
_COUNTED = {
    "configmaps": "configmaps",
    "secrets": "secrets",
    "services": "services",
    "persistentvolumeclaims": "persistentvolumeclaims",
    "replicationcontrollers": "replicationcontrollers",
    "resourcequotas": "resourcequotas",
}


def plural_of(resource: str) -> str:
    """The ``plural`` or ``plural.group`` whose objects a quota entry counts or sums."""
    if resource.startswith("count/"):
        return resource.removeprefix("count/")
    if resource in _COUNTED:
        return resource
    if resource.startswith("services."):
        return "services"
    if resource == "requests.storage" or _STORAGE_CLASS in resource:
        return "persistentvolumeclaims"
    return "pods"


def usage(quota: Object, resource: str, objects: Iterable[Object]) -> str:
    """What ``objects`` (those of ``plural_of``) use of one entry, as a quantity."""
    items = list(objects)
    if resource.startswith("count/") or resource in _COUNTED:
        return str(len(items))
    kind = plural_of(resource)
    if kind == "services":
        return str(sum(_ports(item, resource) for item in items))
    if kind == "persistentvolumeclaims":
        return _claims(resource, items)
    pods = [pod for pod in items if _is_running(pod) and _in_scope(quota, pod)]
    if resource == "pods":
        return str(len(pods))
    field, _, name = resource.partition(".")
    if resource in _PLAIN or field not in ("requests", "limits"):
        field, name = "requests", resource
    return total(amount for pod in pods for amount in pod_amounts(pod, field, name))


def total(amounts: Iterable[str]) -> str:
    """The sum, in the suffix family of the first amount that is not zero."""
    texts = [text for text in map(str, amounts) if parse(text)]
    whole = sum((parse(text) for text in texts), Fraction(0))
    if not texts:
        return "0"
    if texts[0].endswith("i") and whole.denominator == 1 and whole >= 1024:
        return canonical(f"{Fraction(whole, 1024)}Ki") if whole % 1024 == 0 else str(whole)
    return canonical(str(whole)) if whole.denominator == 1 else canonical(f"{-(-whole * 1000 // 1)}m")


def pod_amounts(pod: Object, field: str, name: str) -> list[str]:
    """What a pod asks of one resource: all containers with the sidecars, or the largest init container."""
    spec = pod["spec"]
    steady = [_amount(item, field, name) for item in spec["containers"]]
    starting = "0"
    for item in spec.get("initContainers") or ():
        own = _amount(item, field, name)
        if item.get("restartPolicy") == "Always":
            steady.append(own)
        elif parse(own) > parse(starting):
            starting = own
    running = sum((parse(text) for text in steady), Fraction(0))
    found = steady if running >= parse(starting) else [starting]
    overhead = (spec.get("overhead") or {}).get(name)
    return [*found, str(overhead)] if overhead and field == "requests" else found


def _amount(container: dict[str, Any], field: str, name: str) -> str:
    return str(((container.get("resources") or {}).get(field) or {}).get(name, "0"))


def _is_running(pod: Object) -> bool:
    return pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")


def _ports(service: Object, resource: str) -> int:
    kind, ports = service["spec"].get("type", "ClusterIP"), len(service["spec"].get("ports") or ())
    if resource == "services.loadbalancers":
        return int(kind == "LoadBalancer")
    if kind == "NodePort":
        return ports
    if kind == "LoadBalancer":
        return ports if service["spec"].get("allocateLoadBalancerNodePorts", True) else 0
    return 0


def _claims(resource: str, claims: list[Object]) -> str:
    if _STORAGE_CLASS in resource:
        name, _, resource = resource.partition(_STORAGE_CLASS)
        claims = [item for item in claims if item["spec"].get("storageClassName") == name]
    if resource == "persistentvolumeclaims":
        return str(len(claims))
    return total(((item["spec"].get("resources") or {}).get("requests") or {}).get("storage", "0") for item in claims)


def _in_scope(quota: Object, pod: Object) -> bool:
    spec = quota["spec"]
    named = [{"scopeName": scope, "operator": "Exists"} for scope in spec.get("scopes") or ()]
    chosen = (spec.get("scopeSelector") or {}).get("matchExpressions") or []
    return all(_scope_holds(item, pod) for item in [*named, *chosen])


def _scope_holds(item: dict[str, Any], pod: Object) -> bool:
    spec = pod["spec"]
    limited = spec.get("activeDeadlineSeconds") is not None
    best_effort = not any(
        (container.get("resources") or {}).get(field)
        for container in [*spec["containers"], *(spec.get("initContainers") or ())]
        for field in ("requests", "limits")
    )
    affine = any((spec.get("affinity") or {}).get(kind) for kind in ("podAffinity", "podAntiAffinity"))
    fixed = {
        "Terminating": limited,
        "NotTerminating": not limited,
        "BestEffort": best_effort,
        "NotBestEffort": not best_effort,
        "CrossNamespacePodAffinity": affine,
    }
    if item["scopeName"] in fixed:
        return fixed[item["scopeName"]]
    name, values = spec.get("priorityClassName") or "", item.get("values") or ()
    match item["operator"]:
        case "In":
            return name in values
        case "NotIn":
            return name not in values
        case "Exists":
            return bool(name)
    return not name
