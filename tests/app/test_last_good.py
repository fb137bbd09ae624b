"""Which revision counts as good: one with ready pods now, or one that was seen well. Not the previous number."""

from evidence.collector import Collector
from incidents.evidence import Revision
from incidents.incident import Outcome
from incidents.objects import reference
from incidents.subjects import subject_at
from incidents.symptoms import Symptom
from simulator.api_client import STRATEGIC_MERGE_PATCH, Resource
from tests.graph.runs import fail
from tests.world import Told, World, deployment

SETS = Resource("apps", "v1", "statefulsets", "StatefulSet")
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


async def test_what_a_stateful_set_is_well_with_is_found_again_among_its_revisions_once_it_fails(world: World) -> None:
    """The store is told of the template in the set itself, and asked by the copies that its controller keeps."""
    await world.namespace()
    like = deployment(OLD, "db")
    found = await world.admin.create(
        SETS, {**like, "kind": "StatefulSet", "spec": {**like["spec"], "serviceName": "db"}}
    )
    async with world.app(told=Told()) as app:
        subject = subject_at(reference(found), cluster=app.cluster)
        daemon, collector = app.daemon(), Collector(app.reader, now=app.clock.now, speed=app.clock.speed)

        async def recorded() -> frozenset[str]:
            await daemon.sweep()
            return await app.store.good_revisions(subject)

        good = await world.eventually(recorded, "it was never recorded as well")
        image = {"template": {"spec": {"containers": [{"name": "main", "image": NEW}]}}}
        await world.admin.patch(SETS, "db", {"spec": image}, "shop", content_type=STRATEGIC_MERGE_PATCH)

        async def revised() -> tuple[Revision, ...]:
            evidence = await collector.collect(subject, good=good)
            return evidence.revisions if len(evidence.revisions) == 2 else ()

        old, new = await world.eventually(revised, "its controller never kept another revision")
    assert (old.seen_well, new.seen_well) == (True, False)
