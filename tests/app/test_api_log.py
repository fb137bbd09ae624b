"""The API server's own log of a whole run: who wrote what, and under which change."""

import re

from app.composition import open_app
from simulator.scenario import apply_break, demo_scenarios
from tests.world import READS, Told, World

CHANGE = re.compile(r"k8s-auto-fixer/\S+ change/(?P<id>[0-9a-f-]{36})")
EXPECTED = {
    "ambiguous": "escalated",
    "crash-after-rollout": "resolved",
    "image-typo": "resolved",
    "leak": "rolled_back",
    "oom": "resolved",
}


async def test_every_write_of_a_whole_run_carries_its_changes_id_and_all_else_is_reading(world: World) -> None:
    scenarios = {scenario.name: scenario for scenario in demo_scenarios()}
    for name, scenario in scenarios.items():
        if scenario.breaks:
            await world.set_up(name)
    async with world.daemon(told=Told(), workers=8) as app:
        for name, scenario in scenarios.items():
            if not scenario.breaks:
                await world.set_up(name, well=False)
            await apply_break(world.admin, scenario)
        outcomes = {}
        for name in EXPECTED:
            ended = await world.ended(app.store, scenarios[name].namespace)
            outcomes[name] = ended.outcome and ended.outcome.value
        known = {
            change.id: change
            for incident in await app.store.incidents()
            for change in await app.store.changes(incident.id)
        }
    assert outcomes == EXPECTED

    writes = world.writes()
    assert {request.verb for request in writes} == {"patch"}
    assert all("/deployments/" in request.path for request in writes)
    named = [CHANGE.fullmatch(request.user_agent) for request in writes]
    assert all(named)
    landed = [
        found["id"] for found, request in zip(named, writes, strict=True) if found is not None and not request.dry_run
    ]
    assert set(landed) == set(known)
    undone = [change.id for change in known.values() if change.state == "undone"]
    assert len(undone) == 3
    assert sorted(landed) == sorted([*known, *undone])  # each sent once, and each undo once

    others = [request for request in world.requests() if request not in writes]
    assert {request.verb for request in others} <= READS
    assert not any("change/" in request.user_agent for request in others)
    assert not any("/secrets" in request.path for request in world.requests())
    assert not any(request.code in (401, 403) for request in world.requests())


async def test_the_lease_of_the_daemon_is_its_only_other_write(world: World) -> None:
    await world.namespace("k8s-auto-fixer")
    told = Told()
    settings = world.settings(alone=False)
    kubeconfig = world.cluster.kubeconfig(user="k8s-auto-fixer")
    async with open_app(settings, kubeconfig=kubeconfig, speed=world.speed, notifier=told, hold_lease=True):
        pass
    assert {request.path.partition("/namespaces/")[2].rstrip("/") for request in world.writes()} <= {
        "k8s-auto-fixer/leases",
        "k8s-auto-fixer/leases/k8s-auto-fixer",
    }
    assert world.writes()
