"""A claim whose volume is full is made larger when a person agrees, and the program on it goes on."""

from pathlib import Path

from incidents.changes import ChangeState, InverseKind
from incidents.decisions import DecisionKind
from incidents.incident import Outcome, Status
from incidents.symptoms import Symptom
from simulator.storage.kinds import CLAIMS
from tests.graph.test_waiting import decide, request_of
from tests.world import World, running_world

SPEED = 500.0  # a container that has crashed twice is not believed for ten minutes
NAMESPACE, NAME = "shop-daybook", "daybook"


async def size(world: World) -> str:
    return str((await world.admin.get(CLAIMS, NAME, NAMESPACE))["spec"]["resources"]["requests"]["storage"])


async def test_a_full_claim_grows_once_a_person_agrees_and_for_good(tmp_path: Path, clean_environment: None) -> None:
    async with running_world(tmp_path, speed=SPEED) as world, world.app() as app:
        await world.set_up("claim-full")
        await world.failing(NAME, NAMESPACE, Symptom.CRASH_LOOP)
        waiting = await app.runner.run(await world.asked(app, NAME, NAMESPACE))
        assert (waiting.status, await size(world)) == (Status.WAITING, "1Gi")

        await decide(app, await request_of(app, waiting), DecisionKind.APPROVE)
        ended = await app.runner.run(waiting)
        assert (ended.status, ended.outcome) == (Status.CLOSED, Outcome.RESOLVED)
        assert await size(world) == "2Gi"
        (change,) = await app.store.changes(ended.id)
        assert (change.state, change.inverse.kind) == (ChangeState.VERIFIED, InverseKind.NONE)
