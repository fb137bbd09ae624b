"""One component of the control plane as an operating system process.

Owns: starting it tied to us, its log file, noticing that it died, stopping it for certain. Knows nothing of
Kubernetes. Refuses to be polite where nothing is lost by it: state lives in a temporary folder, so the end is
a signal to the whole process group, not a shutdown protocol.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random

_TETHER = Path(__file__).resolve().with_name("tether.py")
_LOG_LINES_SHOWN = 25
_POLL_SECONDS = 0.05


class ControlPlaneError(Exception):
    """The control plane did not do what was asked; the text ends with the log lines that matter."""


class Component:
    """A running program with its log. Made by starting it; `stop` may be called any number of times."""

    def __init__(self, name: str, command: Sequence[str | Path], *, folder: Path, environ: Mapping[str, str]) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        # -I -S: the tether needs nothing but the standard library, and starts in half the time without the
        # rest.
        tied = [sys.executable, "-I", "-S", str(_TETHER), str(os.getpid()), *map(str, command)]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                tied,
                cwd=folder,
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def tail(self, lines: int = _LOG_LINES_SHOWN) -> str:
        """The end of its log under a heading, for an error text."""
        with self.log.open(errors="replace") as log:
            last = deque(log, maxlen=lines)
        return f"--- {self.name} (exit code {self.exit_code}), end of {self.log}:\n{''.join(last)}"

    def stop(self, *, grace_seconds: float = 0.0) -> None:
        """Ends the program and whatever it started. With a grace it is asked first, then killed."""
        if grace_seconds > 0 and self.exit_code is None:
            self._signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):  # it had its chance; killed below
                self._process.wait(timeout=grace_seconds)
        self._signal(signal.SIGKILL)
        self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):  # the whole group is gone already
            os.killpg(self._process.pid, number)


def wait_until(
    ready: Callable[[], object],
    what: str,
    *,
    components: Sequence[Component],
    seconds: float,
    shown: Component,
) -> None:
    """Waits for `ready`; a component that exits ends the wait as well as the deadline does.

    Raises ControlPlaneError with the log of the component that died, or of `shown` when time is up.
    """
    deadline = time.monotonic() + seconds
    while not ready():
        for component in components:
            if component.exit_code is not None:
                raise ControlPlaneError(f"{component.name} ended while waiting for {what}\n{component.tail()}")
        if time.monotonic() > deadline:
            raise ControlPlaneError(f"waited {seconds:.0f} s in vain for {what}\n{shown.tail()}")
        time.sleep(_POLL_SECONDS)


def free_ports(count: int) -> list[int]:
    """Loopback ports that nobody listens on, all different.

    From below Linux's ephemeral range (ip_local_port_range starts at 32768): an outgoing connection of
    another process could otherwise take one in the moment between this look and the component's own bind.
    """
    found: list[int] = []
    for port in Random().sample(range(20_000, 32_000), k=200):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise ControlPlaneError("200 random ports between 20000 and 32000 are nearly all taken; free some")


def accepts_connections(port: int) -> bool:
    """Whether something listens on this loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0
