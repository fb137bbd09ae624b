"""The commands that need no cluster: what they print, what they import, and how they refuse."""

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from cli.failures import Exit
from cli.main import app
from tests.cli.program import environment, run
from tools.clock import Clock
from tools.store.sqlite import open_store

COMMANDS = ["demo", "run", "fix", "incidents", "graph", "doctor", "approvals", "approve", "reject", "retry", "undo"]
COMMANDS += ["kill-switch", "pause", "resume"]
HEAVY = ["langgraph", "langchain", "langchain_core", "langchain_openai", "kubernetes", "aiohttp", "openai", "slack_sdk"]
NODES = ["Observe", "Supervisor", "Researcher", "Coder", "AutoFixer", "HelpSeeker"]


async def test_the_version_is_printed(tmp_path: Path) -> None:
    ended = await run("--version", home=tmp_path)
    assert ended.code == 0
    assert ended.out.startswith("k8s-auto-fixer ")


async def test_help_lists_every_command(tmp_path: Path) -> None:
    ended = await run("--help", home=tmp_path)
    assert ended.code == 0
    assert not [command for command in COMMANDS if command not in ended.out]


def test_every_command_that_has_a_store_takes_the_file_of_settings_that_may_name_it() -> None:
    def leaves(command: Any, name: str) -> Iterator[tuple[str, set[str]]]:
        for inner, one in getattr(command, "commands", {}).items():
            yield from leaves(one, f"{name} {inner}")
        yield name, {option for each in command.params for option in each.opts}

    found = dict(leaves(typer.main.get_command(app), ""))
    assert {" kill-switch", " audit verify", " case export", " fix"} <= set(found)
    assert [name for name, options in found.items() if "--store" in options and "--config" not in options] == []


async def test_the_kill_switch_closes_the_store_of_the_settings_file_and_names_it(tmp_path: Path) -> None:
    store, file = tmp_path / "elsewhere.sqlite", tmp_path / "settings.yaml"
    file.write_text(f"store: {store}\nkubeconfig: {tmp_path / 'none'}\n")
    async with open_store(store, now=Clock().now):
        pass
    ended = await run("kill-switch", "on", "--config", str(file), home=tmp_path, LOGNAME="ada")
    assert ended.code == 0, ended.err
    assert f"kill switch: on, in the store {store}, by ada" in ended.out


async def test_an_api_server_that_is_away_is_one_line_with_cause_and_remedy(tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(
        "{current-context: c, contexts: [{name: c, context: {cluster: k}}],"
        " clusters: [{name: k, cluster: {server: 'http://127.0.0.1:1'}}]}"
    )
    ended = await run("run", "--kubeconfig", str(file), home=tmp_path)
    assert ended.code == Exit.UNREACHABLE
    assert ended.err.splitlines() == ended.said
    (line,) = ended.said
    assert "127.0.0.1:1 cannot be reached: Connection refused; see that it runs" in line
    assert "--kubeconfig FILE" in line


async def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from cli.main import app\n"
        "try:\n    app(['--help'])\n"
        "except SystemExit:\n    pass\n"
        f"print('heavy:', [name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, cwd=tmp_path, env=environment(tmp_path), stderr=-1, stdout=-1
    )
    _, err = await process.communicate()
    assert err.decode().splitlines()[-1] == "heavy: []"


async def test_graph_prints_the_six_nodes_and_finish_as_mermaid(tmp_path: Path) -> None:
    ended = await run("graph", home=tmp_path)
    assert ended.code == 0
    assert "graph TD" in ended.out
    assert not [node for node in [*NODES, "FINISH"] if node not in ended.out]


async def test_demo_prints_its_result_as_one_json_object_last_and_succeeds(tmp_path: Path) -> None:
    names = ("--scenario", "image-typo", "--scenario", "slow-starter")
    ended = await run("demo", "--json", "--speed", "50", *names, home=tmp_path)
    assert ended.code == 0, ended.err
    result = json.loads(ended.out.splitlines()[-1])
    assert set(result) == {
        "scenarios",
        "resolved",
        "escalated",
        "rolled_back",
        "left_alone",
        "harmful",
        "wall_seconds",
    }
    fields = {"name", "family", "expected", "outcome", "seconds", "changes", "harmful"}
    assert all(set(scenario) == fields for scenario in result["scenarios"])
    outcomes = {scenario["name"]: scenario["outcome"] for scenario in result["scenarios"]}
    assert outcomes == {"image-typo": "resolved", "slow-starter": "left_alone"}
    assert (result["resolved"], result["left_alone"], result["harmful"]) == (1, 1, 0)


async def test_an_unknown_scenario_is_named_with_those_there_are(tmp_path: Path) -> None:
    ended = await run("demo", "--scenario", "no-such", home=tmp_path)
    assert ended.code == Exit.UNKNOWN_NAME
    assert len(ended.said) == 1
    assert "no-such" in ended.said[0]
    assert "image-typo" in ended.said[0]


async def test_a_package_of_one_of_our_names_from_elsewhere_is_one_line_and_a_code(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "graph").mkdir(parents=True)
    (elsewhere / "graph" / "__init__.py").write_text("raise RuntimeError('must not be imported')\n")
    ended = await run("graph", home=tmp_path, PYTHONPATH=str(elsewhere))
    assert ended.code == Exit.NAME_TAKEN
    assert len(ended.err.splitlines()) == 1
    assert "'graph'" in ended.err
    assert "environment of its own" in ended.err
