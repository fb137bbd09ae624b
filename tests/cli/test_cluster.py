"""The embedded cluster from the command line: its file, its end, and what may be broken where."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from typer.testing import CliRunner

from cli import breaking
from cli.cluster import cluster_app
from cli.cluster_file import default_kubeconfig, prepare_place
from cli.failures import Exit
from cli.sandbox_label import EMBEDDED_VALUE, SANDBOX_LABEL, Sandbox, sandbox_of
from simulator import EmbeddedCluster
from simulator.scenario import load_scenario, load_scenarios
from tools.cluster.errors import Misconfigured

ENDS_SECONDS = 30
SCENARIO = "image-unknown-tag"
NAMESPACE = load_scenario(SCENARIO).namespace


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user with nothing in their home folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("KUBECONFIG", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`cluster start`, once it has said how to use it."""
    command = [sys.executable, "-m", "cli.main", "cluster", "start", "--speed", "50", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert any(line.startswith("Ctrl-C") for line in process.stdout)
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def end(process: subprocess.Popen[str], number: signal.Signals = signal.SIGTERM) -> int:
    process.send_signal(number)
    return process.wait(ENDS_SECONDS)


def call(kubeconfig: dict[str, Any], method: str, path: str, **arguments: Any) -> Any:
    server = kubeconfig["clusters"][0]["cluster"]["server"]
    response = httpx.request(method, server + path, timeout=ENDS_SECONDS, **arguments)
    assert response.status_code < 300, response.text
    return response.json()


def run(*arguments: str, answer: str | None = None) -> tuple[int, str]:
    """A command's exit code and what it said."""
    result = CliRunner().invoke(cluster_app, arguments, input=answer)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_start_runs_until_interrupted_and_ends_well(home: Path, number: signal.Signals) -> None:
    target = home / "cluster.yaml"
    with started("--nodes", "2", "--kubeconfig", str(target)) as process:
        assert stat.S_IMODE(target.stat().st_mode) == 0o600
        nodes = call(yaml.safe_load(target.read_text()), "GET", "/api/v1/nodes")["items"]
        assert len(nodes) == 2
        assert end(process, number) == 0
    assert not target.exists()


def test_start_writes_a_file_of_its_own_which_break_finds_by_itself(home: Path) -> None:
    with started() as process:
        target = default_kubeconfig()
        assert target == home / ".cache/k8s-auto-fixer/cluster.kubeconfig"
        code, said = run("break", SCENARIO)
        assert code == 0, said
        found = call(yaml.safe_load(target.read_text()), "GET", f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments")
        assert found["items"]
        assert end(process) == 0


def test_two_clusters_do_not_share_a_file(home: Path) -> None:
    with started() as process:
        with pytest.raises(Misconfigured, match="that is running"):
            prepare_place(default_kubeconfig())
        assert end(process) == 0


def test_start_says_that_its_port_is_taken(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, said = run("start", "--port", str(taken.getsockname()[1]))
    assert code == Exit.CLUSTER_FAILED
    assert "address already in use" in said
    assert not default_kubeconfig().exists()


@pytest.mark.parametrize("through_link", [False, True])
def test_the_users_own_kubeconfig_is_never_written(home: Path, through_link: bool) -> None:
    own = home / ".kube" / "config"
    own.parent.mkdir()
    own.touch()
    link = home / "link"
    link.symlink_to(own)
    code, said = run("start", "--kubeconfig", str(link if through_link else own))
    assert code == Exit.KUBECONFIG
    assert "your own kubeconfig" in said
    assert own.read_bytes() == b""


def kubeconfig_of(*clusters: tuple[str, str]) -> str:
    entries = [{"name": name, "cluster": {"server": server}} for name, server in clusters]
    return yaml.safe_dump({"apiVersion": "v1", "kind": "Config", "clusters": entries})


@pytest.mark.parametrize(
    "content",
    [
        kubeconfig_of(("production", "https://192.0.2.1:6443")),
        kubeconfig_of(("embedded", "https://192.0.2.1:6443")),
        kubeconfig_of(("embedded", "http://127.0.0.1:1"), ("production", "https://192.0.2.1:6443")),
        kubeconfig_of(),
        "shopping: list",
        "{",
        "text",
    ],
)
def test_a_file_that_holds_anything_else_is_left_alone(home: Path, content: str) -> None:
    target = home / "file"
    target.write_text(content)
    with pytest.raises(Misconfigured, match="pass another --kubeconfig FILE"):
        prepare_place(target)
    assert target.read_text() == content


@pytest.mark.parametrize("content", ["", kubeconfig_of(("embedded", "http://127.0.0.1:1/token"))])
def test_an_empty_file_and_that_of_a_cluster_that_has_ended_are_used_again(home: Path, content: str) -> None:
    target = home / "folder" / ".." / "file"
    (home / "file").write_text(content)
    assert prepare_place(target) == home / "file"


def test_scenarios_are_listed_for_people_and_for_programs(home: Path) -> None:
    names = [item.name for item in load_scenarios()]
    code, said = run("scenarios")
    assert code == 0
    assert not [name for name in names if name not in said]
    code, said = run("scenarios", "--json")
    assert [item["name"] for item in json.loads(said)] == names
    assert {"family", "title", "namespace", "expected"} <= json.loads(said)[0].keys()


@pytest.fixture(scope="module")
def stranger() -> Iterator[EmbeddedCluster]:
    """A cluster that `cluster start` knows nothing of; for this module it stands for any other."""
    with EmbeddedCluster(nodes=1, speed=50) as cluster:
        yield cluster


@pytest.fixture
def labelled(stranger: EmbeddedCluster, request: pytest.FixtureRequest, home: Path) -> str:
    """A kubeconfig of the stranger, whose label is the parameter."""
    patch = {"metadata": {"labels": {SANDBOX_LABEL: getattr(request, "param", None)}}}
    headers = {"Content-Type": "application/merge-patch+json"}
    call(stranger.kubeconfig(), "PATCH", "/api/v1/namespaces/kube-system", json=patch, headers=headers)
    return os.fspath(stranger.write_kubeconfig(home / "stranger"))


def has_namespace(cluster: EmbeddedCluster, name: str) -> bool:
    return f"v1/Namespace//{name}" in cluster.dump()


@pytest.mark.parametrize("labelled", [None, "false"], indirect=True)
def test_a_cluster_without_the_label_is_not_broken_even_if_told_to(labelled: str, stranger: EmbeddedCluster) -> None:
    code, said = run("break", "oom", "--kubeconfig", labelled, "--yes")
    assert code == Exit.NOT_A_SANDBOX
    assert f"kubectl label namespace kube-system {SANDBOX_LABEL}=true" in said
    assert not has_namespace(stranger, load_scenario("oom").namespace)


@pytest.mark.parametrize("labelled", ["true"], indirect=True)
def test_a_labelled_cluster_is_not_broken_while_nobody_can_be_asked(labelled: str, stranger: EmbeddedCluster) -> None:
    code, said = run("break", "oom", "--kubeconfig", labelled)
    assert code == Exit.NOT_A_SANDBOX
    assert "--yes" in said
    assert not has_namespace(stranger, load_scenario("oom").namespace)


@pytest.mark.parametrize("labelled", ["true"], indirect=True)
def test_a_labelled_cluster_is_broken_only_if_a_person_agrees(
    labelled: str, stranger: EmbeddedCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breaking, "_on_a_terminal", lambda: True)
    code, said = run("break", SCENARIO, "--kubeconfig", labelled, answer="n\n")
    assert code == Exit.NOT_A_SANDBOX
    assert "nothing was changed" in said
    assert not has_namespace(stranger, NAMESPACE)
    code, said = run("break", SCENARIO, "--kubeconfig", labelled, answer="y\n")
    assert code == 0, said
    assert has_namespace(stranger, NAMESPACE)
    code, said = run("break", SCENARIO, "--kubeconfig", labelled, "--yes")
    assert code == Exit.REFUSED
    assert f"kubectl delete namespace {NAMESPACE}" in said


def test_a_scenario_that_does_not_exist_is_said_to(home: Path) -> None:
    code, said = run("break", "everything")
    assert code == Exit.UNKNOWN_NAME
    assert "oom" in said


def test_only_a_cluster_on_loopback_is_believed_to_be_an_embedded_one() -> None:
    def namespace(value: str | None) -> dict[str, Any]:
        return {"metadata": {"labels": {SANDBOX_LABEL: value} if value else None}}

    assert sandbox_of(namespace(EMBEDDED_VALUE), "http://127.0.0.1:8001/token") is Sandbox.EMBEDDED
    assert sandbox_of(namespace(EMBEDDED_VALUE), "https://192.0.2.1:6443") is Sandbox.LABELLED
    assert sandbox_of(namespace("true"), "http://127.0.0.1:8001") is Sandbox.LABELLED
    assert sandbox_of(namespace(None), "http://127.0.0.1:8001") is Sandbox.NONE
