"""What is wrong with objects that are no running pods: claims, Services, autoscalers, nodes, CronJobs.

None of these states needs an event, and some never emit one. Each trouble says until when it may still be a
start, because controllers take their time. A decision of somebody (suspended, scaled to zero, cordoned) is no trouble.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import islice
from typing import NamedTuple

from incidents.moments import after
from incidents.objects import (
    AUTOSCALER,
    CLAIM,
    CRON_JOB,
    INGRESS,
    JOB,
    NODE,
    QUOTA,
    SECRET,
    SERVICE,
    STORAGE_CLASS,
    Manifest,
)
from incidents.pod_health import Finding, timestamp
from incidents.schedules import last_moments
from incidents.signals import clean
from incidents.snapshot import Snapshot
from incidents.symptoms import Symptom

PROVISION_SECONDS = 240  # a volume of a cloud takes minutes; and it is known before pods that wait for it are told of
RESIZE_SECONDS = 900  # a cloud makes a disk larger in minutes, a kubelet what is on it in one more
ENDPOINT_SECONDS = 120  # between a Service and the workload that was applied with it
CERTIFICATE_SECONDS = 900  # an authority that is asked for a certificate takes minutes, and looks names up before
METRIC_SECONDS = 300  # the metrics of new pods come after a minute or two
JOINING_SECONDS = 300  # a node that has just come
REBOOT_SECONDS = 180  # a node that somebody restarts
PRESSURE_SECONDS = 600  # a kubelet evicts pods one by one, and says for five minutes more that it is short
PRESSURES = frozenset({"MemoryPressure", "DiskPressure", "PIDPressure"})
_GROWING = {
    "Resizing": "whoever provides the volume is at it",
    "FileSystemResizePending": "the volume is, and what is on it waits for a pod that mounts it to be started anew",
}
_CERTIFICATE_MAKERS = ("cert-manager.io/", "acme.cert-manager.io/", "certmanager.k8s.io/", "cert.gardener.cloud/")
_SERVED_OTHERWISE = frozenset(  # annotations by which a controller takes the certificate from somewhere else
    {
        "projectcontour.io/tls-cert-namespace",
        "alb.ingress.kubernetes.io/certificate-arn",
        "networking.gke.io/managed-certificates",
        "ingress.gcp.kubernetes.io/pre-shared-cert",
    }
)
_ACME = "kubernetes.io/tls-acme"
_HOSTS_TOLD = 3
MISSED_RUNS = 2  # one may be late, or the controller's zone another than ours
LATE_SECONDS = 120  # real seconds: a CronJob's schedule is wall clock time, at whatever speed

# What is only known to be in trouble by what it makes fail.
KNOWN_BY_EFFECT = frozenset(
    {QUOTA.kind, STORAGE_CLASS.kind, "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"}
)


class Trouble(NamedTuple):
    """One finding, and until when it may be a start and no failure."""

    finding: Finding
    until: datetime | None = None


def troubles(manifest: Manifest, snapshot: Snapshot, now: datetime, speed: float) -> Iterator[Trouble]:
    """What is wrong with an object of a kind that is judged here; nothing for any other."""
    judge = _JUDGES.get(str(manifest.get("kind")))
    if judge is not None and not manifest.get("metadata", {}).get("deletionTimestamp"):
        yield from judge(manifest, snapshot, now, speed)


def _service(service: Manifest, snapshot: Snapshot, now: datetime, speed: float) -> Iterator[Trouble]:
    spec = service.get("spec", {})
    selector = spec.get("selector")
    if not selector or spec.get("type") == "ExternalName" or snapshot.pods or snapshot.related:
        return
    wanted = ", ".join(f"{key}={value}" for key, value in sorted(selector.items()))
    finding = Finding(Symptom.SELECTS_NOTHING, clean(f"no pod and no workload has the labels {wanted}", 300))
    yield Trouble(finding, _after(service, ENDPOINT_SECONDS / speed))


def _ingress(ingress: Manifest, snapshot: Snapshot, now: datetime, speed: float) -> Iterator[Trouble]:
    """What it names and is not there, as whoever has read the snapshot has looked up. No controller emits an event."""
    until = _after(ingress, ENDPOINT_SECONDS / speed)
    for name in snapshot.missing:
        kind, _, rest = name.partition("/")
        said, allowed, lacks = f"there is no {kind} {rest}", until, ""
        if kind == SERVICE.kind:
            said = f"it sends to Service {rest}: there is none"
        elif kind == SECRET.kind:
            said, allowed, lacks = _uncertified(ingress, rest), _awaited(ingress, speed), name
        yield Trouble(Finding(Symptom.SELECTS_NOTHING, clean(said, 300), lacks=lacks), allowed)


def _uncertified(ingress: Manifest, missing: str) -> str:
    """The Secret that is not there, or what it lacks, and for whom: no colon after a name, that reads as a secret's."""
    name, _, key = missing.partition("/")
    hosts = hosts_of(ingress, name)[:_HOSTS_TOLD]
    whom = f"with which it is to serve {', '.join(hosts)}" if hosts else "with which it is to serve TLS"
    return f"Secret {name}, {whom}, has no {key}" if key else f"there is no Secret {name}, {whom}"


def _awaited(ingress: Manifest, speed: float) -> datetime | None:
    """Until when whoever makes a certificate, or puts it there, may still be at it: from when it was last written."""
    allowed = CERTIFICATE_SECONDS if certificate_is_made(ingress) else ENDPOINT_SECONDS
    metadata = ingress["metadata"]
    written = [item.get("time") for item in metadata.get("managedFields") or () if not item.get("subresource")]
    moments = [moment for moment in map(timestamp, (*written, metadata.get("creationTimestamp"))) if moment is not None]
    return after(max(moments), allowed / speed) if moments else None


def certificates_of(ingress: Manifest) -> tuple[str, ...]:
    """The Secrets from which an Ingress takes certificates, by name, each once; none where it takes them elsewhere."""
    if _SERVED_OTHERWISE & (ingress["metadata"].get("annotations") or {}).keys():
        return ()
    names = (str(one.get("secretName") or "") for one in (ingress.get("spec") or {}).get("tls") or ())
    return tuple(dict.fromkeys(name for name in names if name))


def hosts_of(ingress: Manifest, certificate: str) -> tuple[str, ...]:
    """The hosts that an Ingress serves with the certificate of a Secret, each once."""
    entries = [one for one in (ingress.get("spec") or {}).get("tls") or () if one.get("secretName") == certificate]
    return tuple(dict.fromkeys(str(host) for one in entries for host in one.get("hosts") or ()))


def certificate_is_made(ingress: Manifest) -> bool:
    """Whether its annotations ask somebody to make its certificates (cert-manager: pkg/controller/certificate-shim)."""
    annotations = ingress["metadata"].get("annotations") or {}
    return any(key.startswith(_CERTIFICATE_MAKERS) for key in annotations) or annotations.get(_ACME) == "true"


def backends_of(ingress: Manifest) -> tuple[str, ...]:
    """The Services that an Ingress sends to, by name, each once."""
    spec = ingress.get("spec") or {}
    paths = [path for rule in spec.get("rules") or () for path in (rule.get("http") or {}).get("paths") or ()]
    backends = [spec.get("defaultBackend") or {}, *(path.get("backend") or {} for path in paths)]
    names = (str((one.get("service") or {}).get("name") or "") for one in backends)
    return tuple(dict.fromkeys(name for name in names if name))


def taken_up(ingress: Manifest) -> bool:
    """Whether a controller has given an Ingress an address: then somebody knows its class, whatever is listed."""
    return bool(((ingress.get("status") or {}).get("loadBalancer") or {}).get("ingress"))


def _claim(claim: Manifest, snapshot: Snapshot, now: datetime, speed: float) -> Iterator[Trouble]:
    phase, name = claim.get("status", {}).get("phase"), claim["metadata"]["name"]
    if phase == "Lost":
        yield Trouble(Finding(Symptom.CLAIM_PENDING, f"the volume of {name} is lost"))
    yield from _not_grown(claim, snapshot, speed)
    if phase != "Pending":
        return
    wanted = claim.get("spec", {}).get("storageClassName")
    if f"{STORAGE_CLASS.kind}/{wanted}" in snapshot.missing:
        yield Trouble(
            Finding(Symptom.CLAIM_PENDING, clean(f"{name} wants the StorageClass {wanted}: there is none", 300))
        )
        return
    classes = [item for item in snapshot.related if item.get("kind") == STORAGE_CLASS.kind]
    waits = any(item.get("volumeBindingMode") == "WaitForFirstConsumer" for item in classes)
    may_wait = waits or bool(wanted and not classes)  # of a class that may not be read nobody knows
    if may_wait and not any(name in claims_of(pod) for pod in snapshot.pods):
        return  # nobody uses it yet, and it is bound when somebody does
    detail = f"{name} is Pending" + (f", of StorageClass {wanted}" if wanted else ", with no StorageClass set")
    yield Trouble(Finding(Symptom.CLAIM_PENDING, clean(detail, 300)), _after(claim, PROVISION_SECONDS / speed))


def _not_grown(claim: Manifest, snapshot: Snapshot, speed: float) -> Iterator[Trouble]:
    """A claim that was made larger and whose volume cannot follow, or does not (pkg/volume/util/resize_util.go).

    What is on a volume that nobody mounts grows when somebody does.
    """
    name, mounted = claim["metadata"]["name"], any(claim["metadata"]["name"] in claims_of(pod) for pod in snapshot.pods)
    for condition in claim.get("status", {}).get("conditions") or ():
        kind = condition.get("type")
        if condition.get("status") != "True":
            continue
        if kind in ("ControllerResizeError", "NodeResizeError"):
            yield Trouble(
                Finding(Symptom.CLAIM_PENDING, clean(f"{name} cannot be made larger: {condition.get('message')}", 300))
            )
        elif kind == "Resizing" or (kind == "FileSystemResizePending" and mounted):
            text = f"{name} is not made larger: {_GROWING[kind]} ({kind})"
            since = timestamp(condition.get("lastTransitionTime"))
            until = _allowed(since, RESIZE_SECONDS / speed)
            yield Trouble(Finding(Symptom.CLAIM_PENDING, clean(text, 300)), until)


def _autoscaler(autoscaler: Manifest, snapshot: Snapshot, now: datetime, speed: float) -> Iterator[Trouble]:
    for condition in autoscaler.get("status", {}).get("conditions") or ():
        if condition.get("type") not in ("ScalingActive", "AbleToScale") or condition.get("status") != "False":
            continue
        if condition.get("reason") == "ScalingDisabled":
            continue  # somebody has scaled the target to zero
        detail = clean(f"{condition.get('reason')}: {condition.get('message')}", 300)
        since = timestamp(condition.get("lastTransitionTime"))
        until = _allowed(since, METRIC_SECONDS / speed)
        yield Trouble(Finding(Symptom.AUTOSCALER_INACTIVE, f"{autoscaler['metadata']['name']}: {detail}"), until)


def _node(node: Manifest, snapshot: Snapshot, now: datetime, speed: float) -> Iterator[Trouble]:
    if not node_ready(node):
        said = [c for c in node.get("status", {}).get("conditions") or () if c.get("type") == "Ready"]
        text = f"{said[0].get('reason')}: {said[0].get('message')}" if said else "its kubelet has never reported"
        lost = timestamp(said[0].get("lastTransitionTime")) if said else None
        back = _allowed(lost, REBOOT_SECONDS / speed)
        moments = [moment for moment in (_after(node, JOINING_SECONDS / speed), back) if moment is not None]
        yield Trouble(Finding(Symptom.NODE_NOT_READY, clean(text, 300)), max(moments, default=None))
        return  # what it said of itself before is no news
    for condition in node.get("status", {}).get("conditions") or ():
        if condition.get("type") in PRESSURES and condition.get("status") == "True":
            text = clean(f"{condition.get('type')}: {condition.get('message')}", 300)
            since = timestamp(condition.get("lastTransitionTime"))
            relieved = _allowed(since, PRESSURE_SECONDS / speed)
            yield Trouble(Finding(Symptom.NODE_PRESSURE, text), relieved)


def _cron_job(cron_job: Manifest, snapshot: Snapshot, now: datetime, speed: float) -> Iterator[Trouble]:
    if cron_job.get("spec", {}).get("suspend"):
        return
    jobs = sorted(
        (item for item in snapshot.related if item.get("kind") == JOB.kind),
        key=lambda job: str(job["metadata"].get("creationTimestamp", "")),
    )
    ended = next((found for job in reversed(jobs) if (found := job_end(job)) is not None), None)
    if ended is not None and ended.get("type") == "Failed":
        text = f"its last Job failed: {ended.get('reason')}: {ended.get('message')}"
        yield Trouble(Finding(Symptom.JOB_FAILED, clean(text, 300)))
    if missed := _missed(cron_job, now):
        yield Trouble(Finding(Symptom.SCHEDULE_MISSED, f"it should have run at {missed:%Y-%m-%dT%H:%M:%SZ} and after"))


def _missed(cron_job: Manifest, now: datetime) -> datetime | None:
    """The earlier of the last two moments at which it should have run, if it has not run since before that."""
    spec, status = cron_job.get("spec", {}), cron_job.get("status", {})
    if spec.get("concurrencyPolicy") == "Forbid" and status.get("active"):
        return None  # it waits for its own Job, which is judged by itself
    since = timestamp(status.get("lastScheduleTime")) or timestamp(cron_job["metadata"].get("creationTimestamp"))
    latest = now - timedelta(seconds=LATE_SECONDS)
    moments = list(
        islice(last_moments(str(spec.get("schedule")), str(spec.get("timeZone") or ""), latest), MISSED_RUNS)
    )
    if since is None or len(moments) < MISSED_RUNS or moments[-1] <= since:
        return None
    return moments[-1]


def job_end(job: Manifest) -> Manifest | None:
    """The condition that says how a Job ended; None while it has not."""
    conditions = job.get("status", {}).get("conditions") or ()
    ends = (c for c in conditions if c.get("type") in ("Complete", "Failed") and c.get("status") == "True")
    return next(ends, None)


def node_ready(node: Manifest) -> bool:
    """Whether a node's kubelet says that it is ready, and has said so lately."""
    conditions = node.get("status", {}).get("conditions") or ()
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def claims_of(pod: Manifest) -> frozenset[str]:
    """The names of the claims that a pod mounts."""
    volumes = pod.get("spec", {}).get("volumes") or ()
    return frozenset(
        str(claim["claimName"]) for volume in volumes if (claim := volume.get("persistentVolumeClaim")) is not None
    )


def _after(manifest: Manifest, seconds: float) -> datetime | None:
    return _allowed(timestamp(manifest["metadata"].get("creationTimestamp")), seconds)


def _allowed(since: datetime | None, seconds: float) -> datetime | None:
    """Until when something may still be a start; None where nobody knows since when."""
    return after(since, seconds) if since is not None else None


_Judge = Callable[[Manifest, Snapshot, datetime, float], Iterator[Trouble]]
_JUDGES: Mapping[str, _Judge] = {
    SERVICE.kind: _service,
    INGRESS.kind: _ingress,
    CLAIM.kind: _claim,
    AUTOSCALER.kind: _autoscaler,
    NODE.kind: _node,
    CRON_JOB.kind: _cron_job,
}
