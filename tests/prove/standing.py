"""How a scenario's workloads stand, by the program's one judge of health; read from a dump of the cluster. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec
import orjson

from incidents.health import Health, State, assess
from incidents.incident import Outcome
from incidents.objects import WORKLOADS
from incidents.pod_health import RESTART_MEMORY_SECONDS
from incidents.snapshot import Snapshot, pod_template
from incidents.subjects import owns
from simulator.scenario import Scenario

Dump = Mapping[str, Mapping[str, Any]]
_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"
_HANDED_OVER, _LEFT_ALONE = ("escalated", "rolled_back"), "left_alone"


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
    made = [step.create for step in scenario.breaks if step.create is not None]
    for item in (*scenario.setup, *made):
        kind, name = item["kind"], item["metadata"]["name"]
        if kind in WORKLOADS:
            yield f"{kind}/{name}", dump.get(f"{item['apiVersion']}/{kind}/{scenario.namespace}/{name}")


def standings(dump: Dump, scenario: Scenario, *, now: datetime, speed: float) -> dict[str, Standing]:
    """Every workload that the scenario makes by `Kind/NAME`, as it stands at ``now``."""
    return dict(_standings(dump, scenario, now=now, speed=speed))


def fits(expected: str, found: Mapping[str, Standing], *, well_all_the_same: bool = False) -> bool:
    """Whether the workloads stand as the expected outcome has it: what is handed over fails, what was resolved is well,
    what was left alone is well or on its way, as a paused rollout is for ever.

    What crashes again and again is well in between: one looks more than once. ``well_all_the_same``: what is handed
    over is no trouble of a workload.
    """
    failing = any(item.state == State.FAILING for item in found.values())
    if expected in _HANDED_OVER and not well_all_the_same:
        return failing
    allowed = {str(State.WELL), str(State.STARTING)} if expected == _LEFT_ALONE else {str(State.WELL)}
    return all(item.state in allowed for item in found.values())


def _standings(dump: Dump, scenario: Scenario, *, now: datetime, speed: float) -> Iterator[tuple[str, Standing]]:
    for name, workload in _workloads(dump, scenario):
        if workload is None:
            yield name, Standing(state="gone")
            continue
        health = _health(_snapshot(dump, workload, now=now), scenario, now=now, speed=speed)
        spec = orjson.dumps(_as_meant(pod_template(workload).get("spec") or {}), option=orjson.OPT_SORT_KEYS)
        digest = hashlib.sha256(spec).hexdigest()[:12]
        yield name, Standing(state=str(health.state), symptoms=tuple(sorted(health.symptoms)), spec=digest)


def _health(snapshot: Snapshot, scenario: Scenario, *, now: datetime, speed: float) -> Health:
    """How a workload is. Of one that has to be well in the end and is ready, the crashes before that are forgotten."""
    health = assess(snapshot, now, speed)
    if scenario.expected["outcome"] in (Outcome.RESOLVED, _LEFT_ALONE) and health.ready >= health.desired > 0:
        later = now + timedelta(seconds=RESTART_MEMORY_SECONDS / speed)
        return assess(msgspec.structs.replace(snapshot, read_at=later), later, speed)
    return health


def _as_meant(spec: Any) -> Any:
    """Without the place of a pod and its token's volume, whose name the server makes up: a bare pod has both."""
    if isinstance(spec, Mapping):
        return {key: _as_meant(item) for key, item in spec.items() if key != "nodeName"}
    if not isinstance(spec, list):
        return spec
    return [_as_meant(item) for item in spec if not (isinstance(item, Mapping) and _is_token(item))]


def _is_token(item: Mapping[str, Any]) -> bool:
    return str(item.get("name", "")).startswith("kube-api-access-") or item.get("mountPath") == _TOKEN


def _snapshot(dump: Dump, workload: Mapping[str, Any], *, now: datetime) -> Snapshot:
    sets = [dict(item) for key, item in dump.items() if key.startswith("apps/v1/ReplicaSet/") and owns(workload, item)]
    pods = [dict(item) for key, item in dump.items() if key.startswith("v1/Pod/")]
    return Snapshot(
        workload=dict(workload),
        replica_sets=tuple(sets),
        pods=tuple(pod for pod in pods if any(owns(owner, pod) for owner in (sets or (workload,)))),
        read_at=now,
    )
