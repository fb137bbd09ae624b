"""Everything that sees, on a cluster in memory and a clock that only moves when a test says so."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from incidents.incident import Incident, Status
from incidents.objects import ClusterId, Kind
from incidents.policy import Policy
from scraper.grace import Grace
from scraper.handed_over import HandedOver
from scraper.intake import Intake, IntakeParts
from scraper.raising import SweepParts
from scraper.sweep import Sweep
from scraper.tracing import Tracing
from tests.builders import NAMESPACE, NOW, stamp
from tests.clocks import FakeClock
from tests.remediation.scripted import ScriptedCluster
from tests.world import Told
from tools.cluster.owners import Owners
from tools.cluster.reader import Reader
from tools.notify.outbox import Outbox
from tools.store import Store
from tools.store.sqlite import open_store

Object = dict[str, Any]
CLUSTER = ClusterId("cluster-1")
OLD = 100_000.0  # seconds: of an object that has stood for long


def thing(kind: Kind, name: str, *, age: float = OLD, labels: Mapping[str, str] | None = None, **fields: Any) -> Object:
    """An object of any kind, in the namespace of the other builders if it is in one."""
    metadata = {"name": name, "uid": f"uid-{name}", "creationTimestamp": stamp(age), "labels": dict(labels or {})}
    if kind.namespaced:
        metadata["namespace"] = NAMESPACE
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **fields}


@dataclass
class Seeing:
    """The parts, and what became of them."""

    cluster: ScriptedCluster
    store: Store
    clock: FakeClock
    policy: Policy
    queued: list[Incident] = field(default_factory=list)
    told: Told = field(default_factory=Told)

    def __post_init__(self) -> None:
        self.reader = Reader(self.cluster)
        self.owners = Owners(self.reader, CLUSTER)
        self.intake = Intake(
            IntakeParts(
                reader=self.reader,
                owners=self.owners,
                store=self.store,
                policy=self.policy,
                clock=self.clock,
                queue_up=self.queued.append,
            ),
            monotonic=self.seconds,
        )
        self._sweep = Sweep(
            SweepParts(
                reader=self.reader,
                owners=self.owners,
                store=self.store,
                intake=self.intake,
                policy=self.policy,
                clock=self.clock,
                cluster=CLUSTER,
            )
        )
        tracing = Tracing(
            reader=self.reader,
            store=self.store,
            policy=self.policy,
            clock=self.clock,
            cluster=CLUSTER,
            queue_up=self.queued.append,
        )
        self.grace = Grace(reader=self.reader, store=self.store, clock=self.clock, tracing=tracing, grace_seconds=10)
        self.handed_over = HandedOver(
            reader=self.reader,
            store=self.store,
            outbox=Outbox(self.store, self.told),
            clock=self.clock,
            cluster=CLUSTER,
            settle_seconds=60,
            sight=lambda: self._sweep.sight,
        )

    def seconds(self) -> float:
        """A monotonic clock that goes with the other one."""
        return (self.clock.now() - NOW).total_seconds()

    async def sweep(self) -> int:
        """One sweep, and all that it raised written."""
        raised = await self._sweep.sweep()
        await self.intake.write()
        return raised

    async def incidents(self, *statuses: Status) -> list[Incident]:
        """All incidents, or those with a status."""
        return await self.store.incidents(*statuses)

    async def only(self) -> Incident:
        """The one incident there is."""
        (found,) = await self.incidents()
        return found


@asynccontextmanager
async def seeing(folder: Path, *objects: Object, **policy: Any) -> AsyncIterator[Seeing]:
    """See a cluster of these objects."""
    clock = FakeClock()
    async with open_store(folder / "store.sqlite", now=clock.now) as store:
        yield Seeing(ScriptedCluster(*objects), store, clock, Policy(**policy))
