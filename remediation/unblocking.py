"""The second half of a change to an ordered StatefulSet's template: the stuck pod that its controller will not replace.

Its controller waits for a pod that is not ready before it does anything else, even where the template has been put
right since (``incidents.ordering``). So after such a change the pod at which the controller waits is deleted if it
fails and is of another revision: one at a time, never one that is ready, none that has become unready since or is only
slow to start. After the change was taken back the same is done with the pod that it has left behind. Claims are kept,
as the controller keeps them. Nothing is remembered: every look decides anew from the cluster, so that a crash in
between costs nothing.

The deletion is bound to the pod's uid and to the version that was seen, so that a pod that has become ready in
the meantime stays. It goes through the gated writer like every write, and is recorded before it is sent.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import structlog

from evidence.snapshots import read_snapshot
from incidents.changes import Change
from incidents.objects import STATEFUL_SET, Manifest, ObjectRef, Uid, reference
from incidents.ordering import in_the_way
from incidents.pod_health import pod_findings, timestamp
from incidents.snapshot import CONTROLLER_HASH, Snapshot, observed
from incidents.symptoms import Symptom
from remediation.gate import Writes
from remediation.outcomes import is_refusal
from tools.clock import Clock
from tools.cluster.errors import Busy, ClusterError, Conflict, NotFound
from tools.cluster.reader import Reader
from tools.store import Store

LOOK_SECONDS = 1.0
AFTER_UNDO_SECONDS = 30.0  # how long is waited for the controller to see that a change was taken back
_WITHOUT_FINDING = frozenset({Symptom.NOT_READY, Symptom.PROBE_FAILING, Symptom.ROLLOUT_STUCK})  # of a pod by itself

log = structlog.get_logger(__name__)


class Unblocking:
    """Deletes what keeps StatefulSets from the template that a change, or its undoing, has given them.

    Nothing here raises for the cluster: what cannot be deleted is told in the timeline, and verification goes on.
    """

    def __init__(self, reader: Reader, writer: Writes, store: Store, clock: Clock) -> None:
        self._reader = reader
        self._writer = writer
        self._store = store
        self._clock = clock
        self._recorded: set[Uid] = set()
        self._refused: set[Uid] = set()

    async def step(self, change: Change, snapshot: Snapshot) -> None:
        """Delete the one pod in the way, if there is one that fails and was not ready before the change was sent."""
        if change.sent_at is None or not _concerns(change, snapshot):
            return
        pod = in_the_way(snapshot, change.sent_at)
        if pod is not None and self._fails(change, pod):
            await self._delete(change, snapshot, pod)

    def _fails(self, change: Change, pod: Manifest) -> bool:
        """Whether the pod shows trouble of its own, or the trouble was that pods do not become ready."""
        found = any(True for _ in pod_findings(pod, self._clock.now(), self._clock.speed))
        return found or change.proposal.ends in _WITHOUT_FINDING

    async def after_undo(self, change: Change, is_back: Callable[[Manifest], bool]) -> None:
        """Once a change has been taken back: delete the pod of its revision that is in the way, if there is one.

        ``is_back`` says of the object whether it still is as the undoing left it.
        """
        if not _of_template(change) or change.ended_at is None:
            return
        until = self._clock.now() + timedelta(seconds=AFTER_UNDO_SECONDS / self._clock.speed)
        try:
            while self._clock.now() < until:
                snapshot = await read_snapshot(self._reader, change.target, now=self._clock.now())
                if snapshot is None or not (_concerns(change, snapshot) and is_back(snapshot.workload)):
                    return
                goes_on = not observed(snapshot.workload) or len(snapshot.live_pods) < len(snapshot.pods)
                pod = in_the_way(snapshot, change.ended_at)
                if pod is None and not goes_on:
                    return
                if pod is not None and not (_made_since(change, pod) and await self._delete(change, snapshot, pod)):
                    return
                await self._clock.sleep(LOOK_SECONDS)
        except ClusterError as error:
            log.warning("unblocking.blind", incident=change.incident, change=change.id, error=str(error))

    async def _delete(self, change: Change, snapshot: Snapshot, pod: Manifest) -> bool:
        """Delete the pod that is in the way; whether that has to be tried again."""
        if pod["metadata"]["uid"] in self._refused:
            return False
        ref = reference(pod)
        await self._record(change, ref, _because(snapshot, pod))
        version = str(pod["metadata"].get("resourceVersion", ""))
        try:
            await self._writer.delete(ref, change=change.id, resource_version=version)
        except (Conflict, NotFound):
            return True  # it has moved on: the next look decides anew
        except ClusterError as error:
            if is_refusal(error) and not isinstance(error, Busy):
                self._refused.add(ref.uid)
            said = {"change": change.id, "pod": ref.name, "because": str(error)}
            await self._store.note(change.incident, "pod-not-deleted", **said)
            log.warning("pod.not_deleted", incident=change.incident, change=change.id, error=str(error))
            return ref.uid not in self._refused
        return False

    async def _record(self, change: Change, pod: ObjectRef, because: str) -> None:
        """Write down what is about to be sent, once for each pod."""
        if pod.uid in self._recorded:
            return
        said = {"change": change.id, "pod": pod.name, "uid": pod.uid, "because": because}
        await self._store.note(change.incident, "deleting-pod", **said)
        await self._store.audit("delete-pod", incident=change.incident, namespace=pod.namespace, **said)
        self._recorded.add(pod.uid)
        log.info("pod.deleting", incident=change.incident, change=change.id, pod=pod.name)


def _concerns(change: Change, snapshot: Snapshot) -> bool:
    """Whether the change is one to the template of this very StatefulSet."""
    return _of_template(change) and snapshot.workload["metadata"]["uid"] == change.target.uid


def _of_template(change: Change) -> bool:
    ours = change.target.kind == STATEFUL_SET.kind
    return ours and any(path.startswith("/spec/template") for path in change.proposal.paths)


def _made_since(change: Change, pod: Manifest) -> bool:
    """Whether a pod was made when the change stood: what it has left behind, and nothing that was there before it."""
    made = timestamp(pod["metadata"].get("creationTimestamp"))
    return made is not None and change.sent_at is not None and made >= change.sent_at.replace(microsecond=0)


def _because(snapshot: Snapshot, pod: Manifest) -> str:
    revision = snapshot.workload.get("status", {}).get("updateRevision")
    had = (pod["metadata"].get("labels") or {}).get(CONTROLLER_HASH)
    return f"not ready, of revision {had}; its controller waits for it and goes to {revision}"
