"""What is true of an APIService by itself: what it has to say, how a new one begins, how `kubectl get` shows it.

After `pkg/apis/apiregistration` of kube-aggregator, Kubernetes v1.36. An object without `spec.service` says that the
server itself serves a version ("local"), and is available from its creation.
"""

from base64 import b64decode
from collections.abc import Iterator
from datetime import datetime

from simulator.apiserver.columns import AGE, NAME, Column
from simulator.apiserver.field_errors import FieldError, invalid_value, required
from simulator.apiserver.names import DNS_1035_MESSAGE, SUBDOMAIN_MESSAGE, is_dns_1035_label, is_subdomain
from simulator.apiserver.objects import Object, at, items_at, metadata, name_of
from simulator.apiserver.strategies.plain import drop_status
from simulator.apiserver.strategies.strategy import Strategy

AVAILABLE = "Available"
_DEFAULT_PORT = 443
_HIGHEST_GROUP_PRIORITY = 20_000
_HIGHEST_VERSION_PRIORITY = 1_000
_HIGHEST_PORT = 65_535


def condition_of(registration: Object) -> Object | None:
    """The condition that says whether requests can be passed on."""
    return next((one for one in items_at(registration, "status.conditions") if one.get("type") == AVAILABLE), None)


def _default(obj: Object) -> None:
    service = at(obj, "spec.service")
    if service is not None and not service.get("port"):
        service["port"] = _DEFAULT_PORT


def _create(obj: Object) -> None:
    drop_status(obj)
    if at(obj, "spec.service") is None:
        condition = {
            "type": AVAILABLE,
            "status": "True",
            "lastTransitionTime": metadata(obj)["creationTimestamp"],
            "reason": "Local",
            "message": "Local APIServices are always available",
        }
        obj["status"] = {"conditions": [condition]}


def _validate(obj: Object) -> Iterator[FieldError]:
    spec = obj.get("spec") or {}
    group, version = spec.get("group") or "", spec.get("version") or ""
    if name_of(obj) != f"{version}.{group}":
        said = f'must be `spec.version+"."+spec.group`: "{version}.{group}"'
        yield invalid_value("metadata.name", name_of(obj), said)
    if not group and version != "v1":
        yield required("spec.group", "only v1 may have an empty group and it better be legacy kube")
    elif group and not is_subdomain(group):
        yield invalid_value("spec.group", group, SUBDOMAIN_MESSAGE)
    if not is_dns_1035_label(version):
        yield invalid_value("spec.version", version, DNS_1035_MESSAGE)
    yield from _validate_priority(spec, "groupPriorityMinimum", _HIGHEST_GROUP_PRIORITY)
    yield from _validate_priority(spec, "versionPriority", _HIGHEST_VERSION_PRIORITY)
    yield from _validate_service(spec) if spec.get("service") is not None else _validate_local(spec)


def _validate_priority(spec: Object, field: str, highest: int) -> Iterator[FieldError]:
    value = spec.get(field) or 0
    if not 0 < value <= highest:
        yield invalid_value(f"spec.{field}", value, f"must be positive and less than {highest}")


def _validate_local(spec: Object) -> Iterator[FieldError]:
    if spec.get("caBundle"):
        size = f"{len(b64decode(spec['caBundle']))} bytes"
        yield invalid_value("spec.caBundle", size, "local APIServices may not have a caBundle")
    if spec.get("insecureSkipTLSVerify"):
        said = "local APIServices may not have insecureSkipTLSVerify"
        yield invalid_value("spec.insecureSkipTLSVerify", True, said)


def _validate_service(spec: Object) -> Iterator[FieldError]:
    for field in ("namespace", "name"):
        if not spec["service"].get(field):
            yield required(f"spec.service.{field}")
    port = spec["service"].get("port") or 0
    if not 0 < port <= _HIGHEST_PORT:
        said = f"port is not valid: must be between 1 and {_HIGHEST_PORT}, inclusive"
        yield invalid_value("spec.service.port", port, said)
    if spec.get("caBundle") and spec.get("insecureSkipTLSVerify"):
        yield invalid_value("spec.insecureSkipTLSVerify", True, "may not be true if caBundle is present")


def _service_cell(obj: Object, _now: datetime) -> str:
    service = at(obj, "spec.service")
    return "Local" if service is None else f"{service.get('namespace')}/{service.get('name')}"


def _available_cell(obj: Object, _now: datetime) -> str:
    condition = condition_of(obj)
    if condition is None:
        return "Unknown"
    status = str(condition.get("status"))
    return status if status == "True" else f"{status} ({condition.get('reason')})"


API_SERVICE = Strategy(default=_default, create=_create, validate=_validate)
API_SERVICE_COLUMNS = (NAME, Column("Service", _service_cell), Column(AVAILABLE, _available_cell), AGE)
