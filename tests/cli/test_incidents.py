"""`incidents`: the list, one case with its timeline, evidence and difference, and names nobody knows."""

import json
from pathlib import Path

import msgspec
import pytest
import typer

from cli.case import show_incidents
from cli.failures import Exit
from incidents.incident import Incident, Round, Status
from incidents.proposals import Diagnosis
from incidents.signals import Source
from incidents.symptoms import Symptom
from tests.builders import signal, subject
from tests.clocks import FakeClock
from tests.graph.runs import run
from tests.store.values import other_subject
from tests.world import Told, World
from tools.store.sqlite import open_store


@pytest.fixture
async def incident(world: World) -> Incident:
    async with world.app(told=Told()) as app:
        return await run(world, app, "image-typo")


async def test_an_incident_that_a_person_has_asked_for_is_listed_as_that(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    asked = msgspec.structs.replace(signal(symptom=Symptom.OTHER), source=Source.REQUEST)
    async with open_store(tmp_path / "store.sqlite", now=FakeClock().now) as store:
        await store.open_or_join(subject(), asked)
    assert await show_incidents(tmp_path / "store.sqlite", None, as_json=False) == Exit.OK
    (listed,) = [line for line in capsys.readouterr().out.splitlines() if "deployment/" in line]
    assert "asked for" in listed
    assert "other" not in listed


async def test_the_list_the_case_and_their_json(
    world: World, incident: Incident, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    store = world.folder / "store.sqlite"

    assert await show_incidents(store, None, as_json=False) == Exit.OK
    listed = capsys.readouterr().out
    assert incident.id[:8] in listed
    assert "deployment/web in shop-front" in listed

    assert await show_incidents(store, None, as_json=True) == Exit.OK
    assert [item["id"] for item in json.loads(capsys.readouterr().out)] == [incident.id]

    assert await show_incidents(store, incident.id[:8], as_json=False) == Exit.OK
    case = capsys.readouterr().out
    assert "image: container nginx asks for nginx:1.27-alpnie, which does not exist (confidence 0.97)" in case
    for words in ("Evidence", "Timeline", "nginx:1.27-alpnie", "+ nginx:1.27-alpine", "verification", "2 of 2 ready"):
        assert words in case

    assert await show_incidents(store, incident.id, as_json=True) == Exit.OK
    data = json.loads(capsys.readouterr().out)
    assert set(data) == {"incident", "rounds", "changes", "timeline", "evidence"}
    assert not {"patch", "inverse", "diff", "anew"} & set(
        data["changes"][0]
    )  # raw values, env among them after a rollback
    steps = [entry["step"] for entry in data["timeline"]]
    assert [step for step in steps if step in ("observed", "guarded", "sent", "applied", "verification", "ended")] == [
        "observed",
        "guarded",
        "sent",
        "applied",
        "verification",
        "ended",
    ]

    with pytest.raises(typer.Exit) as ended:
        await show_incidents(store, "no-such-incident", as_json=False)
    assert ended.value.exit_code == Exit.UNKNOWN_NAME
    assert "no-such-incident" in capsys.readouterr().err


async def test_a_case_without_a_proposal_shows_its_cause_and_what_it_explains(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    path = tmp_path / "store.sqlite"
    told = Diagnosis(
        family="crash", cause="cannot reach db:5432", confidence=0.93, rests_on=("password=hunter2",), because="no idea"
    )
    async with open_store(path, now=FakeClock().now) as store:
        cause, _ = await store.open_or_join(subject(), signal())
        under, _ = await store.open_or_join(other_subject(), signal("event-2"))
        await store.save_incident(msgspec.structs.replace(under, status=Status.HANDED_OVER, caused_by=cause.id))
        await store.save_round(cause.id, Round(number=1, diagnosis=told))
    assert await show_incidents(path, cause.id, as_json=False) == Exit.OK
    case = capsys.readouterr().out
    assert "crash: cannot reach db:5432 (confidence 0.93)" in case
    assert "nothing is proposed: no idea" in case
    assert f"explains {under.subject} (incident {under.id})" in case
    assert "hunter2" not in case
    assert await show_incidents(path, under.id, as_json=False) == Exit.OK
    assert f"the cause is incident {cause.id}" in capsys.readouterr().out


async def test_without_a_store_there_is_one_line_with_the_remedy(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended:
        await show_incidents(world.folder / "nothing.sqlite", None, as_json=False)
    assert ended.value.exit_code == Exit.STORE
    assert "--store FILE" in capsys.readouterr().err
