"""Reading what stands around pods: a Service and what it selects, a claim and who mounts it, a CronJob and its Jobs.

A right to read that the program was not given makes the picture smaller and is no error: what is unknown is
then neither believed to be there nor to be missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
import structlog

from evidence.certificates import Certificates
from incidents.object_health import backends_of, claims_of, job_end, taken_up
from incidents.objects import (
    AUTOSCALER,
    CLAIM,
    DAEMON_SET,
    DEPLOYMENT,
    INGRESS_CLASS,
    JOB,
    POD,
    SERVICE,
    STATEFUL_SET,
    STORAGE_CLASS,
    Manifest,
    ObjectRef,
    reference,
)
from incidents.snapshot import Snapshot, pod_template
from incidents.subjects import owns
from tools.cluster.errors import Busy, ClusterError, Forbidden, NotFound, Unauthorized, Unreachable
from tools.cluster.reader import Reader

CLAIMS_LOOKED_AT = 3  # that pods wait for
_UNBOUND = "unbound immediate PersistentVolumeClaims"  # in the scheduler's words (plugins/volumebinding)
BACKENDS_LOOKED_AT = 10  # of an Ingress, a request each
JOBS_LOOKED_AT = 3  # of a CronJob's Jobs that still run, the newest

log = structlog.get_logger(__name__)


async def read_service(reader: Reader, service: dict[str, Any], *, now: datetime) -> Snapshot:
    """A Service with the pods it selects; where there are none, with the workloads whose pods it would select."""
    selector, namespace = service.get("spec", {}).get("selector") or {}, service["metadata"]["namespace"]
    if not selector:
        return Snapshot(workload=service, read_at=now)
    pods = await reader.list(POD, namespace, labels=selector_text({"matchLabels": selector}))
    related: list[dict[str, Any]] = []
    if not pods:
        for kind in (DEPLOYMENT, STATEFUL_SET, DAEMON_SET):
            related += [item for item in await reader.list(kind, namespace) if would_select(selector, item)]
    return Snapshot(workload=service, pods=tuple(pods), related=tuple(related), read_at=now)


async def read_ingress(
    reader: Reader, ingress: dict[str, Any], *, now: datetime, certificates: Certificates | None = None
) -> Snapshot:
    """An Ingress, with what it names and is not there: the Services it sends to, its class, and its certificates.

    ``certificates``: what somebody has listed of them just now. Raises ClusterError; that only the server cannot read
    them is raised where nothing else is missing: such an Ingress may not be taken for well.
    """
    namespace, wanted = ingress["metadata"]["namespace"], (ingress.get("spec") or {}).get("ingressClassName")
    asked = [(SERVICE, namespace, name) for name in backends_of(ingress)[:BACKENDS_LOOKED_AT]]
    if wanted and not taken_up(ingress):
        asked.append((INGRESS_CLASS, "", str(wanted)))
    missing = []
    for kind, space, name in asked:
        try:
            await reader.get(kind, space, name)
        except NotFound:
            missing.append(f"{kind.kind}/{name}")
        except Forbidden:
            continue
    try:
        missing += await (certificates or Certificates(reader)).missing(ingress)
    except (Busy, Unreachable, Unauthorized):
        raise
    except ClusterError as error:
        if not missing:
            raise
        log.debug("certificates.unread", namespace=namespace, error=str(error))
    return Snapshot(workload=ingress, missing=tuple(missing), read_at=now)


async def read_claim(reader: Reader, claim: dict[str, Any], *, now: datetime) -> Snapshot:
    """A claim with the pods that mount it and its StorageClass, as far as that matters while it is Pending."""
    if claim.get("status", {}).get("phase") != "Pending":
        return Snapshot(workload=claim, read_at=now)
    metadata = claim["metadata"]
    pods = [pod async for pod in reader.each(POD, metadata["namespace"]) if metadata["name"] in claims_of(pod)]
    related, missing = await _storage_class(reader, claim)
    return Snapshot(workload=claim, pods=tuple(pods), related=related, missing=missing, read_at=now)


async def read_cron_job(reader: Reader, cron_job: dict[str, Any], *, now: datetime) -> Snapshot:
    """A CronJob with its Jobs, and the pods of those that still run."""
    namespace = cron_job["metadata"]["namespace"]
    jobs = [job async for job in reader.each(JOB, namespace) if owns(cron_job, job)]
    jobs.sort(key=lambda job: str(job["metadata"].get("creationTimestamp", "")))
    pods: list[dict[str, Any]] = []
    for job in [job for job in jobs if job_end(job) is None][-JOBS_LOOKED_AT:]:
        labels = selector_text(job["spec"].get("selector") or {})
        pods += [pod for pod in await reader.list(POD, namespace, labels=labels) if owns(job, pod)]
    return Snapshot(workload=cron_job, pods=tuple(pods), related=tuple(jobs), read_at=now)


async def read_beside(reader: Reader, snapshot: Snapshot, refs: Sequence[ObjectRef]) -> Snapshot:
    """The snapshot with the claims and autoscalers that were named, as far as they are still there."""
    related, missing = list(snapshot.related), list(snapshot.missing)
    for ref in refs:
        if ref.known_kind not in (CLAIM, AUTOSCALER):
            continue
        try:
            found = await reader.find(ref)
        except Forbidden:
            continue
        if found is None:
            continue
        related.append(found)
        if ref.known_kind == CLAIM and found.get("status", {}).get("phase") == "Pending":
            classes, absent = await _storage_class(reader, found)
            related += classes
            missing += absent
    return msgspec.structs.replace(snapshot, related=tuple(related), missing=tuple(missing))


async def read_waited_for(reader: Reader, snapshot: Snapshot) -> Snapshot:
    """The snapshot with the claims that keep its pods from being scheduled, and their classes.

    Most of these are Pending without a Warning: the provisioner that never answers says nothing.
    """
    known = {item["metadata"]["name"] for item in snapshot.related if item.get("kind") == CLAIM.kind}
    refs = []
    for name in [name for name in _waited_for(snapshot) if name not in known][:CLAIMS_LOOKED_AT]:
        try:
            found = await reader.get(CLAIM, snapshot.workload["metadata"]["namespace"], name)
        except (NotFound, Forbidden):
            continue
        refs.append(reference({"apiVersion": CLAIM.api_version, "kind": CLAIM.kind, **found}))
    return await read_beside(reader, snapshot, refs)


def _waited_for(snapshot: Snapshot) -> list[str]:
    """The names of claims mounted by pods that the scheduler keeps back for claims that are not bound."""
    waiting = [
        pod
        for pod in snapshot.live_pods
        for condition in pod.get("status", {}).get("conditions") or ()
        if condition.get("type") == "PodScheduled" and _UNBOUND in str(condition.get("message"))
    ]
    return sorted({name for pod in waiting for name in claims_of(pod)})


def would_select(selector: Manifest, workload: Manifest) -> bool:
    """Whether a Service's selector matches the pods that a workload makes."""
    labels = (pod_template(workload).get("metadata") or {}).get("labels") or {}
    return all(labels.get(key) == value for key, value in selector.items())


async def _storage_class(reader: Reader, claim: dict[str, Any]) -> tuple[tuple[dict[str, Any], ...], tuple[str, ...]]:
    """The StorageClass that a claim names; else its name as missing, if that is known."""
    name = str(claim.get("spec", {}).get("storageClassName") or "")
    if not name:
        return (), ()
    try:
        return (await reader.get(STORAGE_CLASS, "", name),), ()
    except NotFound:
        return (), (f"{STORAGE_CLASS.kind}/{name}",)
    except Forbidden:
        return (), ()


def selector_text(selector: Manifest) -> str:
    """A LabelSelector as the query parameter ``labelSelector``."""
    terms = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    for expression in selector.get("matchExpressions") or ():
        key, values = expression["key"], ",".join(expression.get("values") or ())
        match expression["operator"]:
            case "In":
                terms.append(f"{key} in ({values})")
            case "NotIn":
                terms.append(f"{key} notin ({values})")
            case "Exists":
                terms.append(str(key))
            case "DoesNotExist":
                terms.append(f"!{key}")
    return ",".join(terms)
