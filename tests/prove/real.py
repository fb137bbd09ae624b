"""Scenarios on a real control plane: the installed program, the shipped rights, nothing sped up.

Owns one run there from the first object made to the last one gone, so that a run leaves the next one nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from simulator.api_client import ApiClient, ApiError, Connection
from simulator.judge import Harm, judge
from simulator.resources import NAMESPACES
from simulator.scenario import Scenario
from simulator.scenario_kinds import KINDS
from tests.control_plane.harness import ControlPlane, Kubelet
from tests.control_plane.program import USER, Program, Request, requests_of
from tests.opened import registries_at
from tests.scenario_runs import Played, Progress, eventually, play

from .results import Result, results_of

NODES = 3
_END_SECONDS = 900.0  # three minutes are usual; a machine half as fast, and busy, needs its time
_GONE_SECONDS = 300.0


@dataclass(frozen=True)
class RealRun:
    """What is left of one run: every request answered during it, and what the judge says."""

    played: Played
    requests: list[Request]
    harms: list[Harm]
    results: list[Result]

    @property
    def own(self) -> list[Request]:
        """The program's requests."""
        return [request for request in self.requests if request.user == USER]


def asking_for_tags(kubelet: Kubelet) -> dict[str, str]:
    """The setting, as an environment variable, by which the program may ask the kubelet's registry for tags."""
    return {"K8S_AUTO_FIXER_REGISTRIES": json.dumps(registries_at(kubelet.registry))}


def admin_of(control_plane: ControlPlane) -> ApiClient:
    """A client with the administrator's rights."""
    return ApiClient(Connection(control_plane.server, control_plane.admin_token, str(control_plane.ca_file), "prove"))


async def run_real(
    scenarios: Sequence[Scenario],
    *,
    control_plane: ControlPlane,
    program: Program,
    progress: Progress | None = None,
) -> RealRun:
    """Play the scenarios side by side in front of ``program``, which is started for it and ended."""
    earlier = len(requests_of(control_plane.audit_events()))
    async with admin_of(control_plane) as admin:
        played = await play(
            scenarios,
            admin=admin,
            program=program.running(),
            dump=control_plane.dump,
            seconds=_END_SECONDS,
            speed=1.0,
            progress=progress,
        )
        requests = requests_of(control_plane.audit_events())[earlier:]
        await clear(admin, scenarios)
    harms = judge(played.before, played.after, requests, user=USER, scenarios=list(scenarios))
    results = results_of(scenarios, played, harms, requests, side="real", user=USER, speed=1.0)
    return RealRun(played, requests, harms, results)


async def clear(admin: ApiClient, scenarios: Sequence[Scenario]) -> None:
    """Remove what the scenarios have made, and wait until their namespaces are gone. Raises TimeoutError."""
    for scenario in scenarios:
        await _delete(admin, "Namespace", scenario.namespace)
        for manifest in scenario.setup:
            if not KINDS[manifest["kind"]].namespaced:
                await _delete(admin, manifest["kind"], manifest["metadata"]["name"])
    await eventually(partial(_gone, admin, {item.namespace for item in scenarios}), seconds=_GONE_SECONDS)


async def _delete(admin: ApiClient, kind: str, name: str) -> None:
    try:
        await admin.delete(KINDS[kind], name)
    except ApiError as error:
        if error.code not in (404, 409):  # gone, or on its way
            raise


async def _gone(admin: ApiClient, namespaces: set[str]) -> bool:
    listed = (await admin.list(NAMESPACES))["items"]
    return not namespaces & {item["metadata"]["name"] for item in listed}
