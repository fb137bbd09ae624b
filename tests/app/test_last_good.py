"""Which revision counts as good: one with ready pods now, or one that was seen well. Not the previous number."""

from incidents.incident import Outcome
from incidents.symptoms import Symptom
from tests.graph.runs import fail
from tests.world import Told, World

OLD, NEW = "registry.example/shop/checkout:1.1.0", "registry.example/shop/checkout:2.0.0"


async def crash_after_recreate(world: World) -> None:
    """A new version that crashes, with nothing of the old one left but its number."""
    await world.namespace()
    await world.deploy(OLD, strategy={"type": "Recreate"})
    await world.available("web", "shop")
    await world.change("web", "shop", {"template": {"spec": {"containers": [{"name": "main", "image": NEW}]}}})
    await world.failing("web", "shop", Symptom.CRASH_LOOP)


async def image(world: World) -> str:
    return str((await world.deployment("web", "shop"))["spec"]["template"]["spec"]["containers"][0]["image"])


async def test_with_an_empty_store_the_previous_number_alone_is_no_evidence(world: World) -> None:
    await crash_after_recreate(world)
    async with world.app(told=Told()) as app:
        ended = await app.runner.run(await world.asked(app, "web", "shop"))
    assert ended.outcome is Outcome.ESCALATED
    assert world.writes() == []
    assert await image(world) == NEW


async def test_with_an_empty_store_a_revision_that_has_ready_pods_is_good(world: World) -> None:
    namespace, workload = await fail(world, "crash-after-rollout")
    async with world.app(told=Told()) as app:
        ended = await app.runner.run(await world.asked(app, workload, namespace))
    assert ended.outcome is Outcome.RESOLVED


async def test_a_revision_seen_well_at_the_start_is_good_when_its_pods_are_gone(world: World) -> None:
    await world.namespace()
    await world.deploy(OLD, strategy={"type": "Recreate"})
    await world.available("web", "shop")
    async with world.daemon(told=Told()) as app:
        await world.change("web", "shop", {"template": {"spec": {"containers": [{"name": "main", "image": NEW}]}}})
        ended = await world.ended(app.store, "shop", Outcome.RESOLVED)
    assert ended.outcome is Outcome.RESOLVED
    assert await image(world) == OLD


async def test_what_fails_at_the_start_is_not_remembered_as_good(world: World) -> None:
    await world.set_up("ambiguous")
    await world.failing("reconciler", "shop-ledger", Symptom.CRASH_LOOP)
    async with world.daemon(told=Told(), grace_seconds=3600) as app:
        incident = await world.asked(app, "reconciler", "shop-ledger")
        assert await app.store.good_revisions(incident.subject) == frozenset()
