"""Incidents that a person has: nothing is tried, asked or sent again until the world says otherwise."""

from app.composition import App
from incidents.incident import Incident, Outcome, Status
from tests.graph.runs import undecided
from tests.world import Told, World, incidents_of

MORE = 20
NAMESPACES = {"leak": ("shop-cache", "cache"), "ambiguous": ("shop-ledger", "reconciler")}


async def counted(world: World, app: App, namespace: str, name: str, start: int) -> None:
    """Twenty more events about a workload, and all of them counted."""
    before = (await incidents_of(app.store, namespace))[0].signals
    subject = await world.deployment(name, namespace)
    for number in range(start, start + MORE):
        about = {**subject, "apiVersion": "apps/v1", "kind": "Deployment"}
        await world.warn(about, reason="BackOff", message="Back-off restarting failed container", number=number)

    async def all_in() -> bool:
        return (await incidents_of(app.store, namespace))[0].signals >= before + MORE

    await world.eventually(all_in, f"the events about {name} were not counted")


async def test_the_leak_and_the_ambiguous_one_fail_on_as_one_incident_with_one_message_and_no_write(
    world: World,
) -> None:
    told = Told()
    for name in NAMESPACES:
        await world.set_up(name)
    handed: dict[str, Incident] = {}
    async with world.daemon(told=told) as app:
        for name, (namespace, _) in NAMESPACES.items():
            handed[name] = await world.ended(app.store, namespace)
        written = len(world.writes())
        for namespace, workload in NAMESPACES.values():
            await counted(world, app, namespace, workload, start=1)
    assert handed["leak"].outcome is Outcome.ROLLED_BACK
    assert handed["ambiguous"].outcome is Outcome.ESCALATED
    async with world.daemon(told=told) as again:  # a restart changes nothing of that
        for name, (namespace, workload) in NAMESPACES.items():
            await counted(world, again, namespace, workload, start=1 + MORE)
            found = await incidents_of(again.store, namespace)
            assert [item.id for item in found] == [handed[name].id]
            assert found[0].status is Status.HANDED_OVER
            assert len(await again.store.messages(found[0].id)) == 1
            assert len(told.about(found[0])) == 1
    assert len(world.writes()) == written
    assert len(told.notices) == 2


async def test_a_changed_spec_that_still_fails_is_a_new_incident_that_follows_and_being_well_is_told_once(
    world: World,
) -> None:
    told = Told()
    await world.set_up("ambiguous")
    async with world.daemon(told=told, settle_seconds=20) as app:
        first = await world.ended(app.store, "shop-ledger")
        await _set(world, {"env": [{"name": "TRIED", "value": "this"}]})
        second = await _following(world, app, first)
        assert (await app.store.incident(first.id) or first).status is Status.CLOSED
        assert len(told.about(second)) == 1
        await _set(world, {"image": "nginx:1.27"})
        await world.closed(app.store, second)
        await world.eventually(lambda: _told(told, second, 2))
    titles = [notice.title.partition(":")[0] for notice in told.notices]
    # A crash loop is Ready in between: seen then, the first spec is one to go back to, which is undone again.
    handed_over = {"Needs a person", "Tried, undone, needs a person"}
    assert (titles[0], titles[1] in handed_over, titles[2:]) == ("Needs a person", True, ["Over"])
    assert told.notices[-1].incident == second.id


async def test_scaling_a_handed_over_workload_is_no_reason_to_try_again(world: World) -> None:
    told = Told()
    await world.namespace()
    async with world.daemon(told=told) as app:
        await undecided(world)
        first = await world.ended(app.store, "shop")
        await world.change("web", "shop", {"replicas": 2})
        await counted(world, app, "shop", "web", start=1)
        assert [item.id for item in await incidents_of(app.store, "shop")] == [first.id]
    assert len(told.notices) == 1


async def test_a_handed_over_workload_that_is_deleted_is_closed_and_told(world: World) -> None:
    told = Told()
    await world.namespace()
    async with world.daemon(told=told) as app:
        await undecided(world)
        first = await world.ended(app.store, "shop")
        await world.admin.request("DELETE", "/apis/apps/v1/namespaces/shop/deployments/web")
        await world.closed(app.store, first)
        await world.eventually(lambda: _told(told, first, 2))
    assert "is gone" in told.notices[-1].sections[0].lines[0]


async def _set(world: World, container: dict[str, object]) -> None:
    containers = [{"name": "reconciler", **container}]
    await world.change("reconciler", "shop-ledger", {"template": {"spec": {"containers": containers}}})


async def _following(world: World, app: App, first: Incident) -> Incident:
    async def look() -> Incident | None:
        found = await incidents_of(app.store, "shop-ledger")
        follows = [item for item in found if item.follows == first.id]
        return follows[0] if follows and follows[0].status is Status.HANDED_OVER else None

    incident: Incident = await world.eventually(look, "no incident followed")
    return incident


async def _told(told: Told, incident: Incident, count: int) -> bool:
    return len(told.about(incident)) >= count
