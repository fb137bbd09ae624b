"""The daemon as a process: how it refuses to start, how it ends, and what the next start takes up."""

import asyncio
import json
import signal
import sqlite3
import sys
from asyncio.subprocess import PIPE
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from cli.failures import Exit
from incidents.changes import ChangeState
from incidents.incident import Outcome
from simulator.scenario import apply_break
from tests.cli.program import ENDS_SECONDS, Ended, Program, environment, started
from tests.world import USER, World, incidents_of
from tools.clock import Clock
from tools.store.sqlite import open_store

_FORKS = """
import json, os, sys
import app.composition, cli.main, cli.running, stamina
stamina.set_testing(True, attempts=4)  # as many tries as ever, without the waits between them
children = []
for number, arguments in enumerate(json.load(sys.stdin)):
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(os.open(f"{number}.err", os.O_WRONLY | os.O_CREAT, 0o600), 2)
        sys.argv = ["k8s-auto-fixer", *arguments]
        cli.main.main()
    children.append(child)
print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]))
"""
KEYS = {
    "OPENAI_API_KEY": "sk-a-key-that-must-not-be-shown",
    "TAVILY_API_KEY": "tvly-a-key-that-must-not-be-shown",
    "SLACK_WEBHOOK_URL": "https://hooks.slack.example/services/T0/B0/must-not-be-shown",
}


def changed(world: World, path: Path, **cluster_or_user: Any) -> str:
    """A kubeconfig of the world with something wrong in it."""
    content = world.cluster.kubeconfig(user=USER)
    if "server" in cluster_or_user:
        content["clusters"][0]["cluster"]["server"] = cluster_or_user["server"]
    if "token" in cluster_or_user:
        content["users"][0]["user"]["token"] = cluster_or_user["token"]
    path.write_text(yaml.safe_dump(content))
    return str(path)


async def test_what_keeps_it_from_starting_is_one_clear_line_and_a_code_of_its_own(world: World) -> None:
    folder = world.folder
    good = str(world.cluster.write_kubeconfig(folder / "good", user=USER))
    refused = changed(world, folder / "refused", server=world.cluster.server, token="not-a-token")
    away = changed(world, folder / "away", server="http://127.0.0.1:9")
    cases: dict[str, tuple[list[str], Exit, str]] = {
        "no kubeconfig": (["--kubeconfig", str(folder / "missing")], Exit.KUBECONFIG, "--kubeconfig FILE"),
        "no server": (["--kubeconfig", away], Exit.UNREACHABLE, "127.0.0.1:9"),
        "bad token": (["--kubeconfig", refused], Exit.REFUSED, "does not accept the credentials"),
        "bad mode": (["--kubeconfig", good, "--mode", "sometimes"], Exit.SETTING, "--mode"),
        "bad store": (["--kubeconfig", good, "--store", str(folder)], Exit.STORE, "--store FILE"),
    }
    ended = dict(zip(cases, await _each([arguments for arguments, _, _ in cases.values()], folder), strict=True))
    for name, (_, code, words) in cases.items():
        assert ended[name].code == code, (name, ended[name].err)
        assert len(ended[name].said) == 1, (name, ended[name].err)
        assert "Config not found" not in ended[name].err
        assert words in ended[name].said[0]
        assert "Traceback" not in ended[name].err
        assert "not-a-token" not in ended[name].err
    assert len({item.code for item in ended.values()}) == len(cases)


async def test_a_file_of_its_state_that_it_cannot_use_is_one_clear_line_and_stays_as_it_is(world: World) -> None:
    kubeconfig = str(world.cluster.write_kubeconfig(world.folder / "good", user=USER))
    no_database, files = b"this is not a database, not at all" * 100, {}
    for name, file in (("store", "store.sqlite"), ("thread", "store-checkpoints.sqlite")):
        files[name] = world.folder / name / file
        files[name].parent.mkdir()
        files[name].write_bytes(no_database)
    files["newer"] = world.folder / "newer" / "store.sqlite"
    files["newer"].parent.mkdir()
    with closing(sqlite3.connect(files["newer"])) as newer:
        newer.execute("PRAGMA user_version = 1000")
    before = {name: file.read_bytes() for name, file in files.items()}
    stores = [str(file.with_name("store.sqlite")) for file in files.values()]
    ended = await _each([["--kubeconfig", kubeconfig, "--alone", "--store", store] for store in stores], world.folder)
    for (name, path), one in zip(files.items(), ended, strict=True):
        assert (one.code, len(one.said)) == (Exit.STORE, 1), (name, one.err)
        assert str(path) in one.said[0]
        assert "Traceback" not in one.err
        assert path.read_bytes() == before[name]


async def _each(runs: list[list[str]], folder: Path) -> list[Ended]:
    """`run` with each of the arguments, as processes that share the second and more that its imports take."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _FORKS, cwd=folder, env=environment(folder), stdin=PIPE, stdout=PIPE
    )
    async with asyncio.timeout(ENDS_SECONDS):
        out, _ = await process.communicate(json.dumps([["run", *arguments] for arguments in runs]).encode())
    codes = json.loads(out)
    return [Ended(code, "", (folder / f"{number}.err").read_text()) for number, code in enumerate(codes)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_an_idle_daemon_ends_at_once_and_well(world: World, number: signal.Signals) -> None:
    kubeconfig = str(world.cluster.write_kubeconfig(world.folder / "kubeconfig", user=USER))
    async with started("run", "--kubeconfig", kubeconfig, home=world.folder) as program:
        await program.logged("daemon.watching")
        assert await _drained(program, number) == 0


@pytest.mark.kill
async def test_a_change_in_flight_at_sigterm_is_verified_by_the_next_start_and_never_sent_again(
    world: World,
) -> None:
    scenario = await world.set_up("image-typo")
    store = world.folder / "state" / "store.sqlite"
    kubeconfig = str(world.cluster.write_kubeconfig(world.folder / "kubeconfig", user=USER))
    arguments = ("run", "--mode", "auto", "--kubeconfig", kubeconfig, "--store", str(store))
    grace = {"K8S_AUTO_FIXER_GRACE_SECONDS": "0.1"}
    async with started(*arguments, home=world.folder, **grace, **KEYS) as first:
        await first.logged("daemon.watching")
        await apply_break(world.admin, scenario)
        await first.logged("change.applied")
        assert await _drained(first, signal.SIGTERM) == 0
        shown = "\n".join(first.lines)
    assert not [key for key in KEYS.values() if key in shown]
    assert world.cluster.token(USER) not in shown
    async with open_store(store, now=Clock().now) as opened:
        (incident,) = await incidents_of(opened, scenario.namespace)
        (change,) = await opened.changes(incident.id)
        assert change.state is ChangeState.APPLIED
        assert incident.outcome is None

    settle = {"K8S_AUTO_FIXER_SETTLE_SECONDS": "1"}
    async with started(*arguments, home=world.folder, **grace, **settle) as second:
        ended = await second.logged("incident.ended")
        assert ended["incident"] == incident.id
        assert ended["outcome"] == Outcome.RESOLVED
        assert await _drained(second, signal.SIGTERM) == 0
    assert len(world.writes(dry_runs=False)) - len(_leases(world)) == 1


async def _drained(program: Program, number: signal.Signals) -> int:
    program.process.send_signal(number)
    ended = await program.ended()
    assert "Traceback" not in ended.err
    return ended.code


def _leases(world: World) -> list[Any]:
    return [request for request in world.writes() if "/leases" in request.path]


async def test_a_second_daemon_of_a_store_is_alive_not_ready_and_says_what_it_waits_for(world: World) -> None:
    store = world.folder / "store.sqlite"
    kubeconfig = str(world.cluster.write_kubeconfig(world.folder / "kubeconfig", user=USER))
    arguments = ("run", "--kubeconfig", kubeconfig, "--store", str(store), "--listen", "127.0.0.1:0")
    async with open_store(store, now=Clock().now) as first, first.sole_worker() as alone:
        assert alone
        async with started(*arguments, home=world.folder) as second:
            await second.logged("store.in_use")
            address = (await second.logged("health.serving"))["address"]
            async with httpx.AsyncClient(base_url=f"http://{address}") as probe:
                assert (await probe.get("/healthz")).status_code == 200
                ready = await probe.get("/readyz")
                assert (ready.status_code, "waits for the other worker" in ready.text) == (503, True)
                assert "k8s_auto_fixer_watching" in (await probe.get("/metrics")).text
            assert await _drained(second, signal.SIGTERM) == 0
