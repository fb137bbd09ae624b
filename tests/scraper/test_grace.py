"""What is left alone: transients, slow starters, forged events, excluded namespaces. And what is not."""

import msgspec

from app.composition import App
from graph.observe import spoken_signal
from incidents.changes import ChangeState
from incidents.incident import Incident, Outcome, Status
from incidents.objects import ClusterId, Uid
from incidents.snapshot import pod_template, template_digest
from incidents.subjects import Subject
from simulator.resources import EVENTS
from simulator.scenario import apply_break, check
from tests.builders import change
from tests.world import Told, World, incidents_of


async def test_a_transient_that_heals_is_suppressed_without_a_run_and_without_a_write(world: World) -> None:
    await world.namespace()
    told = Told()
    async with world.daemon(told=told, grace_seconds=60) as app:
        await world.deploy("nginx:1.27-nope")
        await world.eventually(lambda: incidents_of(app.store, "shop"), "no incident was opened")
        await world.change(
            "web", "shop", {"template": {"spec": {"containers": [{"name": "main", "image": "nginx:1.27"}]}}}
        )
        ended = await world.ended(app.store, "shop")
        assert (ended.status, ended.outcome) == (Status.CLOSED, Outcome.SUPPRESSED)
        assert await app.store.rounds(ended.id) == []
        assert "Observe" not in [entry.step for entry in await app.store.timeline(ended.id)]
    assert world.writes() == []
    assert told.notices == []


async def test_a_slow_starter_is_left_alone(world: World) -> None:
    scenario = await world.set_up("slow-starter", well=False)
    told = Told()
    async with world.daemon(told=told) as app:

        async def over() -> bool:
            found = await incidents_of(app.store, scenario.namespace)
            return all(item.status is Status.CLOSED for item in found) and not await check(world.admin, scenario)

        await world.eventually(over, "the slow starter never became well, or was not let go")
        outcomes = {item.outcome for item in await incidents_of(app.store, scenario.namespace)}
    assert outcomes <= {Outcome.SUPPRESSED}
    assert world.writes() == []
    assert told.notices == []


async def test_what_goes_on_failing_gets_a_run_and_its_good_revision_is_remembered(world: World) -> None:
    scenario = await world.set_up("image-typo")
    async with world.daemon(told=Told()) as app:
        web = await world.deployment("web", scenario.namespace)
        good = template_digest(pod_template({**web, "kind": "Deployment"}))
        await apply_break(world.admin, scenario)
        ended = await world.ended(app.store, scenario.namespace)
        assert (ended.status, ended.outcome) == (Status.CLOSED, Outcome.RESOLVED)
        assert good in await app.store.good_revisions(ended.subject)
    assert await check(world.admin, scenario) == []


async def test_a_forged_event_about_a_healthy_workload_is_suppressed_without_a_write(world: World) -> None:
    await world.namespace()
    made = await world.deploy("nginx:1.27")
    web = await world.available("web", "shop")
    told = Told()
    async with world.daemon(told=told) as app:
        await world.warn(made, reason="Failed", message='Failed to pull image "nginx:1.27": not found')
        ended = await world.ended(app.store, "shop")
        assert ended.outcome is Outcome.SUPPRESSED
    assert world.writes() == []
    assert told.notices == []
    assert (await world.deployment("web", "shop"))["metadata"]["generation"] == web["metadata"]["generation"]


async def test_what_is_well_after_a_change_to_it_was_taken_back_is_told_and_has_not_healed(world: World) -> None:
    await world.namespace()
    made = await world.deploy("nginx:1.27")
    await world.available("web", "shop")
    told = Told()
    async with world.daemon(told=told, grace_seconds=60) as app:
        await world.warn(made, reason="Failed", message='Failed to pull image "nginx:1.27": not found')
        (incident,) = await world.eventually(lambda: incidents_of(app.store, "shop"), "no incident was opened")
        undone = change(incident=incident.id, state=ChangeState.UNDONE, ended_at=incident.opened_at)
        await app.store.save_change(undone)  # and the disk was full when that was to be said
        ended = await world.ended(app.store, "shop")
        assert (ended.status, ended.outcome) == (Status.HANDED_OVER, Outcome.ROLLED_BACK)
    assert len(told.notices) == 1
    assert world.writes() == []


async def test_secrets_in_an_events_words_are_masked_before_they_are_kept(world: World) -> None:
    await world.namespace()
    made = await world.deploy("nginx:1.27")
    await world.available("web", "shop")
    async with world.daemon(told=Told()) as app:
        await world.warn(made, reason="Unhealthy", message="Readiness probe failed: password=hunter2hunter2")
        ended = await world.ended(app.store, "shop")
    assert "hunter2" not in ended.last_signal.message
    kept = [path.read_bytes() for path in world.folder.glob("store*")]
    assert kept
    assert not any(b"hunter2" in content for content in kept)


async def test_an_excluded_namespace_is_not_touched_and_nothing_is_opened_in_it(world: World) -> None:
    await world.namespace()
    await world.deploy("nginx:1.27-nope", namespace="kube-system")
    made = await world.deploy("nginx:1.27")
    async with world.daemon(told=Told()) as app:

        async def warned() -> bool:
            events = (await world.admin.list(EVENTS, "kube-system"))["items"]
            return any(event["type"] == "Warning" for event in events)

        await world.eventually(warned, "nothing failed in kube-system")
        await world.warn(made, reason="Failed", message="comes after those")
        await world.eventually(lambda: incidents_of(app.store, "shop"))
        assert await incidents_of(app.store, "kube-system") == []
    assert world.writes() == []


async def test_a_namespace_that_is_not_asked_for_is_not_watched(world: World) -> None:
    await world.namespace("shop")
    await world.namespace("other")
    await world.deploy("nginx:1.27-nope", namespace="other")
    async with world.daemon(told=Told(), namespaces=("shop",)) as app:
        await world.deploy("nginx:1.27-nope")
        await world.eventually(lambda: incidents_of(app.store, "shop"))
        assert await incidents_of(app.store, "other") == []
    events = [request for request in world.requests() if request.path.endswith("/events")]
    assert {request.path for request in events} == {"/api/v1/namespaces/shop/events"}


async def test_an_incident_that_nobody_works_on_is_taken_up_when_its_next_event_comes(world: World) -> None:
    scenario = await world.set_up("image-typo")
    async with world.daemon(told=Told()) as app:
        left = await world.asked(app, "web", scenario.namespace)  # as a process leaves it that dies at once
        await apply_break(world.admin, scenario)
        ended = await world.ended(app.store, scenario.namespace)
    assert ended.id == left.id
    assert ended.outcome is Outcome.RESOLVED


async def test_incidents_of_another_cluster_in_the_same_store_are_left_as_they_are(world: World) -> None:
    told = Told()
    async with world.app(told=told) as app:
        here = await _handed_over(app, app.cluster)
        elsewhere = await _handed_over(app, ClusterId("another"))
        left_open, _ = await app.store.open_or_join(_subject(ClusterId("a-third")), elsewhere.first_signal)
    async with world.daemon(told=told) as app:
        await world.closed(app.store, here)  # what is gone from this cluster is over
        assert await app.store.incident(elsewhere.id) == elsewhere
        assert await app.store.incident(left_open.id) == left_open
    assert {notice.incident for notice in told.notices} == {here.id}


def _subject(cluster: ClusterId) -> Subject:
    return Subject(
        cluster=cluster, api_version="apps/v1", kind="Deployment", namespace="shop", name="web", uid=Uid("gone")
    )


async def _handed_over(app: App, cluster: ClusterId) -> Incident:
    subject = _subject(cluster)
    signal = spoken_signal(subject.ref, "it fails", app.clock.now())
    incident, _ = await app.store.open_or_join(subject, signal)
    handed = msgspec.structs.replace(incident, status=Status.HANDED_OVER, outcome=Outcome.ESCALATED)
    await app.store.save_incident(handed)
    return handed
