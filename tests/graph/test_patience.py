"""What nobody can repair is told when its time has come and not before; a certain repair waits for nothing."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from app.composition import App
from incidents.incident import Incident, Outcome, Round, Status
from incidents.objects import Uid
from incidents.policy import Answer, Ruling, Verdict
from incidents.proposals import Silent
from incidents.signals import Source
from incidents.symptoms import Symptom
from tests.graph.runs import fail, undecided
from tests.world import SPEED, Told, World

GRACE: dict[str, Any] = {"grace_seconds": 100.0}


async def seen(world: World, app: App, workload: str, namespace: str, *, age_seconds: float = 0) -> Incident:
    """An incident as events open it, so long ago."""
    asked = await world.asked(app, workload, namespace)
    signal = msgspec.structs.replace(asked.last_signal, source=Source.EVENT)
    opened = msgspec.structs.replace(
        asked, first_signal=signal, last_signal=signal, opened_at=asked.opened_at - timedelta(seconds=age_seconds)
    )
    await app.store.save_incident(opened)
    return opened


async def test_what_may_pass_by_itself_is_parked_untold_and_told_when_it_has_not_passed(world: World) -> None:
    told = Told()
    await world.namespace()
    namespace, workload = "shop", (await undecided(world))[1]
    async with world.app(told=told, **GRACE) as app:
        incident = await seen(world, app, workload, namespace)
        parked = await app.runner.run(incident)
        assert (parked.status, parked.outcome) == (Status.OPEN, None)
        assert parked.parked_until is not None
        assert parked.parked_until <= incident.opened_at + timedelta(seconds=5 * 100 / SPEED)
        assert told.notices == []
        await app.store.save_incident(msgspec.structs.replace(parked, opened_at=parked.opened_at - timedelta(hours=1)))
        ended = await app.runner.run(parked)
    assert (ended.status, ended.outcome) == (Status.HANDED_OVER, Outcome.ESCALATED)
    assert len(told.notices) == 1


@pytest.mark.parametrize(("answer", "told_of"), [(Answer.DEFER, 0), (Answer.REFUSE, 1)])
async def test_that_a_repair_was_put_off_makes_nobody_less_patient_and_that_it_was_refused_does(
    world: World, answer: Answer, told_of: int
) -> None:
    """Another incident is making anew what the repair was for: what fails then may be over with that."""
    told = Told()
    await world.namespace()
    namespace, workload = "shop", (await undecided(world))[1]
    async with world.app(told=told, **GRACE) as app:
        incident = await seen(world, app, workload, namespace)
        verdict = Verdict((Ruling("terminating", answer, "another incident is making it anew"),))
        await app.store.save_round(incident.id, Round(number=1, verdict=verdict))
        ended = await app.runner.run(incident)
    assert (ended.status is Status.OPEN, len(told.notices)) == (not told_of, told_of)


async def test_a_repair_that_a_playbook_is_certain_of_is_made_however_much_patience_there_is(world: World) -> None:
    namespace, workload = await fail(world, "image-typo")
    async with world.app(told=Told(), settle_seconds=0.2, **GRACE) as app:
        ended = await app.runner.run(await seen(world, app, workload, namespace))
    assert ended.outcome is Outcome.RESOLVED


async def test_what_is_waited_out_names_what_it_waits_for_and_waits_no_longer_for_anything_else(world: World) -> None:
    await world.namespace()
    namespace, workload = "shop", (await undecided(world))[1]
    async with world.app(told=Told(), **GRACE) as app:
        parked = await app.runner.run(await seen(world, app, workload, namespace))
        now = app.clock.now()
        assert Symptom.IMAGE_PULL in parked.waited_out
        assert parked.parked_seconds(now, longest=3600) > 0
        other = msgspec.structs.replace(parked.last_signal, symptom=Symptom.CRASH_LOOP, event_uid=Uid("another"))
        woken, _ = await app.store.open_or_join(parked.subject, other)
        assert woken.parked_seconds(now, longest=3600) == 0
        again = await app.runner.run(woken)  # which changes nothing: from now on it is one of those that are known
    assert {Symptom.IMAGE_PULL, Symptom.CRASH_LOOP} <= set(again.waited_out)
    assert again.parked_seconds(now, longest=3600) > 0


async def test_a_repair_that_becomes_certain_while_it_is_waited_out_is_made_then(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    namespace, workload = await fail(world, "image-typo")
    async with world.app(told=Told(), settle_seconds=0.2, **GRACE) as app:
        with monkeypatch.context() as uncertain:
            uncertain.setattr("graph.observe.consult", lambda *_: Silent("not certain yet"))
            parked = await app.runner.run(await seen(world, app, workload, namespace))
        assert (parked.status, parked.outcome) == (Status.OPEN, None)
        ended = await app.runner.run(parked)
    assert ended.outcome is Outcome.RESOLVED


async def test_what_goes_on_starting_for_ever_is_handed_over(world: World) -> None:
    told = Told()
    scenario = await world.set_up("slow-starter", well=False)
    name = scenario.setup[0]["metadata"]["name"]
    async with world.app(told=told) as app:
        starting = await seen(world, app, name, scenario.namespace, age_seconds=7200)
        ended = await app.runner.run(starting)
    assert (ended.status, ended.outcome) == (Status.HANDED_OVER, Outcome.ESCALATED)
    assert len(told.notices) == 1
