"""From the object an event is about to the subject of an incident: the walk up the ownerReferences, and across.

A claim's signals go to the workload that mounts it, an autoscaler's to its target, a Service's to the workload it
selects; each to itself where there is none, or more than one. An event may be about a pod that is gone already, so
what was learnt of an object is remembered for a while, under its whole reference: a uid alone can be named by an
event of any namespace. A name is never cut apart to guess an owner.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import AsyncIterator, Iterable
from typing import Any

import msgspec

from incidents.object_health import claims_of
from incidents.objects import (
    AROUND_WORKLOADS,
    AUTOSCALER,
    CLAIM,
    KINDS,
    NODE,
    POD,
    REPLICA_SET,
    SERVICE,
    WORKLOADS,
    ClusterId,
    Kind,
    ObjectRef,
    Uid,
    controller_of,
    reference,
    selects,
)
from incidents.subjects import Subject, owns, subject_around, subject_of
from tools.cluster.errors import Forbidden, NotFound
from tools.cluster.reader import Reader
from tools.cluster.trimmed import each_trimmed

REMEMBERED = 20_000  # objects; a few MB, many times the pods of a large cluster
MANY = 20  # unknown pods of one namespace: from here on its lists are cheaper than three requests for each
_HEIGHT = 5  # owners above one another; no built-in kind has more than two
_PLACED = frozenset({*WORKLOADS.values(), REPLICA_SET})  # no subject is found above any other kind
_LISTED = frozenset({*WORKLOADS.values(), REPLICA_SET}) - {POD}


class Owners:
    """Finds subjects, asking the API server for one object a step."""

    def __init__(self, reader: Reader, cluster: ClusterId) -> None:
        self._reader = reader
        self._cluster = cluster
        self._known: OrderedDict[ObjectRef, Subject] = OrderedDict()

    async def subject(self, about: ObjectRef) -> Subject | None:
        """The subject of an object; None if it is of a kind nobody knows, or gone and never seen."""
        if about in self._known:
            self._known.move_to_end(about)
            return self._known[about]
        if about.kind in AROUND_WORKLOADS:
            subject = await self._across(about)
        else:
            start = await self._reader.find(about) if about.known_kind in _PLACED else None
            subject = await self._climb(start) if start is not None else None
        if subject is not None and about.uid and (subject.is_workload or about.uid == subject.uid):
            self._remember(about, subject)
        return subject

    def known(self, about: ObjectRef) -> Subject | None:
        """The subject of an object if it has been found before; nobody is asked."""
        return self._known.get(about)

    def forget(self, about: ObjectRef) -> None:
        """Look anew the next time: what an object is used by may have changed since."""
        self._known.pop(about, None)

    async def learn(self, abouts: Iterable[ObjectRef]) -> None:
        """Find the subjects of many pods at once: where one namespace has enough of them, by its lists.

        Whatever cannot be found this way is left to ``subject``. Raises ClusterError when pods cannot be listed.
        """
        unknown: dict[str, set[Uid]] = defaultdict(set)
        for about in abouts:
            if about not in self._known and about.known_kind == POD and about.uid:
                unknown[about.namespace].add(about.uid)
        for namespace, uids in unknown.items():
            if len(uids) >= MANY:
                await self._learn_from_lists(namespace, uids)

    async def _learn_from_lists(self, namespace: str, uids: set[Uid]) -> None:
        pods = [pod async for pod in each_trimmed(self._reader, POD, namespace) if pod["metadata"]["uid"] in uids]
        chains, held = [[pod] for pod in pods], dict[str, dict[str, Any]]()
        listed: set[Kind] = set()
        for _ in range(_HEIGHT):
            for kind in _LISTED & {_above(chain[-1]) for chain in chains} - listed:
                listed.add(kind)
                held |= {item["metadata"]["uid"]: item async for item in each_trimmed(self._reader, kind, namespace)}
            for chain in chains:
                owner = held.get(str((controller_of(chain[-1]) or {}).get("uid")))
                if owner is not None and owns(owner, chain[-1]):
                    chain.append(owner)
        for chain in chains:
            subject = subject_of(chain, cluster=self._cluster)
            if subject is not None and controller_of(chain[-1]) is None:
                self._remember(reference(chain[0]), subject)

    def _remember(self, about: ObjectRef, subject: Subject) -> None:
        if about.kind in (CLAIM.kind, SERVICE.kind) and not subject.is_workload:
            return  # a workload that uses it may come later
        self._known[about] = subject
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    async def _climb(self, start: dict[str, Any]) -> Subject | None:
        chain, manager = [start], ""
        while len(chain) <= _HEIGHT and (claim := controller_of(chain[-1])) is not None:
            kind = KINDS.get((str(claim.get("apiVersion")), str(claim.get("kind"))))
            if kind is None:
                manager = f"{claim.get('kind')}/{claim.get('name')}"
                break
            try:
                owner = await self._reader.get(kind, start["metadata"].get("namespace", ""), str(claim.get("name")))
            except NotFound:
                break
            except Forbidden:  # a kind that we may not read is nobody's whom we could work on
                manager = f"{claim.get('kind')}/{claim.get('name')}"
                break
            if not owns(owner, chain[-1]):
                break
            chain.append(owner)
        return subject_of(chain, cluster=self._cluster, manager=manager)

    # --- what is no workload

    async def _across(self, about: ObjectRef) -> Subject | None:
        """The one workload that an object belongs to, else the object itself."""
        if about.known_kind is None or (about.namespace and not about.known_kind.namespaced):
            return None  # what belongs to the whole cluster is in no namespace, whoever says so
        if about.kind == NODE.kind and about.uid == about.name:
            about = msgspec.structs.replace(about, uid=Uid(""))  # a kubelet calls itself by its name there
        found = await self._reader.find(about)
        if found is None:
            return None
        itself = subject_around(found, cluster=self._cluster)
        if about.kind == AUTOSCALER.kind:
            return await self._target(found) or itself
        workloads: dict[str, Subject] = {}
        async for pod in self._pods_around(found):
            workload = await self._climb(pod)
            if workload is not None:
                workloads[workload.key] = workload
            if len(workloads) > 1:
                return itself
        return next(iter(workloads.values()), itself)

    async def _target(self, autoscaler: dict[str, Any]) -> Subject | None:
        target = autoscaler.get("spec", {}).get("scaleTargetRef") or {}
        kind = KINDS.get((str(target.get("apiVersion")), str(target.get("kind"))))
        if kind is None:
            return None
        try:
            found = await self._reader.get(kind, autoscaler["metadata"]["namespace"], str(target.get("name")))
        except NotFound:
            return None
        return await self._climb(found)

    async def _pods_around(self, found: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """The pods that mount a claim or that a Service selects, one of each owner."""
        kind, name = found.get("kind"), found["metadata"]["name"]
        if kind not in (CLAIM.kind, SERVICE.kind):
            return
        selector = {"matchLabels": found.get("spec", {}).get("selector") or {}}
        seen: set[str] = set()
        async for pod in self._reader.each(POD, found["metadata"]["namespace"]):
            uses = name in claims_of(pod) if kind == CLAIM.kind else selects(selector, pod["metadata"].get("labels"))
            owner = str((controller_of(pod) or {}).get("uid") or pod["metadata"]["uid"])
            if uses and owner not in seen:
                seen.add(owner)
                yield pod


def _above(manifest: dict[str, Any]) -> Kind | None:
    """The kind of the controller that an object claims to have, if we know it."""
    claim = controller_of(manifest) or {}
    return KINDS.get((str(claim.get("apiVersion")), str(claim.get("kind"))))
