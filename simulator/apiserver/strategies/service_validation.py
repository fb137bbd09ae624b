"""What the API server refuses in a Service (`pkg/apis/core/validation`, Kubernetes v1.36, a cluster of IPv4 alone)."""

from collections.abc import Iterator

from simulator.apiserver.field_errors import (
    FieldError,
    duplicate,
    forbidden_field,
    invalid_value,
    required,
)
from simulator.apiserver.names import dns_label_problems, label_errors, qualified_name_problems, subdomain_problems
from simulator.apiserver.objects import Object, at, items_at
from simulator.apiserver.strategies.forms import (
    PROTOCOLS,
    address_problems,
    between,
    cidr_problems,
    fits,
    one_of,
    port_number_or_name,
)

_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_FAMILY_POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")
_DISTRIBUTIONS = ("PreferClose", "PreferSameZone", "PreferSameNode")
_TRAFFIC = ("Cluster", "Local")
_MOST_SECONDS = 86400
_ONLY_BALANCERS = "may only be used when `type` is 'LoadBalancer'"


def service_errors(service: Object) -> Iterator[FieldError]:
    """Every complaint about a Service."""
    spec = service["spec"]
    kind, headless = spec["type"], spec.get("clusterIP") == "None"
    if not spec.get("ports") and not headless and kind != "ExternalName":
        yield required("spec.ports")
    if headless and kind in ("LoadBalancer", "NodePort"):
        yield invalid_value("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {kind} services")
    if kind == "ExternalName":
        yield from _external_name(spec)
    yield from _ports(spec)
    yield from label_errors(spec.get("selector"), "spec.selector")
    yield from _affinity(spec)
    if kind != "ExternalName":
        yield from _addresses(spec)
    for index, address in enumerate(spec.get("externalIPs") or ()):
        yield from fits(address, f"spec.externalIPs[{index}]", address_problems)
    yield from one_of(kind, "spec.type", _TYPES)
    yield from _repeated_ports(spec)
    yield from _only_of_balancers(spec)
    yield from _traffic(spec)


def _external_name(spec: Object) -> Iterator[FieldError]:
    if spec.get("clusterIP") or spec.get("clusterIPs"):
        yield forbidden_field("spec.clusterIPs", "may not be set for ExternalName services")
    for field in ("ipFamilies", "ipFamilyPolicy"):
        if spec.get(field):
            yield forbidden_field(f"spec.{field}", "may not be set for ExternalName services")
    name = str(spec.get("externalName") or "").removesuffix(".")
    if not name:
        yield required("spec.externalName")
    else:
        yield from fits(name, "spec.externalName", subdomain_problems)


def _ports(spec: Object) -> Iterator[FieldError]:
    ports, names = list(items_at(spec, "ports")), set[str]()
    for index, one in enumerate(ports):
        where, name = f"spec.ports[{index}]", one.get("name")
        if name:
            yield from fits(name, f"{where}.name", dns_label_problems)
            if name in names:
                yield duplicate(f"{where}.name", name)
            names.add(name)
        elif len(ports) > 1:
            yield required(f"{where}.name")
        yield from between(one.get("port") or 0, f"{where}.port", 1, 65535)
        yield from one_of(one["protocol"], f"{where}.protocol", PROTOCOLS)
        yield from port_number_or_name(one.get("targetPort"), f"{where}.targetPort")
        if one.get("appProtocol") is not None:
            yield from fits(one["appProtocol"], f"{where}.appProtocol", qualified_name_problems)


def _repeated_ports(spec: Object) -> Iterator[FieldError]:
    ports = list(items_at(spec, "ports"))
    for index, one in enumerate(ports):
        if spec["type"] == "ClusterIP" and one.get("nodePort"):
            yield forbidden_field(f"spec.ports[{index}].nodePort", "may not be used when `type` is 'ClusterIP'")
    for index, one in enumerate(ports):
        if any((other["protocol"], other.get("port")) == (one["protocol"], one.get("port")) for other in ports[:index]):
            shown = {"Name": "", "Protocol": one["protocol"], "AppProtocol": None, "Port": one.get("port")}
            yield duplicate(f"spec.ports[{index}]", {**shown, "TargetPort": 0, "NodePort": 0})


def _affinity(spec: Object) -> Iterator[FieldError]:
    affinity = spec["sessionAffinity"]
    yield from one_of(affinity, "spec.sessionAffinity", ("ClientIP", "None"))
    seconds = at(spec, "sessionAffinityConfig.clientIP.timeoutSeconds")
    if affinity == "ClientIP" and seconds is not None and not 0 < seconds <= _MOST_SECONDS:
        why = f"must be greater than 0 and less than {_MOST_SECONDS}"
        yield invalid_value("spec.sessionAffinityConfig.clientIP.timeoutSeconds", seconds, why)


def _addresses(spec: Object) -> Iterator[FieldError]:
    single, listed = spec.get("clusterIP") or "", spec.get("clusterIPs") or []
    if single and listed and listed[0] != single:
        yield invalid_value("spec.clusterIPs", listed, "first value must match `clusterIP`")
    elif listed and not single:
        yield invalid_value("spec.clusterIPs", listed, "must be empty when `clusterIP` is not specified")
    for index, family in enumerate(spec.get("ipFamilies") or ()):
        yield from one_of(family, f"spec.ipFamilies[{index}]", ("IPv4", "IPv6"))
    yield from one_of(spec.get("ipFamilyPolicy"), "spec.ipFamilyPolicy", _FAMILY_POLICIES)
    for index, address in enumerate(listed or ([single] if single else [])):
        if address != "None":
            yield from fits(address, f"spec.clusterIPs[{index}]", address_problems)


def _only_of_balancers(spec: Object) -> Iterator[FieldError]:
    balancer, ranges = spec["type"] == "LoadBalancer", spec.get("loadBalancerSourceRanges") or ()
    where = "spec.LoadBalancerSourceRanges"  # as the real server spells it
    if ranges and not balancer:
        yield forbidden_field(where, _ONLY_BALANCERS)
    for index, one in enumerate(ranges):
        yield from fits(one.strip(), f"{where}[{index}]", cidr_problems)
    for field in ("allocateLoadBalancerNodePorts", "loadBalancerClass"):
        if spec.get(field) is not None and not balancer:
            yield forbidden_field(f"spec.{field}", _ONLY_BALANCERS)


def _traffic(spec: Object) -> Iterator[FieldError]:
    outside, inside, health = (
        spec.get(field) for field in ("externalTrafficPolicy", "internalTrafficPolicy", "healthCheckNodePort")
    )
    reachable = spec["type"] in ("LoadBalancer", "NodePort") or bool(spec.get("externalIPs"))
    if outside and not reachable:
        why = "may only be set for externally-accessible services"
        yield invalid_value("spec.externalTrafficPolicy", outside, why)
    elif reachable:
        yield from one_of(outside, "spec.externalTrafficPolicy", _TRAFFIC)
    if health and not (spec["type"] == "LoadBalancer" and outside == "Local"):
        why = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        yield invalid_value("spec.healthCheckNodePort", health, why)
    yield from one_of(inside, "spec.internalTrafficPolicy", _TRAFFIC)
    yield from one_of(spec.get("trafficDistribution"), "spec.trafficDistribution", _DISTRIBUTIONS)
