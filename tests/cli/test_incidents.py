"""`incidents`: the list, one case with its timeline, evidence and difference, and names nobody knows."""

import json

import pytest
import typer

from cli.case import show_incidents
from cli.failures import Exit
from incidents.incident import Incident
from tests.graph.runs import run
from tests.world import Told, World


@pytest.fixture
async def incident(world: World) -> Incident:
    async with world.app(told=Told()) as app:
        return await run(world, app, "image-typo")


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
    for words in ("Evidence", "Timeline", "nginx:1.27-alpnie", "+ nginx:1.27-alpine", "verification", "2 of 2 ready"):
        assert words in case

    assert await show_incidents(store, incident.id, as_json=True) == Exit.OK
    data = json.loads(capsys.readouterr().out)
    assert set(data) == {"incident", "rounds", "changes", "timeline", "evidence"}
    assert not {"patch", "inverse", "diff"} & set(data["changes"][0])  # raw values, env among them after a rollback
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


async def test_without_a_store_there_is_one_line_with_the_remedy(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended:
        await show_incidents(world.folder / "nothing.sqlite", None, as_json=False)
    assert ended.value.exit_code == Exit.STORE
    assert "--store FILE" in capsys.readouterr().err
