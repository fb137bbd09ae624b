"""The second half of a cordon: pods that are asked to leave the node, one after the other.

They are evicted and never deleted, so that the API server asks their disruption budgets. One leaves only while its
controller has all the other pods it wants, and the next one only when it is gone. Nothing is remembered but what was
refused for good: every look decides anew from the cluster, so that a crash in between costs nothing. Who may go follows
from the change that a person has approved, and from the pods as they are now (``incidents.moving``).

What is evicted is made anew by its controller and placed by the scheduler; there is no way back but that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import structlog

from incidents.changes import Change
from incidents.moving import MADE_ANEW, owner_uid, priority_of, spared, stays
from incidents.objects import POD, ChangeId, Manifest, ObjectRef, Uid, controller_of, reference
from incidents.proposals import Drain, Proposal
from incidents.snapshot import is_ready
from remediation.gate import Writes
from remediation.outcomes import is_refusal
from tools.clock import Clock
from tools.cluster.errors import Busy, ClusterError, Conflict, NotFound
from tools.cluster.reader import Reader
from tools.store import Store

log = structlog.get_logger(__name__)


class Left(NamedTuple):
    """What is left to be done: whether to look again, and what is said of those that stay."""

    goes_on: bool
    said: str


NOTHING_LEFT = Left(False, "")


class Draining:
    """Evicts what a change is to move off its node. Nothing here raises for the cluster."""

    def __init__(self, reader: Reader, writer: Writes, store: Store, clock: Clock) -> None:
        self._reader = reader
        self._writer = writer
        self._store = store
        self._clock = clock
        self._recorded: set[Uid] = set()
        self._refused: dict[Uid, str] = {}
        self._told_of: set[tuple[Uid, str]] = set()

    async def step(self, change: Change) -> Left:
        """Ask the one pod to leave that may go now, if there is one."""
        action = change.proposal.action
        if not isinstance(action, Drain):
            return NOTHING_LEFT
        try:
            return await self._step(change, action)
        except ClusterError as error:
            log.warning("draining.blind", incident=change.incident, change=change.id, error=str(error))
            return Left(True, f"which pods are left cannot be seen: {error}")

    async def _step(self, change: Change, action: Drain) -> Left:
        on_node = await self._reader.list(POD, fields=f"spec.nodeName={change.target.name}")
        ours = [pod for pod in on_node if owner_uid(pod) in action.owners]
        if any(pod["metadata"].get("deletionTimestamp") for pod in ours):
            return Left(True, "a pod is on its way")
        left = [pod for pod in ours if not stays(pod)]
        for pod in sorted(left, key=_least_first):
            uid = Uid(str(pod["metadata"]["uid"]))
            if uid not in self._refused and await self._may_go(pod) and await self._evict(change, pod):
                return Left(True, "a pod was asked to leave")
        return Left(any(pod["metadata"]["uid"] not in self._refused for pod in left), self._told(left))

    async def _may_go(self, pod: Manifest) -> bool:
        """Whether its controller has all the others it wants."""
        owner = controller_of(pod) or {}
        try:
            kind = MADE_ANEW[str(owner.get("kind"))]
            found = await self._reader.get(kind, str(pod["metadata"]["namespace"]), str(owner.get("name")))
        except (KeyError, NotFound):
            return False
        return found["metadata"]["uid"] == owner.get("uid") and spared(found, pod)

    async def _evict(self, change: Change, pod: Manifest) -> bool:
        """Whether the pod is on its way, or has gone by itself."""
        ref = reference(pod)
        await self._record(change, ref)
        try:
            await self._writer.evict(ref, change=change.id)
        except (Conflict, NotFound):
            return True
        except ClusterError as error:
            if is_refusal(error) and not isinstance(error, Busy):  # a budget may let it go later
                self._refused[ref.uid] = str(error)
            await self._tell_once(change, ref, str(error))
            return False
        return True

    async def _tell_once(self, change: Change, pod: ObjectRef, because: str) -> None:
        """Write down why a pod has not left: each reason once, however often it is asked."""
        if (pod.uid, because) in self._told_of:
            return
        self._told_of.add((pod.uid, because))
        said = {"change": change.id, "pod": pod.name, "because": because}
        await self._store.note(change.incident, "pod-not-evicted", **said)
        log.warning("pod.not_evicted", incident=change.incident, **said)

    async def _record(self, change: Change, pod: ObjectRef) -> None:
        """Write down what is about to be sent, once for each pod."""
        if pod.uid in self._recorded:
            return
        said = {"change": change.id, "pod": pod.name, "uid": pod.uid, "node": change.target.name}
        await self._store.note(change.incident, "evicting-pod", namespace=pod.namespace, **said)
        await self._store.audit("evict-pod", incident=change.incident, namespace=pod.namespace, **said)
        self._recorded.add(pod.uid)
        log.info("pod.evicting", incident=change.incident, change=change.id, pod=pod.name)

    def _told(self, left: Sequence[Manifest]) -> str:
        if not left:
            return "what was to leave it has left"
        names = ", ".join(str(pod["metadata"]["name"]) for pod in left)
        because = next((self._refused[uid] for pod in left if (uid := pod["metadata"]["uid"]) in self._refused), "")
        return f"{names} stayed: " + (because or "a budget, or too few others that are ready, did not let them go")


async def rehearsed_evictions(writer: Writes, proposal: Proposal, change: ChangeId) -> None:
    """Ask the server whether it would take the evictions. A budget that lets nobody go now may do so later.

    Raises ClusterError for what it would refuse for good.
    """
    if isinstance(proposal.action, Drain):
        for pod in proposal.action.pods:
            try:
                await writer.evict(pod, change=change, dry_run=True)
            except (Busy, Conflict, NotFound):
                continue


def _least_first(pod: Manifest) -> tuple[int, bool, str]:
    """Who goes first: of the least priority, and rather one that is not ready anyway."""
    return priority_of(pod), is_ready(pod), str(pod["metadata"]["name"])
