"""Runs that end before the work does: waiting for a person, and parked by the guardrails."""

import uuid
from pathlib import Path

from app.composition import App
from incidents.changes import Change, ChangeState
from incidents.decisions import Decision, DecisionKind, Request, RequestState, Switch, SwitchName
from incidents.incident import Incident, Outcome, Status
from tests.graph.runs import fail
from tests.world import Told, World, running_world

FAST = 200.0  # a switch is looked at again after minutes


async def stands(world: World, app: App, incident: Incident, status: Status) -> Incident:
    async def look() -> Incident | None:
        found = await app.store.incident(incident.id)
        return found if found is not None and found.status is status else None

    found: Incident = await world.eventually(look, f"it never became {status}")
    return found


async def decide(app: App, request: Request, kind: DecisionKind) -> None:
    decision = Decision(
        id=str(uuid.uuid4()),
        kind=kind,
        incident=request.incident,
        request=request.id,
        digest=request.digest,
        by="ada",
        reason="because",
        decided_at=app.clock.now(),
    )
    assert await app.store.decide(decision)


async def retry(app: App, incident: Incident) -> None:
    rounds = len(await app.store.rounds(incident.id))
    kind, now = DecisionKind.RETRY, app.clock.now()
    asked = Decision(id=str(uuid.uuid4()), kind=kind, incident=incident.id, by="ada", rounds=rounds, decided_at=now)
    assert await app.store.decide(asked)


async def request_of(app: App, incident: Incident) -> Request:
    (request,) = [one for one in await app.store.requests_of(incident.id) if one.state is RequestState.OPEN]
    return request


async def test_what_was_rejected_is_left_alone_until_retry_and_what_is_approved_is_made_and_verified(
    world: World,
) -> None:
    namespace, workload = await fail(world, "image-typo")
    told = Told()
    async with world.daemon(told=told, mode="approve") as app:
        incident = await world.asked(app, workload, namespace)
        waiting = await stands(world, app, incident, Status.WAITING)
        assert world.writes(dry_runs=False) == []
        await world.eventually(lambda: _no_lease(app))
        request = await request_of(app, waiting)
        await world.eventually(lambda: _told(told, 1))
        (notice,) = told.notices
        (decide_by,) = [section for section in notice.sections if section.heading == "To decide"]
        assert decide_by.lines[0] == f"k8s-auto-fixer approve {request.id} --store {app.settings.store}"

        await decide(app, request, DecisionKind.REJECT)
        over = await stands(world, app, incident, Status.HANDED_OVER)
        assert (over.outcome, over.summary) == (Outcome.ESCALATED, "ada has rejected it: because")
        assert world.writes(dry_runs=False) == []

        await retry(app, over)
        await stands(world, app, incident, Status.WAITING)
        again = await request_of(app, waiting)
        assert again.id != request.id
        await decide(app, again, DecisionKind.APPROVE)
        closed = await world.closed(app.store, incident)
        assert closed.outcome is Outcome.RESOLVED
    assert len(world.writes(dry_runs=False)) == 1
    assert len(told.about(incident)) == 2  # asked twice, and nothing else


async def _no_lease(app: App) -> bool:
    return not await app.store.lease_holders()


async def _told(told: Told, number: int) -> bool:
    return len(told.notices) >= number


async def test_however_often_an_incident_is_put_off_its_thread_does_not_grow(world: World) -> None:
    namespace, workload = await fail(world, "image-typo")
    async with world.app() as app:
        await app.store.set_switch(Switch(name=SwitchName.PAUSE, on=True, by="ada", at=app.clock.now()))
        incident = await world.asked(app, workload, namespace)
        said = []
        for _ in range(3):
            await app.runner.run(incident)
            state = await app.graph.aget_state({"configurable": {"thread_id": incident.id}})
            said.append(len(state.values["messages"]))
        assert len(set(said)) == 1


async def test_what_a_person_undoes_while_it_is_found_well_is_handed_over_and_not_resolved(world: World) -> None:
    namespace, workload = await fail(world, "image-typo")
    async with world.app() as app:
        save, undone = app.store.save_change, []

        async def undo_at_the_last_moment(change: Change) -> bool:
            saved = await save(change)
            if change.state is ChangeState.VERIFIED:
                undone.append(change.id)
                await save(change.advance(ChangeState.UNDONE, ended_at=app.clock.now(), undone_by="ada"))
            return saved

        app.store.save_change = undo_at_the_last_moment  # type: ignore[method-assign]  # no way to hit it from outside
        ended = await app.runner.run(await world.asked(app, workload, namespace))
        assert undone
        assert (ended.status, ended.outcome) == (Status.HANDED_OVER, Outcome.ROLLED_BACK)


async def test_what_is_paused_is_parked_without_a_word_or_a_round_and_goes_on_by_itself(
    tmp_path: Path, clean_environment: None
) -> None:
    told = Told()
    async with running_world(tmp_path, speed=FAST) as world, world.app(told=told) as app:
        namespace, workload = await fail(world, "image-typo")
        await app.store.set_switch(Switch(name=SwitchName.PAUSE, on=True, by="ada", at=app.clock.now()))
        parked = await app.runner.run(await world.asked(app, workload, namespace))
        assert (parked.status, parked.outcome) == (Status.OPEN, None)
        assert parked.parked_until is not None
        assert not any(entry.tried for entry in await app.store.rounds(parked.id))
        async with app.daemon().watching():
            await app.store.set_switch(Switch(name=SwitchName.PAUSE, on=False, by="ada", at=app.clock.now()))
            closed = await world.closed(app.store, parked)
        assert (closed.outcome, closed.parked_until) == (Outcome.RESOLVED, None)
        assert [entry.number for entry in await app.store.rounds(parked.id)] == [1]
    assert told.notices == []
