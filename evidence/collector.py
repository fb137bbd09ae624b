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

from evidence.image_index import ImageIndex
from evidence.redaction import mask_manifest, mask_text
from evidence.snapshots import read_snapshot
from incidents.causes import with_effects
from incidents.evidence import EventLine, Evidence, LogExcerpt, Revision, Want, WantKind
from incidents.health import Finding, Health, assess, is_steady
from incidents.images import ImageReferenceError, parse_image
from incidents.objects import AUTOSCALER, CLAIM, EVENT, JOB, NODE, POD, Manifest, ObjectRef
from incidents.pod_health import may_have_log
from incidents.signals import clean
from incidents.snapshot import Snapshot, pod_template, revision_number, template_digest, template_of
from incidents.subjects import Subject
from tools.cluster.errors import ClusterError
from tools.cluster.reader import Reader
from tools.registry import RegistryClient, RegistryError

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
        self._registry = registry
        self._images = images

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
        health = with_effects(assess(snapshot, self._now(), self._speed), subject.kind, explained)
        unread: list[str] = []
        logs, events = await asyncio.gather(
            self._logs(snapshot, health.findings, unread), self._events(snapshot, health.findings, unread)
        )
        return Evidence(
            subject=subject,
            snapshot=_masked(snapshot),
            health=_masked_health(health),
            present=template_digest(pod_template(snapshot.workload)),
            revisions=_revisions(snapshot, good, self._speed),
            logs=tuple(logs),
            events=tuple(events),
            affects=tuple(str(one) for one in explained),
            unread=tuple(sorted(unread)),
            taken_at=snapshot.read_at,
        )

    async def answer(self, evidence: Evidence, wants: Sequence[Want]) -> Evidence:
        """The same evidence with answers to what a playbook asked for; an empty answer if there is none."""
        answers, unread = dict(evidence.answers), list(evidence.unread)
        for want in wants:
            try:
                answers[want.key] = tuple(await self._answer(evidence, want))
            except (ClusterError, ImageReferenceError, RegistryError) as error:
                answers[want.key] = ()
                unread.append(f"{want.key}: {clean(error, 200)}")
        return msgspec.structs.replace(evidence, answers=answers, unread=tuple(unread))

    async def _answer(self, evidence: Evidence, want: Want) -> list[str]:
        match want.kind:
            case WantKind.KNOWN_IMAGES:
                return await self._known_images(want.name)
            case WantKind.IMAGE_TAGS:
                return await self._registry.tags(want.name) if self._registry is not None else []

    async def _known_images(self, repository: str) -> list[str]:
        """Images of one repository that nodes hold or pods run: other namespaces lend tags, never a repository."""
        indexed = await self._images.of(repository) if self._images is not None else None
        if indexed is not None:
            return indexed
        wanted = parse_image(repository)
        found: set[str] = set()
        async for node in self._reader.each(NODE):
            for image in node.get("status", {}).get("images") or ():
                found.update(_of_repository(image.get("names") or (), wanted.registry, wanted.repository))
        async for pod in self._reader.each(POD, fields="status.phase=Running"):
            images = (item.get("image", "") for item in pod.get("spec", {}).get("containers") or ())
            found.update(_of_repository(images, wanted.registry, wanted.repository))
        return sorted(found)

    async def _logs(self, snapshot: Snapshot, findings: Iterable[Finding], unread: list[str]) -> list[LogExcerpt]:
        pods = {pod["metadata"]["name"]: pod for pod in snapshot.pods}
        places = list(dict.fromkeys((f.pod, f.container) for f in findings if f.container))[:CONTAINERS_LOGGED]
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
        failing = next((pods[f.pod] for f in findings if f.pod in pods), None)
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


def _of_repository(images: Iterable[str], registry: str, repository: str) -> list[str]:
    kept = []
    for text in images:
        try:
            image = parse_image(text)
        except ImageReferenceError:
            continue
        if (image.registry, image.repository) == (registry, repository):
            kept.append(str(image))
    return kept
