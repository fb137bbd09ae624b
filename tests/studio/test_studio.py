"""LangGraph's development server on `langgraph.json`: what somebody who opens Studio gets to see.

The server is a process of its own, as with `make studio`: with no key in its environment, and with a kubeconfig
that cannot be read, so that only a server that reads none can work.
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient

pytestmark = [pytest.mark.studio, pytest.mark.xdist_group("studio")]

ROOT = Path(__file__).resolve().parents[2]
TETHER = ROOT / "tests" / "control_plane" / "tether.py"
GRAPH = "k8s-auto-fixer"
WORDS = "deployment: web, namespace: shop-front, event: Back-off pulling image 'nginx:1.27-alpnie'"
START_SECONDS, RUN_SECONDS, STOP_SECONDS = 120.0, 90.0, 15.0
KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")  # of our environment; the rest may hold keys and settings


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server's address; it is ended with everything it started, whatever the tests do."""
    folder = tmp_path_factory.mktemp("studio")
    port = _free_port()
    with (folder / "output").open("wb") as output, _process(folder, port, output) as process:
        url = f"http://127.0.0.1:{port}"
        if not _answers(url, process):
            pytest.fail(f"langgraph dev did not start:\n{(folder / 'output').read_text()[-4000:]}")
        yield url


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@contextmanager
def _process(folder: Path, port: int, output: Any) -> Iterator[subprocess.Popen[bytes]]:
    program = [str(Path(sys.executable).with_name("langgraph")), "dev", "--no-browser", "--no-reload"]
    arguments = ["--port", str(port), "--config", str(ROOT / "langgraph.json")]
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", str(TETHER), str(os.getpid()), *program, *arguments],
        cwd=folder,  # where it keeps its threads
        env=_environment(folder),
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        _end(process)


def _environment(folder: Path) -> dict[str, str]:
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text("nobody may read this: {")
    return {
        **{name: os.environ[name] for name in KEPT if name in os.environ},
        "KUBECONFIG": str(kubeconfig),
        "XDG_STATE_HOME": str(folder / "state"),
        "LANGGRAPH_CLI_NO_ANALYTICS": "1",
        "LANGGRAPH_NO_VERSION_CHECK": "true",
        "LANGSMITH_TRACING": "false",
    }


def _answers(url: str, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/ok", timeout=1).status_code == 200:
                return True
        except httpx.TransportError:
            time.sleep(0.2)
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """Politely first; then the whole group, which is still there if a child has outlived its parent."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # as it should be: nothing was left


async def _state(client: LangGraphClient, thread: str) -> dict[str, Any]:
    return dict((await client.threads.get_state(thread))["values"])  # type: ignore[arg-type]  # of our graph: a mapping


async def _thread(client: LangGraphClient) -> str:
    return str((await client.threads.create(thread_id=str(uuid.uuid4())))["thread_id"])


async def _said(client: LangGraphClient, thread: str, words: str) -> dict[str, Any]:
    """The state of a thread after a run on plain words."""
    message = {"role": "user", "content": words}
    await client.runs.wait(thread, GRAPH, input={"messages": [message]})
    return await _state(client, thread)


async def _question(client: LangGraphClient, thread: str) -> dict[str, Any] | None:
    """What a person is asked in a thread; None while nobody is."""
    found = (await client.threads.get(thread)).get("interrupts") or {}
    asked = [one["value"] for interrupts in found.values() for one in interrupts]
    return dict(asked[0]) if asked else None


async def _waits(client: LangGraphClient, subject: str) -> tuple[str, dict[str, Any]]:
    """The thread that was begun about a subject, once it asks a person."""
    deadline = time.monotonic() + RUN_SECONDS
    while time.monotonic() < deadline:
        for thread in await client.threads.search(metadata={"subject": subject}):
            question = await _question(client, thread["thread_id"])
            if question is not None:
                return thread["thread_id"], question
        await asyncio.sleep(0.2)
    pytest.fail(f"no thread about {subject} asks a person")


def _names(state: dict[str, Any]) -> list[str]:
    return [message.get("name") or "" for message in state["messages"]]


async def test_the_drawing_shows_the_six_nodes_and_autofixers_steps(server: str) -> None:
    async with get_client(url=server) as client:
        drawing = await client.assistants.get_graph(GRAPH)
        inside = await client.assistants.get_graph(GRAPH, xray=True)
    nodes = {str(node["id"]) for node in drawing["nodes"]} - {"__start__", "__end__"}
    assert nodes == {"Observe", "Supervisor", "Researcher", "Coder", "AutoFixer", "HelpSeeker"}
    steps = {str(node["id"]).rpartition(":")[2] for node in inside["nodes"] if ":" in str(node["id"])}
    assert {"propose", "pre_guard", "dry_run", "guard", "approval", "apply", "verify"} <= steps


async def test_what_was_begun_carries_its_subject_and_waits_for_the_answer_it_is_given(server: str) -> None:
    async with get_client(url=server, timeout=RUN_SECONDS) as client:
        thread, question = await _waits(client, "deployment/checkout in shop-checkout")
        assert "roll back" in question["question"]
        assert question["difference"]
        answer = {"decision": "approve", "by": "ada"}
        passed = []
        async for part in client.runs.stream(
            thread, GRAPH, command={"resume": answer}, stream_mode="updates", stream_subgraphs=True
        ):
            passed += list(part.data) if part.event.startswith("updates") else []
        state = await _state(client, thread)
        assert [name for name in passed if name in ("approval", "apply", "verify")] == ["approval", "apply", "verify"]
        assert state["outcome"]["outcome"] == "resolved", state["messages"]
        assert "ada has approved it" in [message["content"] for message in state["messages"]]


async def test_plain_words_are_answered_with_a_question_and_time_travel_applies_nothing_twice(server: str) -> None:
    async with get_client(url=server, timeout=RUN_SECONDS) as client:
        thread = await _thread(client)
        await _said(client, thread, WORDS)
        question = await _question(client, thread)
        assert question is not None
        assert question["difference"][0]["to"] == "nginx:1.27-alpine"
        await client.runs.wait(thread, GRAPH, command={"resume": {"decision": "approve", "by": "ada"}})
        state = await _state(client, thread)
        assert state["outcome"]["outcome"] == "resolved", state["messages"]
        assert "nginx:1.27-alpine" in state["outcome"]["summary"]

        history = await client.threads.get_history(thread, limit=50)
        assert len(history) > 5
        before = next(one for one in history if "AutoFixer" in one["next"])  # the last time it began: it applied
        await client.runs.wait(thread, GRAPH, checkpoint=before["checkpoint"], input=None)
        again = await _state(client, thread)
        assert "is over already (resolved)" in again["messages"][-1]["content"]
        assert "verify" not in _names(again)[len(before["values"]["messages"]) :]  # type: ignore[index,call-overload]


async def test_an_incident_as_json_starts_a_run_as_well(server: str) -> None:
    async with get_client(url=server, timeout=RUN_SECONDS) as client:
        for given in (
            {"incident": {"deployment": "nowhere", "namespace": "shop-front", "event": "it fails"}},
            {"messages": [{"role": "user", "content": '{"deployment": "nowhere", "namespace": "shop-front"}'}]},
        ):
            thread = await _thread(client)
            await client.runs.wait(thread, GRAPH, input=given)
            state = await _state(client, thread)
            assert 'deployments.apps "nowhere" not found' in state["messages"][-1]["content"]


@pytest.mark.parametrize("words", ["please help, the shop is down", "namespace: shop-front, event: it is broken"])
async def test_words_that_name_no_workload_get_an_example_back(server: str, words: str) -> None:
    async with get_client(url=server, timeout=RUN_SECONDS) as client:
        state = await _said(client, await _thread(client), words)
    assert "deployment: nginx, namespace: default, event:" in state["messages"][-1]["content"]
    assert "outcome" not in state["outcome"]
