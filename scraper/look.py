"""One look at everything: each kind is listed once, every object judged, and what fails becomes a signal.

A Deployment is judged by its own status and its pods first; only one that looks broken is read as a run would
read it, so that whoever works on the signal sees what the sweep saw.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import msgspec
import structlog

from evidence.certificates import Certificates
from evidence.snapshots import read_snapshot
from evidence.surroundings import read_ingress
from incidents.health import State, assess, ended_at
from incidents.object_health import backends_of, job_end, taken_up
from incidents.objects import (
    AUTOSCALER,
    CLAIM,
    CRON_JOB,
    DAEMON_SET,
    DEPLOYMENT,
    INGRESS,
    INGRESS_CLASS,
    JOB,
    NODE,
    POD,
    SECRET,
    SERVICE,
    STATEFUL_SET,
    STORAGE_CLASS,
    Kind,
    controller_of,
    reference,
)
from incidents.ordering import proves_template
from incidents.pod_health import timestamp
from incidents.snapshot import Snapshot
from incidents.subjects import owns
from scraper.picture import Picture
from scraper.raising import Raising, SweepParts
from tools.cluster.errors import ODD_OBJECT, ClusterError
from tools.cluster.trimmed import each_trimmed

CLOSE_LOOKS = 100  # Deployments read in full in one sweep; the others are looked at by the next ones
HISTORY_SECONDS = 86_400.0  # a Job that failed longer ago is history, which Kubernetes keeps for ever
_SWEPT = (STATEFUL_SET, DAEMON_SET, JOB, CRON_JOB, DEPLOYMENT)  # Jobs before the CronJobs that they are judged with
_SERVED = frozenset(kind.kind for kind in (STATEFUL_SET, DAEMON_SET, DEPLOYMENT))
_KNOWN_OWNERS = frozenset(kind.kind for kind in _SWEPT)

log = structlog.get_logger(__name__)
Object = dict[str, Any]


class _Labelled(msgspec.Struct):
    labels: dict[str, str] | None = None


class _Template(msgspec.Struct):
    metadata: _Labelled = msgspec.field(default_factory=_Labelled)


_templates = msgspec.json.Decoder(_Template)


class Look:
    """One sweep, as far as it has come. ``looked_at``: Deployments read in full since everything had its turn."""

    def __init__(self, parts: SweepParts, raising: Raising, looked_at: set[str]) -> None:
        self._parts = parts
        self._raising = raising
        self._now = parts.clock.now()
        self._looked_at = looked_at
        self._jobs: dict[str, list[Object]] = {}
        self._classes: dict[str, Object] | None = None
        self._services: set[tuple[str, str]] = set()
        self._close_looks = 0
        self.picture = Picture(self._now, parts.clock.speed)
        self.revised: set[str] = set()  # uids of what has revisions that may be recorded as well
        self.postponed = False
        self.unread: set[str] = set()
        self.odd: set[tuple[str, str]] = set()  # kind, and why one of them could not be judged
        self.objects = 0
        self.whole = False

    async def look(self) -> None:
        """Look at everything. Raises ClusterError when the pods cannot be read: nothing can be judged without them."""
        for namespace in self._parts.policy.namespaces or ("",):
            async for pod in each_trimmed(self._parts.reader, POD, namespace, on_odd=self._is_odd):
                self.objects += 1
                with self._for_itself(POD):
                    if self._parts.policy.covers(pod["metadata"]["namespace"]):
                        self.picture.add_pod(pod, _KNOWN_OWNERS)
        await self._cluster_wide()
        await self._pods(self.picture.alone)
        for kind in _SWEPT:
            async for workload in self._each(kind):
                with self._for_itself(kind):
                    await self._workload(workload)
        await self._pods(self.picture.unclaimed)
        if not self.unread & _SERVED:  # a workload that could not be read may be what a Service is there for
            async for service in self._each(SERVICE):
                with self._for_itself(SERVICE):
                    self._services.add((service["metadata"]["namespace"], service["metadata"]["name"]))
                    await self._service(service)
            await self._ingresses()
        async for claim in self._each(CLAIM):
            with self._for_itself(CLAIM):
                await self._claim(claim)
        async for autoscaler in self._each(AUTOSCALER):
            with self._for_itself(AUTOSCALER):
                await self._raising.judge(Snapshot(workload=autoscaler, read_at=self._now))
        self.whole = True

    async def _each(self, kind: Kind) -> AsyncIterator[Object]:
        """The objects of a kind that may be looked at. A kind that cannot be listed is named in ``unread``."""
        policy = self._parts.policy
        for namespace in policy.namespaces or ("",):
            try:
                async for item in each_trimmed(self._parts.reader, kind, namespace, on_odd=self._is_odd):
                    self.objects += 1
                    metadata = item["metadata"]
                    if metadata.get("deletionTimestamp"):
                        self.picture.claim(item)
                    elif policy.covers(metadata.get("namespace", "")):
                        yield item
            except ClusterError as error:
                log.debug("sweep.unread", kind=kind.kind, error=str(error))
                self.unread.add(kind.kind)
                return

    def _is_odd(self, kind: Kind, error: str) -> None:
        self.odd.add((kind.kind, error))

    @contextmanager
    def _for_itself(self, kind: Kind) -> Iterator[None]:
        """One object that has a shape nobody foresaw is left out; the others are judged."""
        try:
            yield
        except ODD_OBJECT as error:
            self._is_odd(kind, f"{type(error).__name__}: {error}")

    async def _cluster_wide(self) -> None:
        """Nodes and StorageClasses; not for a program that was given some namespaces only."""
        if self._parts.policy.namespaces:
            return
        async for node in self._each(NODE):
            with self._for_itself(NODE):
                for image in node.get("status", {}).get("images") or ():
                    self.picture.add_images(image.get("names") or ())
                await self._raising.judge(Snapshot(workload=node, read_at=self._now))
        classes = {item["metadata"]["name"]: item async for item in self._each(STORAGE_CLASS)}
        self._classes = None if STORAGE_CLASS.kind in self.unread else classes

    # --- kinds

    async def _pods(self, pods: Sequence[Object]) -> None:
        """Pods that nobody we know stands above."""
        for pod in pods:
            with self._for_itself(POD):
                if _is_left_over(pod, self._now):
                    continue
                await self._raising.judge(Snapshot(workload=pod, pods=(pod,), read_at=self._now))

    async def _workload(self, workload: Object) -> None:
        metadata, spec = workload["metadata"], workload.get("spec", {})
        raw = bytes(spec.pop("template", b"{}"))
        labels = _labels_of(raw)
        spec["template"] = {"metadata": {"labels": labels}}
        self.picture.add_template(metadata["namespace"], labels)
        if spec.get("suspend") or spec.get("replicas") == 0:
            self.picture.claim(workload)
            return
        owner = controller_of(workload) or {}
        if workload["kind"] == JOB.kind and owner.get("kind") == CRON_JOB.kind:
            self._jobs.setdefault(str(owner.get("uid")), []).append(workload)
            return
        if workload["kind"] == DEPLOYMENT.kind:
            await self._deployment(workload, raw)
            return
        if workload["kind"] == JOB.kind and _is_history(workload, self._now):
            return
        jobs = [job for job in self._jobs.get(metadata["uid"], ()) if owns(workload, job)]
        pods = [
            *self.picture.pods_in_trouble(workload),
            *(p for job in jobs for p in self.picture.pods_in_trouble(job)),
        ]
        snapshot = Snapshot(workload=workload, pods=tuple(pods), related=tuple(jobs), read_at=self._now)
        state = await self._raising.judge(snapshot)
        if workload["kind"] in _SERVED:
            self.revised.add(metadata["uid"])
            if state is State.WELL and not pods and proves_template(snapshot):
                await self._raising.record_good(workload, raw)

    async def _deployment(self, deployment: Object, template: bytes) -> None:
        self.revised.add(deployment["metadata"]["uid"])
        pods = self.picture.pods_in_trouble(deployment)
        snapshot = Snapshot(workload=deployment, read_at=self._now)
        state = assess(snapshot, self._now, self._parts.clock.speed).state
        self._raising.saw(deployment, in_trouble=state is not State.WELL or bool(pods))
        if state is State.WELL and not pods and proves_template(snapshot):
            await self._raising.record_good(deployment, template)
        elif (state is State.FAILING or pods) and not self._raising.has_incident(deployment):
            await self._look_closely(deployment)

    async def _look_closely(self, deployment: Object) -> None:
        """Read it in full. What has had its turn is passed over until everything else has had one."""
        uid = deployment["metadata"]["uid"]
        if uid in self._looked_at or self._close_looks >= CLOSE_LOOKS:
            self.postponed = True
            return
        self._close_looks += 1
        self._looked_at.add(uid)
        snapshot = await read_snapshot(self._parts.reader, reference(deployment), now=self._now)
        if snapshot is not None:
            await self._raising.judge(snapshot)

    async def _service(self, service: Object) -> None:
        selector = service.get("spec", {}).get("selector")
        if selector and not self.picture.selected(service["metadata"]["namespace"], selector):
            await self._raising.judge(Snapshot(workload=service, read_at=self._now))

    async def _ingresses(self) -> None:
        """Those that name what is not there; what may be on its way out is looked up first, but for certificates."""
        if SERVICE.kind in self.unread:
            return
        found = [ingress async for ingress in self._each(INGRESS)]
        unclaimed = {
            str((one.get("spec") or {}).get("ingressClassName") or "") for one in found if not taken_up(one)
        } - {""}
        classes = set(unclaimed)
        if unclaimed and not self._parts.policy.namespaces:
            classes = {item["metadata"]["name"] async for item in self._each(INGRESS_CLASS)}
            classes |= unclaimed if INGRESS_CLASS.kind in self.unread else set()
        certificates = Certificates(self._parts.reader)
        for ingress in found:
            with self._for_itself(INGRESS):
                namespace, spec = ingress["metadata"]["namespace"], ingress.get("spec") or {}
                lost = [name for name in backends_of(ingress) if (namespace, name) not in self._services]
                classless = (wanted := spec.get("ingressClassName")) and wanted in unclaimed - classes
                lacking = await _lacking(ingress, certificates)  # first: what fails here does not fail in a closer look
                if lost or classless:
                    await self._look_closely_at_ingress(ingress, certificates)
                elif lacking:
                    await self._look_at_certificates(ingress, lacking)
        if certificates.refused:
            self.unread.add(SECRET.kind)

    async def _look_closely_at_ingress(self, ingress: Object, certificates: Certificates) -> None:
        """Read it in full; what was listed of Secrets a moment ago is not listed again."""
        reader = self._parts.reader
        if (read := await reader.find(reference(ingress))) is not None:
            await self._raising.judge(await read_ingress(reader, read, now=self._now, certificates=certificates))

    async def _look_at_certificates(self, ingress: Object, lacking: tuple[str, ...]) -> None:
        """Read one that lacks certificates alone: when it was last written is not in a list, and all else is there."""
        if (read := await self._parts.reader.find(reference(ingress))) is not None:
            await self._raising.judge(Snapshot(workload=read, missing=lacking, read_at=self._now))

    async def _claim(self, claim: Object) -> None:
        if claim.get("status", {}).get("phase") == "Bound":
            return
        namespace, name = claim["metadata"]["namespace"], claim["metadata"]["name"]
        wanted = str(claim.get("spec", {}).get("storageClassName") or "")
        found = (self._classes or {}).get(wanted)
        missing = (f"{STORAGE_CLASS.kind}/{wanted}",) if wanted and self._classes is not None and found is None else ()
        mounting = {
            "metadata": {"name": "", "uid": ""},
            "spec": {"volumes": [{"persistentVolumeClaim": {"claimName": name}}]},
        }
        await self._raising.judge(
            Snapshot(
                workload=claim,
                pods=(mounting,) if self.picture.mounts(namespace, name) else (),
                related=(found,) if found is not None else (),
                missing=missing,
                read_at=self._now,
            )
        )


async def _lacking(ingress: Object, certificates: Certificates) -> tuple[str, ...]:
    """The certificates that it names and that are not there; Secrets that cannot be listed cost nothing else.

    Nothing is said then of the Ingress, that it is well neither: one with an incident is read by itself to know that.
    """
    try:
        return await certificates.missing(ingress)
    except ClusterError as error:
        log.debug("sweep.unread", kind=SECRET.kind, error=str(error))
        return ()


def _labels_of(template: bytes) -> dict[str, str]:
    try:
        return _templates.decode(template).metadata.labels or {}
    except msgspec.DecodeError:
        return {}  # a CronJob has its template further down, and is selected by no Service


def _is_history(job: Object, now: datetime) -> bool:
    end = job_end(job)
    ended = timestamp(end.get("lastTransitionTime")) if end is not None else None
    return ended is not None and now - ended > timedelta(seconds=HISTORY_SECONDS)


def _is_left_over(pod: Object, now: datetime) -> bool:
    """Whether it is a pod that has failed for good long ago, and that nobody has cleared away."""
    if pod.get("status", {}).get("phase") != "Failed":
        return False
    moment = ended_at(pod)
    return moment is not None and now - moment > timedelta(seconds=HISTORY_SECONDS)
