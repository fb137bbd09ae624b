"""A node in trouble is cordoned when a person agrees, and kept so until somebody has seen to it."""

from pathlib import Path

from app.composition import App
from graph.observe import spoken_signal
from incidents.changes import ChangeState
from incidents.decisions import DecisionKind
from incidents.incident import Incident, Outcome, Status
from incidents.objects import NODE, reference
from incidents.signals import Source
from simulator.api_client import STRATEGIC_MERGE_PATCH
from simulator.resources import NODES
from tests.graph.test_waiting import decide, request_of, stands
from tests.world import World, running_world

LOST = "stray-1"
SPEED = 500.0  # a node that has just come is given five minutes to join


async def lost(world: World) -> None:
    """A node that was Ready once, and that nobody has heard of for an hour."""
    await world.admin.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": LOST}})
    since = "2026-01-01T00:00:00Z"
    said = {"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown", "message": "Kubelet stopped posting"}
    conditions = [said | {"lastTransitionTime": since, "lastHeartbeatTime": since}]
    body = {"status": {"conditions": conditions}}
    await world.admin.patch(NODES, LOST, body, subresource="status", content_type=STRATEGIC_MERGE_PATCH)


async def about_it(app: App) -> Incident:
    found = await app.reader.get(NODE, "", LOST)
    subject = await app.owners.subject(reference({**found, "apiVersion": "v1", "kind": "Node"}))
    assert subject is not None
    signal = spoken_signal(subject.ref, "it is gone", app.clock.now(), Source.REQUEST)
    incident, _ = await app.store.open_or_join(subject, signal)
    return incident


async def test_a_node_is_cordoned_only_when_a_person_agrees_and_stays_so(
    tmp_path: Path, clean_environment: None
) -> None:
    async with running_world(tmp_path, speed=SPEED) as world, world.app() as app:
        await lost(world)

        async def failing() -> bool:
            incident = await app.runner.run(await about_it(app))
            return incident.status is Status.WAITING

        await world.eventually(failing, "nobody was asked")
        waiting = await stands(world, app, await about_it(app), Status.WAITING)
        assert not (await world.admin.get(NODES, LOST))["spec"].get("unschedulable")

        await decide(app, await request_of(app, waiting), DecisionKind.APPROVE)
        ended = await app.runner.run(waiting)
        assert (ended.status, ended.outcome) == (Status.HANDED_OVER, Outcome.ESCALATED)
        assert (await world.admin.get(NODES, LOST))["spec"]["unschedulable"] is True
        (change,) = await app.store.changes(ended.id)
        assert change.state is ChangeState.KEPT
