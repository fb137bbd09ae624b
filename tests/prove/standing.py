"""How a scenario's workloads stand, by the program's one judge of health; read from a dump of the cluster. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec
import orjson

from incidents.health import State, assess
from incidents.objects import WORKLOADS
from incidents.snapshot import Snapshot, pod_template
from incidents.subjects import owns
from simulator.scenario import Scenario

Dump = Mapping[str, Mapping[str, Any]]
_HANDED_OVER = ("escalated", "rolled_back")


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How one workload stands: the answer of the judge of health, and a digest of its pods' spec.

    The digest has the defaults in it and leaves the labels out, which may carry what a server makes up.
    """

    state: str
    symptoms: tuple[str, ...] = ()
    spec: str = ""

    def __str__(self) -> str:
        return f"{self.state} ({', '.join(self.symptoms)})" if self.symptoms else self.state


def _workloads(dump: Dump, scenario: Scenario) -> Iterator[tuple[str, Mapping[str, Any] | None]]:
    for item in scenario.setup:
        kind, name = item["kind"], item["metadata"]["name"]
        if kind in WORKLOADS:
            yield f"{kind}/{name}", dump.get(f"{item['apiVersion']}/{kind}/{scenario.namespace}/{name}")


def standings(dump: Dump, scenario: Scenario, *, now: datetime, speed: float) -> dict[str, Standing]:
    """Every workload of the scenario's setup by `Kind/NAME`, as it stands at ``now``."""
    return dict(_standings(dump, scenario, now=now, speed=speed))


def fits(expected: str, found: Mapping[str, Standing]) -> bool:
    """Whether the workloads stand as the expected outcome has it: what is handed over fails, all else is well.

    What crashes again and again is well in between: one looks more than once.
    """
    well = all(item.state == State.WELL for item in found.values())
    failing = any(item.state == State.FAILING for item in found.values())
    return failing if expected in _HANDED_OVER else well


def _standings(dump: Dump, scenario: Scenario, *, now: datetime, speed: float) -> Iterator[tuple[str, Standing]]:
    for name, workload in _workloads(dump, scenario):
        if workload is None:
            yield name, Standing(state="gone")
            continue
        health = assess(_snapshot(dump, workload, now=now), now, speed)
        spec = orjson.dumps(pod_template(workload).get("spec") or {}, option=orjson.OPT_SORT_KEYS)
        digest = hashlib.sha256(spec).hexdigest()[:12]
        yield name, Standing(state=str(health.state), symptoms=tuple(sorted(health.symptoms)), spec=digest)


def _snapshot(dump: Dump, workload: Mapping[str, Any], *, now: datetime) -> Snapshot:
    sets = [dict(item) for key, item in dump.items() if key.startswith("apps/v1/ReplicaSet/") and owns(workload, item)]
    pods = [dict(item) for key, item in dump.items() if key.startswith("v1/Pod/")]
    return Snapshot(
        workload=dict(workload),
        replica_sets=tuple(sets),
        pods=tuple(pod for pod in pods if any(owns(owner, pod) for owner in (sets or (workload,)))),
        read_at=now,
    )
