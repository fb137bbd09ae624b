"""The processes of the control plane: that none outlives its test, and that a failed start says why."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from . import harness
from .build import BINARIES
from .components import Component, ControlPlaneError, free_ports, wait_until
from .harness import ControlPlane

_ENVIRON = {"PATH": os.defpath}
_SLEEPING = ["/bin/sleep", "600"]


def _programs(folder: Path, script: str) -> Path:
    folder.mkdir()
    for name in BINARIES:
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return folder


def _is_alive(pid: int) -> bool:
    """A zombie that nobody has collected yet counts as dead."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_a_stopped_component_is_gone_with_what_it_started(tmp_path: Path) -> None:
    command = ["/bin/sh", "-c", "sleep 600 & echo $!; wait"]
    component = Component("parent", command, folder=tmp_path, environ=_ENVIRON)
    wait_until(component.log.read_text, "its child", components=[component], seconds=10, shown=component)
    child = int(component.log.read_text())
    component.stop()
    component.stop()
    assert component.exit_code is not None
    wait_until(lambda: not _is_alive(child), "the child's end", components=[], seconds=10, shown=component)


def test_a_component_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    script = (
        "import os, signal\n"
        "from pathlib import Path\n"
        "from tests.control_plane.components import Component, wait_until\n"
        f"c = Component('orphan', {_SLEEPING!r}, folder=Path({str(tmp_path)!r}), environ={{}})\n"
        "command = Path(f'/proc/{c.pid}/cmdline')\n"
        "wait_until(lambda: command.read_bytes().startswith(b'/bin/sleep'),"
        " 'exec', components=[c], seconds=10, shown=c)\n"
        "print(c.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    repository = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    orphan = int(done.stdout)
    deadline = Component("clock", _SLEEPING, folder=tmp_path, environ=_ENVIRON)
    try:
        wait_until(lambda: not _is_alive(orphan), "its end", components=[deadline], seconds=10, shown=deadline)
    finally:
        deadline.stop()


def test_a_component_that_ignores_a_polite_end_is_killed(tmp_path: Path) -> None:
    command = ["/bin/sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 0.05; done"]
    component = Component("deaf", command, folder=tmp_path, environ=_ENVIRON)
    wait_until(component.log.read_text, "the trap", components=[component], seconds=10, shown=component)
    component.stop(grace_seconds=0.1)
    assert component.exit_code == -9


def test_a_start_that_fails_shows_the_end_of_the_log(tmp_path: Path) -> None:
    binaries = _programs(tmp_path / "bin", "echo cannot open the data folder; exit 4")
    with pytest.raises(ControlPlaneError, match="etcd ended while waiting") as caught:
        ControlPlane(binaries, folder=tmp_path / "run").start()
    assert "cannot open the data folder" in str(caught.value)
    assert "exit code 4" in str(caught.value)


def test_a_wait_that_is_in_vain_shows_the_end_of_the_log(tmp_path: Path) -> None:
    component = Component("slow", ["/bin/sh", "-c", "echo not yet; sleep 600"], folder=tmp_path, environ=_ENVIRON)
    try:
        wait_until(component.log.read_text, "a word", components=[component], seconds=10, shown=component)
        with pytest.raises(ControlPlaneError, match=r"in vain for a miracle(.|\n)*not yet"):
            wait_until(lambda: False, "a miracle", components=[component], seconds=0, shown=component)
    finally:
        component.stop()


def test_an_interrupt_during_the_start_leaves_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[int] = []

    class Recorded(Component):
        def __init__(self, *args: object, **kwargs: object) -> None:
            super().__init__(*args, **kwargs)  # type: ignore[arg-type] # passed on as it came
            started.append(self.pid)

    def interrupted(_port: int) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(harness, "Component", Recorded)
    monkeypatch.setattr(harness, "accepts_connections", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ControlPlane(_programs(tmp_path / "bin", "sleep 600"), folder=tmp_path / "run").start()
    assert len(started) == 1
    assert not _is_alive(started[0])


def test_free_ports_are_all_different_and_below_the_ephemeral_range() -> None:
    ports = free_ports(10)
    assert len(set(ports)) == 10
    assert all(20_000 <= port < 32_000 for port in ports)
