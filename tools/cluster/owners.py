"""From the object an event is about to the subject of an incident: the walk up the ownerReferences.

An event may be about a pod that is gone already, so what was learnt of an object is remembered for a while, under
its whole reference: a uid alone can be named by an event of any namespace. A name is never cut apart to guess an owner.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from incidents.objects import KINDS, REPLICA_SET, WORKLOADS, ClusterId, ObjectRef, controller_of
from incidents.subjects import Subject, owns, subject_of
from tools.cluster.errors import NotFound
from tools.cluster.reader import Reader

REMEMBERED = 20_000  # objects; a few MB, many times the pods of a large cluster
_HEIGHT = 5  # owners above one another; no built-in kind has more than two
_PLACED = frozenset({*WORKLOADS.values(), REPLICA_SET})  # no subject is found from any other kind: none is read


class Owners:
    """Finds subjects, asking the API server for one object a step."""

    def __init__(self, reader: Reader, cluster: ClusterId) -> None:
        self._reader = reader
        self._cluster = cluster
        self._known: OrderedDict[ObjectRef, Subject] = OrderedDict()

    async def subject(self, about: ObjectRef) -> Subject | None:
        """The subject of an object; None if it is of no kind we repair, or gone and never seen."""
        if about in self._known:
            self._known.move_to_end(about)
            return self._known[about]
        start = await self._reader.find(about) if about.known_kind in _PLACED else None
        if start is None:
            return None
        subject = await self._climb(start)
        if subject is not None and about.uid:
            self._known[about] = subject
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return subject

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
            if not owns(owner, chain[-1]):
                break
            chain.append(owner)
        return subject_of(chain, cluster=self._cluster, manager=manager)
