"""Services: defaults, cluster addresses and node ports (`pkg/registry/core/service`, Kubernetes v1.36,
one IPv4 family).

Addresses and ports are chosen by `allocate`, which is given what is taken: the store is not known here.
"""

from collections.abc import Iterator, Set
from ipaddress import IPv4Network
from random import Random

from simulator.apiserver.field_errors import FieldError, duplicate, invalid_value, required, unsupported
from simulator.apiserver.objects import Object, at, items_at
from simulator.apiserver.strategies.strategy import Strategy

SERVICE_NETWORK = IPv4Network("10.96.0.0/16")
_NODE_PORTS = range(30000, 32768)
_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")


def _default(service: Object) -> None:
    spec = service.setdefault("spec", {})
    spec["type"] = spec.get("type") or "ClusterIP"
    spec["sessionAffinity"] = spec.get("sessionAffinity") or "None"
    for port in spec.get("ports") or ():
        port["protocol"] = port.get("protocol") or "TCP"
        if port.get("targetPort") in (None, 0, ""):
            port["targetPort"] = port.get("port")
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
    if spec["type"] != "ExternalName":
        if not spec.get("clusterIP"):
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


def _update(new: Object, old: Object) -> None:
    """An update that leaves out the allocated parts keeps them."""
    spec, before = new["spec"], old.get("spec") or {}
    if spec["type"] == "ExternalName":
        return
    if not spec.get("clusterIP") and before.get("clusterIP"):
        spec["clusterIP"] = before["clusterIP"]
        spec["clusterIPs"] = before.get("clusterIPs")
    if not _has_node_ports(spec):
        for port in spec.get("ports") or ():
            port.pop("nodePort", None)
        return
    known = {port.get("port"): port.get("nodePort") for port in items_at(old, "spec.ports")}
    for port in spec.get("ports") or ():
        if not port.get("nodePort") and known.get(port.get("port")):
            port["nodePort"] = known[port["port"]]


def _validate(service: Object) -> Iterator[FieldError]:
    spec = service["spec"]
    ports = spec.get("ports") or []
    if spec["type"] not in _TYPES:
        yield unsupported("spec.type", spec["type"], _TYPES)
    if not ports and spec["type"] != "ExternalName" and spec.get("clusterIP") != "None":
        yield required("spec.ports")
    if spec["type"] == "ExternalName" and not spec.get("externalName"):
        yield required("spec.externalName")
    seen: set[tuple[str, int]] = set()
    for index, port in enumerate(ports):
        where = f"spec.ports[{index}]"
        yield from _port(port, where, must_have_name=len(ports) > 1)
        if (port["protocol"], port.get("port")) in seen:
            yield duplicate(where, {"port": port.get("port"), "protocol": port["protocol"]})
        seen.add((port["protocol"], port.get("port")))


def _port(port: Object, where: str, *, must_have_name: bool) -> Iterator[FieldError]:
    if must_have_name and not port.get("name"):
        yield required(f"{where}.name")
    for field in ("port", "targetPort"):
        number = port.get(field)
        if isinstance(number, int) and not 1 <= number <= 65535:
            yield invalid_value(f"{where}.{field}", number, "must be between 1 and 65535, inclusive")
    if port.get("port") is None:
        yield invalid_value(f"{where}.port", 0, "must be between 1 and 65535, inclusive")
    if port["protocol"] not in ("TCP", "UDP", "SCTP"):
        yield unsupported(f"{where}.protocol", port["protocol"], ("SCTP", "TCP", "UDP"))


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
    validate=_validate,
    validate_update=_validate_update,
)
