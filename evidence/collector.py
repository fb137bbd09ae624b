"""Collecting the evidence for one incident: three requests for the state, three for events, four for logs.

What cannot be read (forbidden, gone meanwhile, no log yet) is named in ``unread`` and is not an error: a case
with a gap is still a case. Everything is masked here, once, before anybody sees it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
import structlog

from evidence.answers import Answers
from evidence.image_index import ImageIndex
from evidence.redaction import mask_manifest, mask_text
from evidence.snapshots import read_snapshot
from incidents.causes import with_effects
from incidents.evidence import EventLine, Evidence, LogExcerpt, Revision, Want
from incidents.health import Finding, Health, assess, is_steady
from incidents.objects import AUTOSCALER, CLAIM, EVENT, JOB, NODE, Manifest, ObjectRef
from incidents.pod_health import may_have_log
from incidents.signals import clean
from incidents.snapshot import Snapshot, is_ready, pod_template, revision_number, template_digest, template_of
from incidents.subjects import Subject
from tools.cluster.errors import ClusterError
from tools.cluster.reader import Reader
from tools.registry import RegistryClient

LOG_LINES, LOG_BYTES = 200, 16_384  # of one container; enough for a stack trace, little enough for a prompt
CONTAINERS_LOGGED = 2
EVENTS_KEPT = 30
EVENTS_OF_CLUSTER = "default"  # where events about objects without a namespace are

log = structlog.get_logger(__name__)


class SubjectGone(Exception):
    """The subject does not exist any more."""


class Collector:
    """Reads evidence. ``registry`` is asked only for what a playbook wants; None means that nobody is asked.

    ``images``: the index of a sweep, in place of a list of all pods where there is one.
    """

    def __init__(
        self,
        reader: Reader,
        *,
        now: Callable[[], datetime],
        speed: float = 1.0,
        registry: RegistryClient | None = None,
        images: ImageIndex | None = None,
    ) -> None:
        self._reader = reader
        self._now = now
        self._speed = speed
        self._answers = Answers(reader, registry=registry, images=images)

    async def collect(
        self,
        subject: Subject,
        *,
        good: frozenset[str],
        beside: Sequence[ObjectRef] = (),
        explained: Sequence[Subject] = (),
        reading: Snapshot | None = None,
    ) -> Evidence:
        """Read everything a decision usually needs. ``good``: digests of revisions recorded as well.

        ``beside``: what the signals were about; ``explained``: the subjects whose trouble this one causes;
        ``reading``: the state, where somebody has read it just now.

        Raises SubjectGone, and ClusterError when the subject itself cannot be read.
        """
        snapshot = reading or await read_snapshot(self._reader, subject.ref, now=self._now(), beside=beside)
        if snapshot is None:
            raise SubjectGone(str(subject))
        health = with_effects(assess(snapshot, snapshot.read_at, self._speed), subject.kind, explained)
        unread: list[str] = []
        present = template_digest(pod_template(snapshot.workload))
        logs, events = await asyncio.gather(
            self._logs(snapshot, health.findings, unread), self._events(snapshot, health.findings, unread)
        )
        return Evidence(
            subject=subject,
            snapshot=_masked(snapshot),
            health=_masked_health(health),
            speed=self._speed,
            present=present,
            seen_well=present in good,
            revisions=_revisions(snapshot, good, self._speed),
            logs=tuple(logs),
            events=tuple(events),
            affects=tuple(str(one) for one in explained),
            unread=tuple(sorted(unread)),
            taken_at=snapshot.read_at,
        )

    async def answer(self, evidence: Evidence, wants: Sequence[Want]) -> Evidence:
        """The same evidence with answers to what a playbook asked for; an empty answer if there is none."""
        return await self._answers.answer(evidence, wants)

    async def _logs(self, snapshot: Snapshot, findings: Iterable[Finding], unread: list[str]) -> list[LogExcerpt]:
        pods = {pod["metadata"]["name"]: pod for pod in snapshot.pods}
        places = [(f.pod, f.container) for f in findings if f.container] or _not_ready_containers(snapshot)
        places = list(dict.fromkeys(places))[:CONTAINERS_LOGGED]
        wanted = [
            (pod, container, previous)
            for pod, container in places
            for previous in (True, False)
            if pod not in pods or may_have_log(pods[pod], container, previous=previous)
        ]
        namespace = str(snapshot.workload["metadata"].get("namespace", ""))
        found = await asyncio.gather(*(self._log(namespace, *one, unread) for one in wanted))
        return [excerpt for excerpt in found if excerpt is not None]

    async def _log(
        self, namespace: str, pod: str, container: str, previous: bool, unread: list[str]
    ) -> LogExcerpt | None:
        try:
            text = await self._reader.logs(
                namespace, pod, container, previous=previous, lines=LOG_LINES, limit_bytes=LOG_BYTES
            )
        except ClusterError as error:
            unread.append(f"log of {container} in {pod}{' (previous)' * previous}: {clean(error, 120)}")
            return None
        return LogExcerpt(pod=pod, container=container, previous=previous, text=mask_text(text)) if text else None

    async def _events(self, snapshot: Snapshot, findings: Iterable[Finding], unread: list[str]) -> list[EventLine]:
        """Events about the subject, its present ReplicaSet and the first failing pod."""
        pods = {pod["metadata"]["name"]: pod for pod in snapshot.pods}
        failing = next((pods[f.pod] for f in findings if f.pod in pods), _not_ready(snapshot))
        beside = [item for item in snapshot.related if item.get("kind") in (CLAIM.kind, AUTOSCALER.kind, JOB.kind)]
        about = [item for item in (snapshot.workload, snapshot.current_replica_set, failing, *beside[-2:]) if item]
        found = {item["metadata"]["uid"]: item for item in about}.values()
        lines = [line for part in await asyncio.gather(*(self._said_of(one, unread) for one in found)) for line in part]
        return sorted(lines, key=lambda line: line.last_seen)[-EVENTS_KEPT:]

    async def _said_of(self, manifest: Manifest, unread: list[str]) -> list[EventLine]:
        metadata = manifest["metadata"]
        try:
            events = await self._reader.list(
                EVENT, metadata.get("namespace") or EVENTS_OF_CLUSTER, fields=_about(manifest)
            )
        except ClusterError as error:
            unread.append(f"events of {metadata['name']}: {clean(error, 120)}")
            return []
        return [_event_line(event) for event in events]


def _not_ready(snapshot: Snapshot) -> dict[str, Any] | None:
    """A pod of the present spec that is not ready, where no finding names one."""
    return next((pod for pod in snapshot.current_pods if not is_ready(pod)), None)


def _not_ready_containers(snapshot: Snapshot) -> list[tuple[str, str]]:
    """Where a pod that is not ready stands: at an init container that still runs, else at what is not ready of it."""
    pod = _not_ready(snapshot)
    if pod is None:
        return []
    status, begun = pod.get("status", {}), pod.get("spec", {}).get("initContainers") or ()
    to_end = {
        one.get("name") for one in begun if one.get("restartPolicy") != "Always"
    }  # the others are meant to run on
    first = [one for one in status.get("initContainerStatuses") or () if (one.get("state") or {}).get("running")]
    waiting = [one for one in first if one.get("name") in to_end or not one.get("ready")]
    waiting += [one for one in status.get("containerStatuses") or () if not one.get("ready")]
    return [(pod["metadata"]["name"], str(one.get("name"))) for one in waiting]


def _about(manifest: Manifest) -> str:
    """The field selector of an object's events. A kubelet puts its node's name where the uid belongs."""
    metadata = manifest["metadata"]
    if manifest.get("kind") == NODE.kind:
        return f"involvedObject.kind={NODE.kind},involvedObject.name={metadata['name']}"
    return f"involvedObject.uid={metadata['uid']}"


def _masked_health(health: Health) -> Health:
    """The findings quote what kubelet and runtime said, and those quote command lines."""
    findings = tuple(msgspec.structs.replace(found, detail=mask_text(found.detail)) for found in health.findings)
    return msgspec.structs.replace(health, findings=findings)


def _masked(snapshot: Snapshot) -> Snapshot:
    return Snapshot(
        workload=mask_manifest(snapshot.workload),
        replica_sets=tuple(mask_manifest(item) for item in snapshot.replica_sets),
        pods=tuple(mask_manifest(item) for item in snapshot.pods),
        related=tuple(mask_manifest(item) for item in snapshot.related),
        missing=snapshot.missing,
        read_at=snapshot.read_at,
    )


def _revisions(snapshot: Snapshot, good: frozenset[str], speed: float) -> tuple[Revision, ...]:
    """The rollout history. A pod that is Ready between two crashes speaks for no revision."""
    revisions = []
    for item in snapshot.replica_sets:
        digest = template_digest(item["spec"]["template"])
        masked: dict[str, Any] = mask_manifest(template_of(item))
        revisions.append(
            Revision(
                name=item["metadata"]["name"],
                number=revision_number(item),
                digest=digest,
                template=masked,
                ready=sum(is_steady(pod, snapshot.read_at, speed) for pod in snapshot.pods_of(item)),
                seen_well=digest in good,
            )
        )
    return tuple(sorted(revisions, key=lambda revision: revision.number))


def _event_line(event: dict[str, Any]) -> EventLine:
    about = event.get("involvedObject") or {}
    return EventLine(
        about=clean(f"{about.get('kind', '')}/{about.get('name', '')}", 300),
        type=clean(event.get("type"), 16),
        reason=clean(event.get("reason"), 128),
        message=mask_text(clean(event.get("message"))),
        count=int(event.get("count") or 1),
        last_seen=clean(event.get("lastTimestamp") or event.get("eventTime"), 40),
    )
