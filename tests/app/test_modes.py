"""How far each mode goes: observe reads, suggest asks what would happen, auto repairs."""

import json

from incidents.incident import Incident, Outcome, Status
from tests.graph.runs import fail
from tests.world import Told, World
from tools.notify import Notice


async def run(world: World, mode: str) -> tuple[Incident, Told]:
    namespace, workload = await fail(world, "image-typo")
    told = Told()
    async with world.app(told=told, mode=mode) as app:
        return await app.runner.run(await world.asked(app, workload, namespace)), told


def section(notice: Notice, heading: str) -> tuple[str, ...]:
    return next(section.lines for section in notice.sections if section.heading == heading)


async def test_observe_sends_no_write_at_all_and_tells(world: World) -> None:
    before = world.cluster.dump()
    ended, told = await run(world, "observe")
    assert ended.outcome is Outcome.OBSERVED
    assert world.writes() == []
    assert len(told.notices) == 1
    assert before.keys() <= world.cluster.dump().keys()


async def test_suggest_sends_only_dry_runs_and_hands_over_the_exact_change_and_the_command(world: World) -> None:
    ended, told = await run(world, "suggest")
    assert (ended.outcome, ended.status) == (Outcome.ESCALATED, Status.HANDED_OVER)
    writes = world.writes()
    assert writes
    assert all(request.dry_run for request in writes)
    web = await world.deployment("web", "shop-front")
    assert web["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:1.27-alpnie"
    (notice,) = told.notices
    pointer, _, values = section(notice, "Exact change")[0].partition(": ")
    assert pointer == "/spec/template/spec/containers/0/image"
    assert [json.loads(value) for value in values.split(" -> ")] == ["nginx:1.27-alpnie", "nginx:1.27-alpine"]
    store = world.folder / "store.sqlite"
    command = f"k8s-auto-fixer fix deployment/web -n shop-front --mode auto --store {store}"
    assert section(notice, "To apply it") == (command,)


async def test_auto_repairs_with_one_patch_and_tells_nobody(world: World) -> None:
    ended, told = await run(world, "auto")
    assert ended.outcome is Outcome.RESOLVED
    assert len(world.writes(dry_runs=False)) == 1
    assert told.notices == []
    await world.available("web", "shop-front")


async def test_a_confidence_below_the_asked_one_is_for_a_person(world: World) -> None:
    namespace, workload = await fail(world, "image-typo")
    told = Told()
    async with world.app(told=told, min_confidence=0.99) as app:
        ended = await app.runner.run(await world.asked(app, workload, namespace))
    assert (ended.outcome, ended.status) == (None, Status.WAITING)
    assert world.writes(dry_runs=False) == []
    (notice,) = told.notices
    assert "confidence 0." in section(notice, "Why a person is asked")[0]
