"""What the API server refuses in a pod's spec, alone or inside a template (`pkg/apis/core/validation`, Kubernetes
v1.36), in the order in which it says so.

Owns the order and what stands beside volumes, containers and placement. Left out are resource claims, Windows' own
fields but the security context, and what feature gates of alpha quality would add.
"""

from collections.abc import Iterator, Set

from simulator.apiserver.field_errors import FieldError, duplicate, forbidden_field, invalid_value, required
from simulator.apiserver.names import (
    dns_label_problems,
    label_errors,
    qualified_name_problems,
    subdomain_problems,
)
from simulator.apiserver.objects import Object, items_at
from simulator.apiserver.strategies.forms import address_problems, between, fits, one_of
from simulator.apiserver.strategies.pod_containers import InPod, containers, only_in_pods
from simulator.apiserver.strategies.pod_dns import dns_settings
from simulator.apiserver.strategies.pod_placement import affinity, spread_constraints, tolerations
from simulator.apiserver.strategies.pod_volumes import volumes as volume_errors
from simulator.apiserver.strategies.security_contexts import pod_security, user_namespace

_RESTART_POLICIES = ("Always", "OnFailure", "Never")
_DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_LONGEST_SECONDS = 2**31 - 1
_SYSTEMS = ("linux", "windows")
_NOT_ON_WINDOWS = (
    "appArmorProfile", "seLinuxOptions", "seccompProfile", "fsGroup", "fsGroupChangePolicy", "sysctls", "runAsUser",
    "runAsGroup", "supplementalGroups", "supplementalGroupsPolicy",
)  # fmt: skip


def validate_pod_spec(spec: Object, path: str, *, volumes: Set[str] = frozenset()) -> Iterator[FieldError]:
    """Every complaint about a pod spec; `path` is where it stands ("spec" or "spec.template.spec").

    `volumes` are names that may be mounted beside the spec's own volumes.
    """
    errors, usable = volume_errors(spec, f"{path}.volumes")
    yield from errors
    yield from containers(spec, path, _in_pod(spec, dict.fromkeys(volumes, "persistentVolumeClaim") | usable))
    if spec.get("hostNetwork"):
        yield from _host_ports(spec, f"{path}.containers", in_pod=path == "spec")
    if not spec.get("restartPolicy"):
        yield required(f"{path}.restartPolicy")
    else:
        yield from one_of(spec["restartPolicy"], f"{path}.restartPolicy", _RESTART_POLICIES)
    yield from one_of(spec.get("dnsPolicy") or None, f"{path}.dnsPolicy", _DNS_POLICIES)
    yield from label_errors(spec.get("nodeSelector"), f"{path}.nodeSelector")
    yield from pod_security(spec, path)
    yield from affinity(spec.get("affinity"), f"{path}.affinity")
    yield from dns_settings(spec, f"{path}.dnsConfig")
    yield from _gates(spec, path)
    yield from spread_constraints(spec, f"{path}.topologySpreadConstraints")
    yield from user_namespace(spec, path)
    yield from _names(spec, path)
    yield from tolerations(spec, f"{path}.tolerations")
    yield from _host_aliases(spec, f"{path}.hostAliases")
    for field in ("priorityClassName", "runtimeClassName"):
        yield from fits(spec[field], f"{path}.{field}", subdomain_problems) if spec.get(field) else ()
    yield from one_of(spec.get("preemptionPolicy"), f"{path}.preemptionPolicy", ("PreemptLowerPriority", "Never"))
    if spec.get("os") is not None:
        yield from _system(spec, path)
    if path == "spec":
        yield from only_in_pods(spec, path)


def _in_pod(spec: Object, usable: dict[str, str]) -> InPod:
    return InPod(
        volumes=usable,
        claims=[str(one.get("name")) for one in items_at(spec, "resourceClaims")],
        restart_policy=str(spec.get("restartPolicy")),
        grace_seconds=int(spec.get("terminationGracePeriodSeconds") or 0),
        host_users=spec.get("hostUsers") is not False,
    )


def _host_ports(spec: Object, where: str, *, in_pod: bool) -> Iterator[FieldError]:
    for index, container in enumerate(items_at(spec, "containers")):
        for place, port in enumerate(items_at(container, "ports")):
            number = port.get("hostPort") or 0
            if (in_pod or number) and number != port.get("containerPort"):
                why = "must match `containerPort` when `hostNetwork` is true"
                yield invalid_value(f"{where}[{index}].ports[{place}].hostPort", number, why)


def _gates(spec: Object, path: str) -> Iterator[FieldError]:
    for index, gate in enumerate(items_at(spec, "readinessGates")):
        where = f"{path}.readinessGates[{index}].conditionType"
        yield from fits(gate.get("conditionType") or "", where, qualified_name_problems)
    seen: set[str] = set()
    for index, gate in enumerate(items_at(spec, "schedulingGates")):
        name, where = str(gate.get("name") or ""), f"{path}.schedulingGates[{index}]"
        yield from fits(name, where, qualified_name_problems)
        if name in seen:
            yield duplicate(where, name)
        seen.add(name)


def _names(spec: Object, path: str) -> Iterator[FieldError]:
    """Names of other objects, of the pod itself, and how long it may run."""
    for field in ("serviceAccountName", "nodeName"):
        yield from fits(spec[field], f"{path}.{field}", subdomain_problems) if spec.get(field) else ()
    seconds = spec.get("activeDeadlineSeconds")
    yield from between(seconds, f"{path}.activeDeadlineSeconds", 1, _LONGEST_SECONDS)
    for field in ("hostname", "subdomain"):
        yield from fits(spec[field], f"{path}.{field}", dns_label_problems) if spec.get(field) else ()


def _host_aliases(spec: Object, where: str) -> Iterator[FieldError]:
    for index, alias in enumerate(items_at(spec, "hostAliases")):
        yield from fits(alias.get("ip") or "", f"{where}[{index}].ip", address_problems)
        for place, name in enumerate(alias.get("hostnames") or ()):
            yield from fits(name, f"{where}[{index}].hostnames[{place}]", subdomain_problems)


def _system(spec: Object, path: str) -> Iterator[FieldError]:
    name = spec["os"].get("name")
    if not name:
        yield required(f"{path}.os.name")
        return
    yield from one_of(name, f"{path}.os", _SYSTEMS)
    context = spec.get("securityContext") or {}
    for field in (one for one in _NOT_ON_WINDOWS if name == "windows" and context.get(one) is not None):
        yield forbidden_field(f"{path}.securityContext.{field}", "cannot be set for a windows pod")


def only_on_create(spec: Object) -> Iterator[FieldError]:
    """What a new pod may not have yet."""
    if spec.get("ephemeralContainers"):
        yield forbidden_field("spec.ephemeralContainers", "cannot be set on create")
    if spec.get("nodeName") and spec.get("schedulingGates"):
        yield forbidden_field("spec.nodeName", "cannot be set until all schedulingGates have been cleared")
