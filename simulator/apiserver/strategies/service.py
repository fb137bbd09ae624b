"""Services: defaults, cluster addresses and node ports (`pkg/registry/core/service`, Kubernetes v1.36,
one IPv4 family).

Addresses and ports are chosen by `allocate`, which is given what is taken: the store is not known here.
"""

from collections.abc import Iterator, Set
from ipaddress import IPv4Network, ip_address
from random import Random

from simulator.apiserver.field_errors import FieldError, invalid_value
from simulator.apiserver.objects import Object, at, items_at
from simulator.apiserver.strategies.service_validation import service_errors
from simulator.apiserver.strategies.strategy import Strategy

SERVICE_NETWORK = IPv4Network("10.96.0.0/16")
_NODE_PORTS = range(30000, 32768)
_AFFINITY_SECONDS = 10800


def _default(service: Object) -> None:
    spec = service.setdefault("spec", {})
    spec["type"] = spec.get("type") or "ClusterIP"
    spec["sessionAffinity"] = spec.get("sessionAffinity") or "None"
    for port in spec.get("ports") or ():
        port["protocol"] = port.get("protocol") or "TCP"
        if port.get("targetPort") in (None, 0, ""):
            port["targetPort"] = port.get("port")
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    if spec["sessionAffinity"] == "ClientIP":
        client = spec.setdefault("sessionAffinityConfig", {}).setdefault("clientIP", {})
        client.setdefault("timeoutSeconds", _AFFINITY_SECONDS)
    if spec.get("clusterIP") and not spec.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"]]
    if spec["type"] == "ExternalName":
        return
    spec.setdefault("internalTrafficPolicy", "Cluster")
    spec.setdefault("ipFamilies", ["IPv4"])
    spec.setdefault("ipFamilyPolicy", "SingleStack")
    if _has_node_ports(spec):
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if spec["type"] == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)


def _create(service: Object) -> None:
    service["status"] = {"loadBalancer": {}}


def _has_node_ports(spec: Object) -> bool:
    return spec.get("type") in ("NodePort", "LoadBalancer")


def taken(services: Iterator[Object]) -> tuple[set[str], set[int]]:
    """The cluster addresses and node ports in use."""
    addresses: set[str] = set()
    ports: set[int] = set()
    for service in services:
        addresses.add(str(at(service, "spec.clusterIP")))
        ports.update(port["nodePort"] for port in items_at(service, "spec.ports") if port.get("nodePort"))
    return addresses, ports


def allocate(service: Object, addresses: Set[str], node_ports: Set[int], rng: Random) -> None:
    """Gives the service an address and its node ports where it needs and lacks them."""
    spec = service["spec"]
    if spec["type"] != "ExternalName" and not spec.get("clusterIP") and not spec.get("clusterIPs"):
        free = (str(SERVICE_NETWORK[rng.randrange(256, SERVICE_NETWORK.num_addresses - 1)]) for _ in iter(int, 1))
        spec["clusterIP"] = next(one for one in free if one not in addresses)
        spec["clusterIPs"] = [spec["clusterIP"]]
    if not _has_node_ports(spec):
        return
    in_use = set(node_ports)
    for port in spec.get("ports") or ():
        if not port.get("nodePort"):
            port["nodePort"] = next(one for one in _NODE_PORTS if one not in in_use)
        in_use.add(port["nodePort"])


def allocation_errors(
    service: Object, addresses: Set[str], node_ports: Set[int], *, dry_run: bool
) -> Iterator[FieldError]:
    """What of the addresses and ports that a valid service asks for it cannot have.

    A dry run takes nothing, so that it does not meet what others have taken.
    """
    spec = service["spec"]
    if spec["type"] == "ExternalName":
        return
    yield from _family_errors(spec)
    address, listed = spec.get("clusterIP"), spec.get("clusterIPs")
    if address and address != "None":
        found = ip_address(address)
        if found.version != SERVICE_NETWORK.version:
            yield invalid_value("spec.clusterIPs[0]", listed, "IPv6 is not configured on this cluster")
        elif found not in SERVICE_NETWORK:
            why = f"the provided IP ({address}) is not in the valid range. The range of valid IPs is {SERVICE_NETWORK}"
            yield invalid_value("spec.clusterIPs", listed, f"failed to allocate IP {address}: {why}")
        elif address in addresses and not dry_run:
            why = f"failed to allocate IP {address}: provided IP is already allocated"
            yield invalid_value("spec.clusterIPs", listed, why)
    if _has_node_ports(spec):
        yield from _node_port_errors(spec, node_ports, dry_run=dry_run)


def _family_errors(spec: Object) -> Iterator[FieldError]:
    for index, family in enumerate(spec.get("ipFamilies") or ()):
        if family != "IPv4":
            yield invalid_value(f"spec.ipFamilies[{index}]", family, "not configured on this cluster")
    if spec.get("ipFamilyPolicy") == "RequireDualStack":
        why = "this cluster is not configured for dual-stack services"
        yield invalid_value("spec.ipFamilyPolicy", "RequireDualStack", why)


def _node_port_errors(spec: Object, node_ports: Set[int], *, dry_run: bool) -> Iterator[FieldError]:
    seen: set[tuple[int, str]] = set()
    for index, port in enumerate(items_at(spec, "ports")):
        number, where = port.get("nodePort") or 0, f"spec.ports[{index}].nodePort"
        if (number, port["protocol"]) in seen or (number in node_ports and not dry_run):
            yield invalid_value(where, number, "provided port is already allocated")
        elif number not in _NODE_PORTS and number and not dry_run:
            ports = f"{_NODE_PORTS.start}-{_NODE_PORTS.stop - 1}"
            why = f"provided port is not in the valid range. The range of valid ports is {ports}"
            yield invalid_value(where, number, why)
        seen.add((number, port["protocol"]))


def _update(new: Object, old: Object) -> None:
    """An update that leaves out the allocated parts keeps them; what another type has no use for goes."""
    spec, before = new["spec"], old.get("spec") or {}
    _pair_addresses(spec, before)
    _drop_unused(spec, before)
    if spec["type"] == "ExternalName":
        return
    if not spec.get("clusterIP") and before.get("clusterIP"):
        spec["clusterIP"] = before["clusterIP"]
        spec["clusterIPs"] = before.get("clusterIPs")
    if not _has_node_ports(spec):
        return
    known = {port.get("port"): port.get("nodePort") for port in items_at(old, "spec.ports")}
    for port in spec.get("ports") or ():
        if not port.get("nodePort") and known.get(port.get("port")):
            port["nodePort"] = known[port["port"]]


def _pair_addresses(spec: Object, before: Object) -> None:
    """`clusterIP` is the first of `clusterIPs`; who changes it alone means both."""
    if spec.get("clusterIP") != before.get("clusterIP") and spec.get("clusterIPs") == before.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"]] if spec.get("clusterIP") else []


def _drop_unused(spec: Object, before: Object) -> None:
    def drop(*fields: str) -> None:
        for field in fields:
            if field in spec and spec[field] == before.get(field):
                del spec[field]

    if spec["type"] == "ExternalName":
        drop("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy")
    if spec["type"] != "LoadBalancer":
        drop("allocateLoadBalancerNodePorts", "loadBalancerClass", "healthCheckNodePort")
    if _has_node_ports(spec) or not _has_node_ports(before):
        return
    if not spec.get("externalIPs"):
        drop("externalTrafficPolicy")
    known = {port.get("nodePort") for port in before.get("ports") or ()}
    for port in spec.get("ports") or ():
        if port.get("nodePort") in known:
            port.pop("nodePort", None)


def _validate_update(new: Object, old: Object) -> Iterator[FieldError]:
    before, after = at(old, "spec.clusterIP"), at(new, "spec.clusterIP")
    external = "ExternalName" in (at(old, "spec.type"), at(new, "spec.type"))
    if before and before != after and not external:
        detail = "may not change once set"
        yield invalid_value("spec.clusterIPs[0]", [after], detail)


SERVICE = Strategy(
    default=_default,
    create=_create,
    update=_update,
    validate=service_errors,
    validate_update=_validate_update,
)
