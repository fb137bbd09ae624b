"""Ingresses, network policies and endpoints (`pkg/apis/networking`, `pkg/apis/core`, Kubernetes v1.36)."""

from collections.abc import Iterator
from ipaddress import ip_network

from simulator.apiserver.field_errors import (
    FieldError,
    forbidden_field,
    immutable,
    invalid_value,
    required,
)
from simulator.apiserver.names import SUBDOMAIN_FORM, dns_label_problems, is_subdomain, subdomain_problems
from simulator.apiserver.objects import Object, at, items_at, metadata
from simulator.apiserver.strategies.forms import (
    address_problems,
    between,
    cidr_problems,
    domain_path_problems,
    fits,
    label_selector,
    one_of,
    port_name_problems,
    port_number_or_name,
    present,
)
from simulator.apiserver.strategies.plain import content_generation, drop_status
from simulator.apiserver.strategies.strategy import Strategy, spec_generation

_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_NOT_IN_PATHS = ("//", "/./", "/../", "%2f", "%2F")
_WILDCARD_MESSAGE = (
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of "
    "lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', "
    rf"regex used for validation is '\*\.{SUBDOMAIN_FORM}')"
)
_POLICY_TYPES = ("Ingress", "Egress")


def _create_ingress(obj: Object) -> None:
    obj["status"] = {"loadBalancer": {}}


def _validate_ingress(obj: Object) -> Iterator[FieldError]:
    spec = obj["spec"]
    backend = spec.get("defaultBackend")
    if not spec.get("rules") and backend is None:
        yield invalid_value("spec", spec.get("rules"), "either `defaultBackend` or `rules` must be specified")
    if backend is not None:
        yield from _validate_backend(backend, "spec.defaultBackend")
    for index, rule in enumerate(items_at(spec, "rules")):
        where = f"spec.rules[{index}]"
        yield from _validate_host(rule.get("host") or "", f"{where}.host", may_be_address=False)
        http = rule.get("http")
        if http is None:
            continue
        if not http.get("paths"):
            yield required(f"{where}.http.paths")
        for place, path in enumerate(items_at(http, "paths")):
            yield from _validate_path(path, f"{where}.http.paths[{place}]")
    for index, tls in enumerate(items_at(spec, "tls")):
        for place, host in enumerate(tls.get("hosts") or ()):
            yield from _validate_host(host, f"spec.tls[{index}].hosts[{place}]", may_be_address=True)
        if tls.get("secretName"):
            yield from fits(tls["secretName"], f"spec.tls[{index}].secretName", subdomain_problems)
    if spec.get("ingressClassName") is not None:
        yield from fits(spec["ingressClassName"], "spec.ingressClassName", subdomain_problems)


def _validate_host(host: str, where: str, *, may_be_address: bool) -> Iterator[FieldError]:
    if not host:
        return
    if not may_be_address and not list(address_problems(host)):
        yield invalid_value(where, host, "must be a DNS name, not an IP address")
    if "*" in host:
        if not host.startswith("*.") or not is_subdomain(host.removeprefix("*.")):
            yield invalid_value(where, host, _WILDCARD_MESSAGE)
    else:
        yield from fits(host, where, subdomain_problems)


def _validate_path(path: Object, where: str) -> Iterator[FieldError]:
    kind, text = path.get("pathType"), path.get("path") or ""
    if kind is None:
        yield required(f"{where}.pathType", "pathType must be specified")
        return
    yield from one_of(kind, f"{where}.pathType", _PATH_TYPES)
    if kind in ("Exact", "Prefix"):
        if not text.startswith("/"):
            yield invalid_value(f"{where}.path", text, "must be an absolute path")
        for part in (one for one in _NOT_IN_PATHS if one in text):
            yield invalid_value(f"{where}.path", text, f"must not contain '{part}'")
        for part in (one for one in ("/..", "/.") if text.endswith(one)):
            yield invalid_value(f"{where}.path", text, f"cannot end with '{part}'")
    elif kind == "ImplementationSpecific" and text and not text.startswith("/"):
        yield invalid_value(f"{where}.path", text, "must be an absolute path")
    yield from _validate_backend(path.get("backend") or {}, f"{where}.backend")


def _validate_backend(backend: Object, where: str) -> Iterator[FieldError]:
    service, resource = backend.get("service"), backend.get("resource")
    if service is not None and resource is not None:
        yield invalid_value(where, "", "cannot set both resource and service backends")
    elif service is not None:
        yield from present(service.get("name"), f"{where}.service.name", dns_label_problems)
        yield from _validate_backend_port(service.get("port") or {}, where)
    elif resource is None:
        yield invalid_value(where, "", "resource or service backend is required")


def _validate_backend_port(port: Object, where: str) -> Iterator[FieldError]:
    name, number = port.get("name"), port.get("number")
    if name and number:
        yield invalid_value(where, "", "cannot set both port name & port number")
    elif name:
        yield from fits(name, f"{where}.service.port.name", port_name_problems)
    elif number:
        yield from between(number, f"{where}.service.port.number", 1, 65535)
    else:
        yield required(where, "port name or number is required")


def _default_policy(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    for rule in (*(spec.get("ingress") or ()), *(spec.get("egress") or ())):
        for port in rule.get("ports") or ():
            port.setdefault("protocol", "TCP")
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", *(["Egress"] if spec.get("egress") else [])]


def _validate_policy(obj: Object) -> Iterator[FieldError]:
    spec = obj["spec"]
    yield from label_selector(spec.get("podSelector"), "spec.podSelector")
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for index, rule in enumerate(spec.get(direction) or ()):
            where = f"spec.{direction}[{index}]"
            for place, port in enumerate(rule.get("ports") or ()):
                yield from _validate_policy_port(port, f"{where}.ports[{place}]")
            for place, peer in enumerate(rule.get(peers) or ()):
                yield from _validate_peer(peer, f"{where}.{peers}[{place}]")
    words = spec["policyTypes"]
    if len(words) > len(_POLICY_TYPES):
        yield invalid_value("spec.policyTypes", words, "may not specify more than two policyTypes")
        return
    for index, word in enumerate(words):
        yield from one_of(word, f"spec.policyTypes[{index}]", _POLICY_TYPES)


def _validate_policy_port(stated: Object, where: str) -> Iterator[FieldError]:
    yield from one_of(stated.get("protocol"), f"{where}.protocol", ("TCP", "UDP", "SCTP"))
    first, last = stated.get("port"), stated.get("endPort")
    if first is None:
        if last is not None:
            yield invalid_value(f"{where}.endPort", last, "may not be specified when `port` is not specified")
        return
    if isinstance(first, str) and last is not None:
        yield invalid_value(f"{where}.endPort", last, "may not be specified when `port` is non-numeric")
    yield from port_number_or_name(first, f"{where}.port")
    if isinstance(first, int) and last is not None:
        if last < first:
            yield invalid_value(f"{where}.endPort", first, "must be greater than or equal to `port`")
        yield from between(last, f"{where}.endPort", 1, 65535)


def _validate_peer(peer: Object, where: str) -> Iterator[FieldError]:
    stated = [one for one in ("podSelector", "namespaceSelector", "ipBlock") if peer.get(one) is not None]
    for one in ("podSelector", "namespaceSelector"):
        yield from label_selector(peer.get(one), f"{where}.{one}")
    if "ipBlock" in stated:
        yield from _validate_block(peer["ipBlock"], f"{where}.ipBlock")
    if not stated:
        yield required(where, "must specify a peer")
    elif "ipBlock" in stated and len(stated) > 1:
        yield forbidden_field(where, "may not specify both ipBlock and another peer")


def _validate_block(block: Object, where: str) -> Iterator[FieldError]:
    cidr = block.get("cidr")
    if not cidr:
        yield required(f"{where}.cidr")
        return
    wrong = list(fits(cidr, f"{where}.cidr", cidr_problems))
    yield from wrong
    for index, one in enumerate(() if wrong else block.get("except") or ()):
        unreadable = list(fits(one, f"{where}.except[{index}]", cidr_problems))
        yield from unreadable
        if not unreadable and not _strictly_inside(one, cidr):
            yield invalid_value(f"{where}.except[{index}]", one, "must be a strict subset of `cidr`")


def _strictly_inside(inner: str, outer: str) -> bool:
    mine, whole = ip_network(inner, strict=False), ip_network(outer, strict=False)
    return mine.network_address in whole and mine.prefixlen > whole.prefixlen


def _validate_class(obj: Object) -> Iterator[FieldError]:
    yield from present(at(obj, "spec.controller"), "spec.controller", domain_path_problems)
    parameters = at(obj, "spec.parameters")
    for field in ("kind", "name") if parameters is not None else ():
        if not parameters.get(field):
            yield required(f"spec.parameters.{field}")


def _class_stays(new: Object, old: Object) -> Iterator[FieldError]:
    if at(new, "spec.controller") != at(old, "spec.controller"):
        yield immutable("spec.controller", at(new, "spec.controller"))


def _default_endpoints(obj: Object) -> None:
    for subset in obj.get("subsets") or ():
        for port in subset.get("ports") or ():
            port.setdefault("protocol", "TCP")


def _create_cidr(obj: Object) -> None:
    drop_status(obj)
    metadata(obj)["finalizers"] = ["networking.k8s.io/service-cidr-finalizer"]


INGRESS = Strategy(create=_create_ingress, validate=_validate_ingress, generation=spec_generation)
NETWORK_POLICY = Strategy(default=_default_policy, validate=_validate_policy, generation=spec_generation)
INGRESS_CLASS = Strategy(validate=_validate_class, validate_update=_class_stays, generation=content_generation)
ENDPOINTS = Strategy(default=_default_endpoints)
SERVICE_CIDR = Strategy(create=_create_cidr)
