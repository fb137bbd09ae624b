"""What `kubectl get` shows of each kind: column definitions and cells (`pkg/printers/internalversion`,
Kubernetes v1.36).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from simulator.apiserver.objects import Object, at, items_at, name_of, parse_time
from simulator.apiserver.pod_summary import pod_ready, pod_restarts, pod_status

Cell = Callable[[Object, datetime], Any]


@dataclass(frozen=True)
class Column:
    """One column of a Table; priority above 0 is shown with `-o wide` only."""

    name: str
    cell: Cell
    type: str = "string"
    format: str = ""
    priority: int = 0

    def definition(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": "",
            "priority": self.priority,
        }


def human_duration(seconds: float) -> str:
    """As `duration.HumanDuration` writes it: 45s, 3m20s, 12m, 5h3m, 30h, 3d4h, 20d."""
    whole = int(seconds)
    if whole < 0:
        return "<invalid>" if whole < -2 else "0s"
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if whole < 120:
        return f"{whole}s"
    if minutes < 10:
        return f"{minutes}m{whole % 60}s" if whole % 60 else f"{minutes}m"
    if hours < 3:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return f"{days}d{hours % 24}h" if hours % 24 else f"{days}d"
    years = days // 365
    if years < 2:
        return f"{days}d"
    return f"{years}y{days % 365}d" if years < 8 and days % 365 else f"{years}y"


def since(text: str | None, now: datetime) -> str:
    moment = parse_time(text)
    return "<unknown>" if moment is None else human_duration((now - moment).total_seconds())


def _age(obj: Object, now: datetime) -> str:
    return since(at(obj, "metadata.creationTimestamp"), now)


def value_at(path: str, default: Any = "<none>") -> Cell:
    """A cell that shows what is at a path."""
    return lambda obj, _now: default if at(obj, path) in (None, "") else at(obj, path)


def number(name: str, path: str) -> Column:
    """A column of whole numbers, 0 where there is none."""
    return Column(name, value_at(path, 0), type="integer")


def selector_text(selector: Object | None) -> str:
    """A label selector as kubectl writes it."""
    parts = [f"{key}={value}" for key, value in sorted(((selector or {}).get("matchLabels") or {}).items())]
    for one in (selector or {}).get("matchExpressions") or ():
        operator, values = str(one["operator"]), ",".join(one.get("values") or ())
        texts = {"Exists": one["key"], "DoesNotExist": f"!{one['key']}"}
        parts.append(texts.get(operator, f"{one['key']} {operator.lower()} ({values})"))
    return ",".join(parts) or "<none>"


def of_template(field: str, containers: str = "spec.template.spec.containers") -> Cell:
    """That field of all containers of a template."""

    def cell(obj: Object, now: datetime) -> str:
        return ",".join(str(one.get(field, "")) for one in items_at(obj, containers))

    return cell


NAME = Column("Name", lambda obj, _now: name_of(obj), format="name")
AGE = Column("Age", _age)
GENERIC = (NAME, AGE)


def workload_tail(selector: str) -> tuple[Column, ...]:
    """Age, containers, images and selector, with which the columns of most workloads end."""
    return (
        AGE,
        Column("Containers", of_template("name"), priority=1),
        Column("Images", of_template("image"), priority=1),
        Column("Selector", lambda obj, _now: selector_text(at(obj, selector)), priority=1),
    )


POD = (
    NAME,
    Column("Ready", lambda pod, _now: pod_ready(pod)),
    Column("Status", lambda pod, _now: pod_status(pod)),
    Column("Restarts", lambda pod, now: pod_restarts(pod, lambda text: since(text, now))),
    AGE,
    Column("IP", value_at("status.podIP"), priority=1),
    Column("Node", value_at("spec.nodeName"), priority=1),
    Column("Nominated Node", value_at("status.nominatedNodeName"), priority=1),
    Column("Readiness Gates", lambda _pod, _now: "<none>", priority=1),
)


def _ready_replicas(obj: Object, _now: datetime) -> str:
    return f"{at(obj, 'status.readyReplicas') or 0}/{at(obj, 'spec.replicas') or 0}"


DEPLOYMENT = (
    NAME,
    Column("Ready", _ready_replicas),
    number("Up-to-date", "status.updatedReplicas"),
    number("Available", "status.availableReplicas"),
    *workload_tail("spec.selector"),
)
REPLICA_SET = (
    NAME,
    number("Desired", "spec.replicas"),
    number("Current", "status.replicas"),
    number("Ready", "status.readyReplicas"),
    *workload_tail("spec.selector"),
)


def _service_ports(service: Object, _now: datetime) -> str:
    texts = []
    for port in items_at(service, "spec.ports"):
        node = f":{port['nodePort']}" if port.get("nodePort") else ""
        texts.append(f"{port.get('port')}{node}/{port.get('protocol')}")
    return ",".join(texts) or "<none>"


def _external_address(service: Object, _now: datetime) -> str:
    if at(service, "spec.type") == "ExternalName":
        return str(at(service, "spec.externalName"))
    if at(service, "spec.type") == "LoadBalancer":
        return "<pending>"
    return ",".join(at(service, "spec.externalIPs") or ()) or "<none>"


def _service_selector(service: Object, _now: datetime) -> str:
    return selector_text({"matchLabels": at(service, "spec.selector")})


SERVICE = (
    NAME,
    Column("Type", value_at("spec.type")),
    Column("Cluster-IP", value_at("spec.clusterIP")),
    Column("External-IP", _external_address),
    Column("Port(s)", _service_ports),
    AGE,
    Column("Selector", _service_selector, priority=1),
)


def _last_seen(event: Object, now: datetime) -> str:
    for path in ("series.lastObservedTime", "lastTimestamp", "eventTime", "firstTimestamp"):
        if at(event, path):
            return since(at(event, path), now)
    return "<unknown>"


def _event_source(event: Object, _now: datetime) -> str:
    component = at(event, "source.component") or event.get("reportingComponent") or ""
    instance = at(event, "source.host") or event.get("reportingInstance") or ""
    return f"{component}, {instance}" if instance else str(component)


def _involved(event: Object, _now: datetime) -> str:
    return f"{str(at(event, 'involvedObject.kind') or '').lower()}/{at(event, 'involvedObject.name')}"


EVENT = (
    Column("Last Seen", _last_seen),
    Column("Type", value_at("type", "")),
    Column("Reason", value_at("reason", "")),
    Column("Object", _involved),
    Column("Subobject", value_at("involvedObject.fieldPath", ""), priority=1),
    Column("Source", _event_source, priority=1),
    Column("Message", lambda event, _now: str(event.get("message") or "").strip()),
    Column("First Seen", lambda event, now: since(event.get("firstTimestamp"), now), priority=1),
    Column("Count", lambda event, _now: event.get("count") or 1, type="integer", priority=1),
    Column("Name", lambda event, _now: name_of(event), format="name", priority=1),
)


def _node_status(node: Object, _now: datetime) -> str:
    ready = next((one for one in items_at(node, "status.conditions") if one.get("type") == "Ready"), None)
    word = "Unknown" if ready is None else "Ready" if ready.get("status") == "True" else "NotReady"
    return f"{word},SchedulingDisabled" if at(node, "spec.unschedulable") else word


def _node_roles(node: Object, _now: datetime) -> str:
    prefix = "node-role.kubernetes.io/"
    labels = at(node, "metadata.labels") or {}
    return ",".join(sorted(key.removeprefix(prefix) for key in labels if key.startswith(prefix))) or "<none>"


def _node_address(kind: str) -> Cell:
    def cell(node: Object, _now: datetime) -> str:
        found = (one for one in items_at(node, "status.addresses") if one.get("type") == kind)
        return str(next(found, {}).get("address", "<none>"))

    return cell


NODE = (
    NAME,
    Column("Status", _node_status),
    Column("Roles", _node_roles),
    AGE,
    Column("Version", value_at("status.nodeInfo.kubeletVersion", "")),
    Column("Internal-IP", _node_address("InternalIP"), priority=1),
    Column("External-IP", _node_address("ExternalIP"), priority=1),
    Column("OS-Image", value_at("status.nodeInfo.osImage", "<unknown>"), priority=1),
    Column("Kernel-Version", value_at("status.nodeInfo.kernelVersion", "<unknown>"), priority=1),
    Column("Container-Runtime", value_at("status.nodeInfo.containerRuntimeVersion", "<unknown>"), priority=1),
)
NAMESPACE = (NAME, Column("Status", value_at("status.phase", "")), AGE)


def _data_size(obj: Object, _now: datetime) -> int:
    return len(obj.get("data") or {}) + len(obj.get("binaryData") or {})


CONFIG_MAP = (NAME, Column("Data", _data_size, type="integer"), AGE)
SECRET = (NAME, Column("Type", value_at("type", "")), Column("Data", _data_size, type="integer"), AGE)
SERVICE_ACCOUNT = (
    NAME,
    Column("Secrets", lambda obj, _now: len(obj.get("secrets") or ()), type="integer"),
    AGE,
)
LEASE = (NAME, Column("Holder", value_at("spec.holderIdentity", "")), AGE)


def _slice_ports(endpoint_slice: Object, _now: datetime) -> str:
    ports = [str(one.get("port", "*")) for one in endpoint_slice.get("ports") or ()]
    return ",".join(ports) or "<unset>"


def _slice_endpoints(endpoint_slice: Object, _now: datetime) -> str:
    found = [address for one in endpoint_slice.get("endpoints") or () for address in one.get("addresses") or ()]
    extra = f" + {len(found) - 3} more..." if len(found) > 3 else ""
    return ",".join(found[:3]) + extra or "<unset>"


ENDPOINT_SLICE = (
    NAME,
    Column("AddressType", value_at("addressType", "")),
    Column("Ports", _slice_ports),
    Column("Endpoints", _slice_endpoints),
    AGE,
)
