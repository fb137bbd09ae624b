"""What the guardrails need to know besides the object: what was changed lately, the switches, and what it is made from.

Read anew for every attempt and only as far as it could matter: a cluster's objects of other tools are asked for where
the object is marked as theirs, or the change is about fields that an autoscaler sets. What may not be read counts as
the more careful of its possible answers where the object carries a mark, and as not there where it carries none.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

import structlog

from incidents.changes import Change
from incidents.decisions import Switch, SwitchName
from incidents.incident import Incident
from incidents.objects import DAEMON_SET, DEPLOYMENT, STATEFUL_SET, ClusterId, IncidentId, Kind, Manifest
from incidents.policy import Windows
from incidents.proposals import Proposal, RollBack
from incidents.signals import Source as SignalSource
from remediation.guardrails.sources import (
    argo_application,
    argo_source,
    horizontal_autoscaler,
    marked_sources,
    vertical_autoscaler,
)
from remediation.guardrails.view import Source
from tools.clock import Clock
from tools.cluster.errors import Busy, ClusterError, Forbidden, NotFound, Unauthorized, Unreachable
from tools.cluster.reader import Reader
from tools.store import Store

APPLICATION = Kind("argoproj.io/v1alpha1", "Application", "applications")
VERTICAL = Kind("autoscaling.k8s.io/v1", "VerticalPodAutoscaler", "verticalpodautoscalers")
HORIZONTAL = Kind("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
_COUNTED = (DEPLOYMENT, STATEFUL_SET, DAEMON_SET)
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_COUNT_HOLDS = timedelta(seconds=30)  # of a namespace's workloads, for a share of what changes in an hour
_REMEMBERED = 10_000  # namespaces
_LONGEST_LINE = 20  # incidents that follow one another by request

log = structlog.get_logger(__name__)


class Surroundings:
    """Reads them for one store and one cluster. Every method raises Busy and Unreachable when the API server is."""

    def __init__(self, *, reader: Reader, store: Store, clock: Clock, windows: Windows) -> None:
        self._reader = reader
        self._store = store
        self._clock = clock
        self._windows = windows
        self._counted: dict[str, tuple[datetime, int]] = {}

    async def recent(self, cluster: ClusterId) -> tuple[Change, ...]:
        """This store's changes to the cluster within the longest window."""
        since: datetime = self._clock.now() - timedelta(seconds=self._windows.longest)
        return tuple(await self._store.changes_since(cluster, since))

    async def switches(self) -> tuple[Switch, ...]:
        """The switches as people left them."""
        return tuple([switch for name in SwitchName if (switch := await self._store.switch(name)) is not None])

    async def workloads(self, namespace: str, recent: Iterable[Change]) -> int:
        """How many workloads a namespace has; 0, unread, while so few were changed that it does not matter."""
        changed = {change.target.uid for change in recent if change.target.namespace == namespace}
        if len(changed) < self._windows.namespace_floor:
            return 0
        now = self._clock.now()
        counted_at, number = self._counted.get(namespace, (now - _COUNT_HOLDS, 0))
        if not now - _COUNT_HOLDS < counted_at <= now:
            number = sum(await asyncio.gather(*(self._count(kind, namespace) for kind in _COUNTED)))
            self._counted = {**self._counted, namespace: (now, number)} if len(self._counted) < _REMEMBERED else {}
        return number

    async def _count(self, kind: Kind, namespace: str) -> int:
        try:
            page = await self._reader.page(kind.path(namespace), {"limit": 1})
        except (NotFound, Forbidden):
            return 0  # fewer workloads are a smaller share
        return len(page.get("items") or ()) + int(page.get("metadata", {}).get("remainingItemCount") or 0)

    async def continues(self, incident: Incident) -> frozenset[IncidentId]:
        """The incidents that this one goes on from because a person asked for another try."""
        found: set[IncidentId] = set()
        present: Incident | None = incident
        while present is not None and present.follows and len(found) < _LONGEST_LINE:
            if present.first_signal.source is not SignalSource.REQUEST:
                break
            found.add(present.follows)
            present = await self._store.incident(present.follows)
        return frozenset(found)

    async def sources(self, live: Manifest, proposal: Proposal) -> tuple[Source, ...]:
        """What the object is made from, and what keeps fields that the proposal is about."""
        found = list(marked_sources(live))
        found += await self._argo(live)
        paths = proposal.paths
        if isinstance(proposal.action, RollBack) or any("/resources" in path for path in paths):
            found += await self._autoscalers(VERTICAL, live, vertical_autoscaler)
        if "/spec/replicas" in paths:
            found += await self._autoscalers(HORIZONTAL, live, horizontal_autoscaler)
        return tuple(found)

    async def _argo(self, live: Manifest) -> list[Source]:
        namespace, name, certain = argo_application(live)
        if not name:
            return []
        try:
            found = await self._applications(namespace, name)
        except (Busy, Unreachable, Unauthorized):
            raise
        except ClusterError as error:
            log.info("argo.unreadable", application=name, because=str(error))
            return [argo_source(name, None, live)] if certain else []
        if not certain and not found:
            return []
        return [argo_source(name, found[0] if len(found) == 1 else None, live)]

    async def _applications(self, namespace: str, name: str) -> list[dict[str, Any]]:
        """Applications of that name, wherever they are. The name is text from a label, and goes into a selector."""
        if not _NAME.fullmatch(name):
            raise NotFound("no application can have that name")
        if namespace:
            return [await self._reader.get(APPLICATION, namespace, name)]
        return await self._reader.list(APPLICATION, fields=f"metadata.name={name}")

    async def _autoscalers(
        self, kind: Kind, live: Manifest, as_source: Callable[[Manifest, Manifest], Source | None]
    ) -> list[Source]:
        try:
            scalers = await self._reader.list(kind, live["metadata"]["namespace"])
        except (NotFound, Forbidden):
            return []  # the cluster has none, or does not let us know of them
        return [source for scaler in scalers if (source := as_source(scaler, live)) is not None]
