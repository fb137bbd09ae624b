"""A timeline does not grow with what only repeats itself."""

from datetime import datetime

from incidents.objects import IncidentId
from tests.builders import NOW
from tests.store.places import Place
from tools.store import Store


async def deferred(store: Store, incident: str, moment: datetime, *, restarts: int) -> None:
    """What one run of an incident writes that a cap defers."""
    id_ = IncidentId(incident)
    await store.note(id_, "observed", says=f"restarted {restarts} times")
    await store.note(id_, "guarded", answer="defer", rulings=["hourly-cap"])
    await store.note(id_, "AutoFixer", says=f"deferred until {moment:%H:%M}")
    await store.note(id_, "parked", until=moment)


async def test_an_incident_that_is_deferred_for_weeks_has_one_entry_for_each_step(
    place: Place, store: Store, incident: str
) -> None:
    before = len(await store.timeline(IncidentId(incident)))
    for number in range(100):
        await deferred(store, incident, place.clocks.wall.now(), restarts=number)
        place.clocks.pass_(600)
    entries = (await store.timeline(IncidentId(incident)))[before:]
    assert [entry.step for entry in entries] == ["observed", "guarded", "AutoFixer", "parked"]
    assert {entry.count for entry in entries} == {100}
    first = entries[0]
    assert first.at == NOW
    assert first.last_at is not None
    assert (first.last_at - first.at).total_seconds() == 99 * 600
    assert first.detail == {"says": "restarted 99 times"}


async def test_what_says_something_else_is_another_entry(store: Store, incident: str) -> None:
    id_ = IncidentId(incident)
    for says in ("nothing is certain", "the image is wrong", "nothing is certain"):
        await store.note(id_, "observed", says=says)
    entries = [entry for entry in await store.timeline(id_) if entry.step == "observed"]
    found = [(entry.detail["says"], entry.count) for entry in entries]
    assert found == [("nothing is certain", 2), ("the image is wrong", 1)]


async def test_what_was_seen_before_a_change_and_after_it_is_told_twice_and_what_changes_something_always(
    store: Store, incident: str
) -> None:
    id_ = IncidentId(incident)
    for _ in range(2):
        await store.note(id_, "observed", says="the image is wrong")
        await store.note(id_, "applied", change="1")
    steps = [(entry.step, entry.count) for entry in await store.timeline(id_) if entry.step != "opened"]
    assert steps == [("observed", 1), ("applied", 1)] * 2
