"""What `kubectl get` shows of the kinds in `more_kinds` (`pkg/printers/internalversion`, Kubernetes v1.36)."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from simulator.apiserver.columns import (
    AGE,
    NAME,
    Column,
    human_duration,
    number,
    of_template,
    selector_text,
    since,
    value_at,
    workload_tail,
)
from simulator.apiserver.objects import Object, at, items_at, metadata, parse_time

CREATED = (NAME, Column("Created At", value_at("metadata.creationTimestamp"), type="date"))
_UNKNOWN = "<unknown>"


def _text(path: str) -> Any:
    """A cell that is empty where the value is missing."""
    return value_at(path, "")


def _phase(obj: Object, _now: datetime) -> str:
    return "Terminating" if "deletionTimestamp" in metadata(obj) else str(at(obj, "status.phase") or "")


def _modes(listed: list[str] | None) -> str:
    short = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}
    return ",".join(word for mode, word in short.items() if mode in (listed or ()))


def _if_bound(path: str) -> Any:
    return lambda obj, _now: (at(obj, path) or "") if at(obj, "spec.volumeName") else ""


STATEFUL_SET = (
    NAME,
    Column("Ready", lambda obj, _now: f"{at(obj, 'status.readyReplicas') or 0}/{at(obj, 'spec.replicas') or 0}"),
    AGE,
    *workload_tail("spec.selector")[1:3],
)
DAEMON_SET = (
    NAME,
    number("Desired", "status.desiredNumberScheduled"),
    number("Current", "status.currentNumberScheduled"),
    number("Ready", "status.numberReady"),
    number("Up-to-date", "status.updatedNumberScheduled"),
    number("Available", "status.numberAvailable"),
    Column(
        "Node Selector", lambda obj, _now: selector_text({"matchLabels": at(obj, "spec.template.spec.nodeSelector")})
    ),
    *workload_tail("spec.selector"),
)
REPLICATION_CONTROLLER = (
    NAME,
    number("Desired", "spec.replicas"),
    number("Current", "status.replicas"),
    number("Ready", "status.readyReplicas"),
    AGE,
    *workload_tail("spec.selector")[1:3],
    Column("Selector", lambda obj, _now: selector_text({"matchLabels": at(obj, "spec.selector")}), priority=1),
)
POD_TEMPLATE = (
    NAME,
    Column("Containers", lambda obj, _now: _listed(obj, "name")),
    Column("Images", lambda obj, _now: _listed(obj, "image")),
    Column("Pod Labels", lambda obj, _now: selector_text({"matchLabels": at(obj, "template.metadata.labels")})),
)


def _listed(obj: Object, field: str) -> str:
    return ",".join(str(one.get(field) or "") for one in items_at(obj, "template.spec.containers"))


def _job_status(job: Object, _now: datetime) -> str:
    true = {one.get("type") for one in items_at(job, "status.conditions") if one.get("status") == "True"}
    for condition in ("Complete", "Failed"):
        if condition in true:
            return condition
    if "deletionTimestamp" in metadata(job):
        return "Terminating"
    return next((one for one in ("Suspended", "FailureTarget", "SuccessCriteriaMet") if one in true), "Running")


def _completions(job: Object, _now: datetime) -> str:
    done, wanted = at(job, "status.succeeded") or 0, at(job, "spec.completions")
    if wanted is not None:
        return f"{done}/{wanted}"
    parallel = at(job, "spec.parallelism") or 0
    return f"{done}/1 of {parallel}" if parallel > 1 else f"{done}/1"


def _duration(job: Object, now: datetime) -> str:
    begun = parse_time(at(job, "status.startTime"))
    ended = parse_time(at(job, "status.completionTime")) or now
    return "" if begun is None else human_duration((ended - begun).total_seconds())


def _since_last(obj: Object, now: datetime) -> str:
    last = at(obj, "status.lastScheduleTime")
    return since(last, now) if last else "<none>"


JOB = (
    NAME,
    Column("Status", _job_status),
    Column("Completions", _completions),
    Column("Duration", _duration),
    *workload_tail("spec.selector"),
)
CRON_JOB = (
    NAME,
    Column("Schedule", value_at("spec.schedule")),
    Column("Timezone", value_at("spec.timeZone")),
    Column("Suspend", lambda obj, _now: str(bool(at(obj, "spec.suspend"))), type="boolean"),
    Column("Active", lambda obj, _now: len(at(obj, "status.active") or ()), type="integer"),
    Column("Last Schedule", _since_last),
    AGE,
    Column("Containers", of_template("name", "spec.jobTemplate.spec.template.spec.containers"), priority=1),
    Column("Images", of_template("image", "spec.jobTemplate.spec.template.spec.containers"), priority=1),
    Column("Selector", lambda obj, _now: selector_text(at(obj, "spec.jobTemplate.spec.selector")), priority=1),
)


def _targets(obj: Object, _now: datetime) -> str:
    shown = list(_metrics(obj))
    more = f" + {len(shown) - 2} more..." if len(shown) > 2 else ""
    return ", ".join(shown[:2]) + more if shown else "<none>"


def _metrics(obj: Object) -> Iterator[str]:
    current = at(obj, "status.currentMetrics") or []
    for index, metric in enumerate(items_at(obj, "spec.metrics")):
        word = str(metric.get("type") or "")
        source = metric.get(word[:1].lower() + word[1:]) or {}
        now = (current[index] if index < len(current) else {}).get(word[:1].lower() + word[1:]) or {}
        name = source.get("name") or at(source, "metric.name") or ""
        target, found = source.get("target") or {}, now.get("current") or {}
        if target.get("averageUtilization") is not None:
            value = found.get("averageUtilization")
            text = f"{_UNKNOWN if value is None else f'{value}%'}/{target['averageUtilization']}%"
        else:
            field = "averageValue" if target.get("averageValue") is not None else "value"
            text = f"{found.get(field, _UNKNOWN)}/{target.get(field, _UNKNOWN)}"
        yield f"{name}: {text}" if word in ("Resource", "ContainerResource") else text


def _reference(obj: Object, _now: datetime) -> str:
    target = at(obj, "spec.scaleTargetRef") or {}
    return f"{target.get('kind')}/{target.get('name')}"


AUTOSCALER = (
    NAME,
    Column("Reference", _reference),
    Column("Targets", _targets),
    Column("MinPods", lambda obj, _now: str(at(obj, "spec.minReplicas") or "<unset>")),
    Column("MaxPods", value_at("spec.maxReplicas")),
    Column("Replicas", value_at("status.currentReplicas", 0)),
    AGE,
)


def _bound(path: str) -> Any:
    return lambda obj, _now: "N/A" if at(obj, path) is None else str(at(obj, path))


DISRUPTION_BUDGET = (
    NAME,
    Column("Min Available", _bound("spec.minAvailable")),
    Column("Max Unavailable", _bound("spec.maxUnavailable")),
    number("Allowed Disruptions", "status.disruptionsAllowed"),
    AGE,
)


def _quota(limits: bool) -> Any:
    def cell(obj: Object, _now: datetime) -> str:
        hard, used = at(obj, "status.hard") or {}, at(obj, "status.used") or {}
        names = [one for one in sorted(hard) if one.startswith("limits.") is limits]
        return ", ".join(f"{one}: {used.get(one, '0')}/{hard[one]}" for one in names)

    return cell


RESOURCE_QUOTA = (NAME, Column("Request", _quota(limits=False)), Column("Limit", _quota(limits=True)), AGE)
CLAIM = (
    NAME,
    Column("Status", _phase),
    Column("Volume", _text("spec.volumeName")),
    Column("Capacity", _if_bound("status.capacity.storage")),
    Column("Access Modes", lambda obj, now: _modes(_if_bound("status.accessModes")(obj, now) or None)),
    Column("StorageClass", _text("spec.storageClassName")),
    Column("VolumeAttributesClass", value_at("spec.volumeAttributesClassName", "<unset>")),
    AGE,
    Column("VolumeMode", value_at("spec.volumeMode", "<unset>"), priority=1),
)


def _claim_of(obj: Object, _now: datetime) -> str:
    found = at(obj, "spec.claimRef")
    return f"{found.get('namespace')}/{found.get('name')}" if found else ""


VOLUME = (
    NAME,
    Column("Capacity", _text("spec.capacity.storage")),
    Column("Access Modes", lambda obj, _now: _modes(at(obj, "spec.accessModes"))),
    Column("Reclaim Policy", _text("spec.persistentVolumeReclaimPolicy")),
    Column("Status", _phase),
    Column("Claim", _claim_of),
    Column("StorageClass", _text("spec.storageClassName")),
    Column("VolumeAttributesClass", value_at("spec.volumeAttributesClassName", "<unset>")),
    Column("Reason", _text("status.reason")),
    AGE,
    Column("VolumeMode", value_at("spec.volumeMode", "<unset>"), priority=1),
)
STORAGE_CLASS = (
    NAME,
    Column("Provisioner", value_at("provisioner")),
    Column("ReclaimPolicy", value_at("reclaimPolicy")),
    Column("VolumeBindingMode", value_at("volumeBindingMode")),
    Column("AllowVolumeExpansion", value_at("allowVolumeExpansion", False)),
    AGE,
)


def _hosts(ingress: Object, _now: datetime) -> str:
    return ",".join(str(one["host"]) for one in items_at(ingress, "spec.rules") if one.get("host")) or "*"


def _addresses(ingress: Object, _now: datetime) -> str:
    points = items_at(ingress, "status.loadBalancer.ingress")
    return ",".join(str(one.get("ip") or one.get("hostname")) for one in points)


INGRESS = (
    NAME,
    Column("Class", value_at("spec.ingressClassName")),
    Column("Hosts", _hosts),
    Column("Address", _addresses),
    Column("Ports", lambda obj, _now: "80, 443" if at(obj, "spec.tls") else "80"),
    AGE,
)
INGRESS_CLASS = (
    NAME,
    Column("Controller", value_at("spec.controller")),
    Column("Parameters", value_at("spec.parameters.name")),
    AGE,
)
NETWORK_POLICY = (NAME, Column("Pod-Selector", lambda obj, _now: selector_text(at(obj, "spec.podSelector"))), AGE)
PRIORITY_CLASS = (
    NAME,
    number("Value", "value"),
    Column("Global-Default", value_at("globalDefault", False), type="boolean"),
    AGE,
    Column("PreemptionPolicy", _text("preemptionPolicy")),
)


def _subjects(kind: str) -> Any:
    def cell(obj: Object, _now: datetime) -> str:
        mine = [one for one in items_at(obj, "subjects") if one.get("kind") == kind]
        names = (f"{one.get('namespace')}/{one['name']}" if kind == "ServiceAccount" else one["name"] for one in mine)
        return ", ".join(names)

    return cell


ROLE_BINDING = (
    NAME,
    Column("Role", lambda obj, _now: f"{at(obj, 'roleRef.kind')}/{at(obj, 'roleRef.name')}"),
    AGE,
    Column("Users", _subjects("User"), priority=1),
    Column("Groups", _subjects("Group"), priority=1),
    Column("ServiceAccounts", _subjects("ServiceAccount"), priority=1),
)


def _controller(obj: Object, _now: datetime) -> str:
    owners = [one for one in metadata(obj).get("ownerReferences") or () if one.get("controller")]
    if not owners:
        return "<none>"
    kind, group = str(owners[0]["kind"]).lower(), str(owners[0]["apiVersion"]).rpartition("/")[0]
    return f"{kind}.{group}/{owners[0]['name']}" if group else f"{kind}/{owners[0]['name']}"


CONTROLLER_REVISION = (NAME, Column("Controller", _controller), Column("Revision", value_at("revision", 0)), AGE)
RUNTIME_CLASS = (NAME, Column("Handler", value_at("handler")), AGE)
