"""LangGraph's development server on `langgraph.json`: what somebody who opens Studio gets to see.

The server is a process of its own, as with `make studio`: with no key in its environment, and with a kubeconfig
that cannot be read, so that only a server that reads none can work.
"""

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

pytestmark = [pytest.mark.studio, pytest.mark.xdist_group("studio")]

ROOT = Path(__file__).resolve().parents[2]
TETHER = ROOT / "tests" / "control_plane" / "tether.py"
GRAPH = "k8s-auto-fixer"
WORDS = "deployment: web, namespace: shop-front, event: Back-off pulling image 'nginx:1.27-alpnie'"
START_SECONDS, RUN_SECONDS, STOP_SECONDS = 40.0, 30.0, 10.0
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


async def _said(server: str, words: str) -> dict[str, Any]:
    """The state of a new thread after a run on plain words."""
    async with get_client(url=server, timeout=RUN_SECONDS) as client:
        thread = await client.threads.create(thread_id=str(uuid.uuid4()))
        message = {"role": "user", "content": words}
        state = await client.runs.wait(thread["thread_id"], GRAPH, input={"messages": [message]})
        assert isinstance(state, dict)
        return state


async def test_the_drawing_shows_the_six_nodes(server: str) -> None:
    async with get_client(url=server) as client:
        drawing = await client.assistants.get_graph(GRAPH)
    nodes = {node["id"] for node in drawing["nodes"]} - {"__start__", "__end__"}
    assert nodes == {"Observe", "Supervisor", "Researcher", "Coder", "AutoFixer", "HelpSeeker"}


async def test_plain_words_about_the_broken_workload_end_in_a_verified_repair(server: str) -> None:
    state = await _said(server, WORDS)
    assert state["outcome"]["outcome"] == "resolved", state["messages"]
    assert [message["name"] for message in state["messages"][1:]] == [
        "Observe",
        "Supervisor",
        "AutoFixer",
        "Supervisor",
    ]
    assert "nginx:1.27-alpine" in state["outcome"]["summary"]


@pytest.mark.parametrize("words", ["please help, the shop is down", "namespace: shop-front, event: it is broken"])
async def test_words_that_name_no_workload_get_an_example_back(server: str, words: str) -> None:
    state = await _said(server, words)
    assert "deployment: nginx, namespace: default, event:" in state["messages"][-1]["content"]
    assert "outcome" not in state["outcome"]
