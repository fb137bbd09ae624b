"""Ingresses, network policies and endpoints (`pkg/apis/networking`, `pkg/apis/core`, Kubernetes v1.36)."""

from collections.abc import Iterator

from simulator.apiserver.field_errors import (
    FieldError,
    forbidden_field,
    immutable,
    invalid_value,
    required,
    unsupported,
)
from simulator.apiserver.names import SUBDOMAIN_MESSAGE, is_subdomain
from simulator.apiserver.objects import Object, at, items_at, metadata
from simulator.apiserver.strategies.plain import content_generation, drop_status
from simulator.apiserver.strategies.strategy import Strategy, spec_generation

_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_POLICY_TYPES = ("Ingress", "Egress")


def _create_ingress(obj: Object) -> None:
    obj["status"] = {"loadBalancer": {}}


def _validate_ingress(obj: Object) -> Iterator[FieldError]:
    spec = obj["spec"]
    backend = spec.get("defaultBackend")
    if not spec.get("rules") and backend is None:
        yield invalid_value("spec", spec.get("rules"), "either `defaultBackend` or `rules` must be specified")
    for index, rule in enumerate(items_at(spec, "rules")):
        where = f"spec.rules[{index}]"
        yield from _validate_host(rule.get("host"), f"{where}.host")
        http = rule.get("http")
        if http is None:
            continue
        if not http.get("paths"):
            yield required(f"{where}.http.paths")
        for place, path in enumerate(items_at(http, "paths")):
            yield from _validate_path(path, f"{where}.http.paths[{place}]")
    if backend is not None:
        yield from _validate_backend(backend, "spec.defaultBackend")


def _validate_host(host: str | None, where: str) -> Iterator[FieldError]:
    if host and not is_subdomain(host.removeprefix("*.")):
        yield invalid_value(where, host, SUBDOMAIN_MESSAGE)


def _validate_path(path: Object, where: str) -> Iterator[FieldError]:
    kind, text = path.get("pathType"), path.get("path") or ""
    if kind is None:
        yield required(f"{where}.pathType", "pathType must be specified")
        return
    if kind not in _PATH_TYPES:
        yield unsupported(f"{where}.pathType", kind, _PATH_TYPES)
    elif (kind != "ImplementationSpecific" or text) and not text.startswith("/"):
        yield invalid_value(f"{where}.path", text, "must be an absolute path")
    yield from _validate_backend(path.get("backend") or {}, f"{where}.backend")


def _validate_backend(backend: Object, where: str) -> Iterator[FieldError]:
    service, resource = backend.get("service"), backend.get("resource")
    if service is not None and resource is not None:
        yield invalid_value(where, "", "cannot set both resource and service backends")
    elif service is None and resource is None:
        yield required(where, "resource or service backend is required")
    elif service is not None:
        if not service.get("name"):
            yield required(f"{where}.service.name")
        port = service.get("port") or {}
        if not port.get("name") and not port.get("number"):
            yield required(where, "port name or number is required")
        elif port.get("name") and port.get("number"):
            yield invalid_value(where, "", "cannot set both port name & port number")


def _default_policy(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    for rule in (*(spec.get("ingress") or ()), *(spec.get("egress") or ())):
        for port in rule.get("ports") or ():
            port.setdefault("protocol", "TCP")
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", *(["Egress"] if spec.get("egress") else [])]


def _validate_policy(obj: Object) -> Iterator[FieldError]:
    spec = obj["spec"]
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for index, rule in enumerate(spec.get(direction) or ()):
            for place, peer in enumerate(rule.get(peers) or ()):
                where = f"spec.{direction}[{index}].{peers}[{place}]"
                if not peer:
                    yield required(where, "must specify a peer")
                elif "ipBlock" in peer and len(peer) > 1:
                    yield forbidden_field(where, "may not specify both ipBlock and another peer")
    for index, word in enumerate(spec["policyTypes"]):
        if word not in _POLICY_TYPES:
            yield unsupported(f"spec.policyTypes[{index}]", word, _POLICY_TYPES)


def _validate_class(obj: Object) -> Iterator[FieldError]:
    if not at(obj, "spec.controller"):
        yield required("spec.controller")


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
