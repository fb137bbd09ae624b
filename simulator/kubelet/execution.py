"""What a program does once its container runs: when it answers, what it logs, how and when it ends. Pure.

Decided once, at the start, from the catalogue, the container's spec and what surrounds it; all times count in
simulated seconds from that start. Only memory is asked for again, since a limit can be changed meanwhile; limits.cpu is
taken as it is at the start. A program that wants to compute more than that is throttled (the CFS quota of its cgroup):
it gets the limit, and takes as many times longer.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from simulator.kubelet import shell
from simulator.kubelet.filling import Room
from simulator.kubelet.programs import Exit, Program, Upstream
from simulator.quantities import MEBIBYTE, to_bytes, to_millicores

OOM_CODE = 137
AT_WORK = 10.0
"""How many times as much a program computes while it starts or is busy."""
_HEAP = re.compile(r"(?<!\S)-Xmx(?P<number>\d+)(?P<unit>[mg])(?!\S)", re.IGNORECASE)
_HEAP_CODE = 3
_FAIL_SECONDS = 0.4
_SHELL_SECONDS = 0.2
_START_ERROR_CODE = 128
_USAGE_CODE = 2
_CREATE = (
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: "
    "unable to start container process: error during container init: "
)


@dataclass(frozen=True)
class Surroundings:
    """What a program finds: names of variables, paths of files, paths it cannot write to, services that are away.

    ``unreachable`` holds, by upstream, the network's words for it; ``bound`` the ports that other containers of its
    pod listen on. ``room``: the claim's volume that it writes to, if it does.
    """

    variables: Collection[str] = ()
    files: Collection[str] = ()
    read_only: Collection[str] = ()
    unreachable: tuple[tuple[Upstream, str], ...] = ()
    bound: Collection[int] = ()
    room: Room | None = None


@dataclass(frozen=True)
class End:
    """How a container ends by itself."""

    after_seconds: float
    code: int
    reason: str
    logs: tuple[str, ...] = ()
    message: str = ""


@dataclass(frozen=True)
class Execution:
    """One run of one container. ``answers_after`` is None when it never listens; ``own`` says whether the
    program of the image runs, and not a command of the pod's; ``cpu_limit`` is in millicores."""

    program: Program
    logs: tuple[str, ...]
    answers_after: float | None
    end: End | None
    own: bool = True
    cpu_limit: float | None = None
    room: Room | None = None

    @property
    def start_seconds(self) -> float:
        """How long it takes until it listens, as it is throttled."""
        return self.program.start_seconds * self.slowed(AT_WORK)

    def computes(self, factor: float = 1.0) -> float:
        """What it gets of what it wants to compute, in millicores; ``factor``: how many times its usual."""
        wanted = self.program.cpu_millicores * factor
        return wanted if self.cpu_limit is None else min(wanted, self.cpu_limit)

    def slowed(self, factor: float = 1.0) -> float:
        """How many times longer everything takes it then."""
        got = self.computes(factor)
        return self.program.cpu_millicores * factor / got if got > 0 else 1.0

    def memory_mebibytes(self, age: float) -> float:
        """The working set at that age: it grows evenly while starting, and then as the program does."""
        program = self.program
        started = min(1.0, age / self.start_seconds) if self.start_seconds > 0 else 1.0
        return program.working_set * started + program.growth_per_second * max(0.0, age)

    def disk_mebibytes(self, age: float) -> float:
        """What it has written by that age, in this run."""
        return min(self.program.disk_per_second * max(0.0, age), self._wants, self._room_left)

    @property
    def _wants(self) -> float:
        """What it writes until it has all that it needs: what stands on a claim's volume counts towards that."""
        most, held = self.program.disk_most, self.room.held if self.room is not None else 0.0
        return float("inf") if most is None else max(0.0, most - held)

    @property
    def _room_left(self) -> float:
        return float("inf") if self.room is None else self.room.left

    def out_of_space(self) -> End | None:
        """When the volume is full that it writes to: it says so, and ends."""
        program, room = self.program, self.room
        if room is None or program.disk_per_second <= 0 or self._wants <= room.left:
            return None
        seconds = max(_FAIL_SECONDS, room.left / program.disk_per_second)
        return End(seconds, 1, "Error", (room.refusal(program.disk_path),))

    def out_of_memory(self, container: dict[str, Any]) -> End | None:
        """When the kernel kills it for growing beyond limits.memory; it gets no last word."""
        limit = ((container.get("resources") or {}).get("limits") or {}).get("memory")
        if limit is None:
            return None
        program, room = self.program, to_bytes(limit) / MEBIBYTE - self.program.working_set
        if room < 0:  # it is reached while starting, in proportion to how far it gets
            share = max(0.2, min(1.0, 1.0 + room / program.working_set))
            return End(max(0.3, self.start_seconds * share), OOM_CODE, "OOMKilled")
        if program.growth_per_second <= 0:
            return None
        return End(max(0.3, room / program.growth_per_second), OOM_CODE, "OOMKilled")

    def ends(self, container: dict[str, Any]) -> End | None:
        """How and when it ends with the container's present limits, by itself or by the kernel."""
        known = [end for end in (self.end, self.out_of_memory(container), self.out_of_space()) if end is not None]
        return min(known, key=lambda end: end.after_seconds, default=None)


class StartError(Exception):
    """The runtime created the container and could not start it."""

    code = _START_ERROR_CODE


def plan(program: Program, container: dict[str, Any], around: Surroundings) -> Execution:
    """What will happen; raises ``StartError`` when the command does not exist in the image."""
    program = _with_heap(program, container)
    command, arguments = list(container.get("command") or ()), list(container.get("args") or ())
    own = command and _base(command[0]) in {_base(item) for item in program.entrypoint}
    if (command and (program.shell or not own)) or (program.shell and arguments):
        return _command(program, [*command, *arguments], around)
    refused = _refused(program, [*command[1:], *arguments], around)
    if refused is not None:
        line, code = refused
        return Execution(program, program.logs, None, End(_FAIL_SECONDS, code, "Error", (line,)))
    limit = _cpu_limit(container)
    run = Execution(program, program.logs, None, _own_end(program), cpu_limit=limit, room=around.room)
    return replace(run, answers_after=run.start_seconds)


def _cpu_limit(container: dict[str, Any]) -> float | None:
    """limits.cpu in millicores; none at all is no limit."""
    return to_millicores(((container.get("resources") or {}).get("limits") or {}).get("cpu", 0)) or None


def _refused(program: Program, arguments: list[str], around: Surroundings) -> tuple[str, int] | None:
    """The program's last line and exit code when it does not find what it needs."""
    code = program.needs.code
    for flag in arguments:
        if program.flags and flag.startswith("-") and flag.partition("=")[0] not in program.flags:
            return f"error: unknown flag: {flag.partition('=')[0]}", _USAGE_CODE
    for name in program.needs.env:
        if name not in around.variables:
            return f"fatal: required environment variable {name} is not set", code
    for path in program.needs.files:
        if path not in around.files:
            return f"fatal: open {path}: no such file or directory", code
    for path in program.needs.writable:
        if path in around.read_only:
            return f"fatal: open {path}: read-only file system", code
    return _unreached(program, around)


def _unreached(program: Program, around: Surroundings) -> tuple[str, int] | None:
    """The same for what it needs of the network."""
    for upstream, why in around.unreachable:
        if upstream.otherwise == "exit":
            return f"fatal: cannot reach {upstream.service}:{upstream.port}: {why}", program.needs.code
    taken = [port for port in program.ports if port in around.bound]
    return (f"fatal: listen tcp :{taken[0]}: bind: address already in use", program.needs.code) if taken else None


def _with_heap(program: Program, container: dict[str, Any]) -> Program:
    """A program that fills its heap takes what it is told to; the last word on it counts."""
    texts = [str(item.get("value") or "") for item in container.get("env") or ()]
    texts += [str(word) for word in (*(container.get("command") or ()), *(container.get("args") or ()))]
    told = [match for text in texts for match in _HEAP.finditer(text)]
    if program.heap is None or not told:
        return program
    heap = int(told[-1]["number"]) * (1024 if told[-1]["unit"] in "gG" else 1)
    filled = replace(program, working_set=program.heap.besides + heap)
    if heap >= program.heap.least:
        return filled
    lines = ("java.lang.OutOfMemoryError: Java heap space",)
    return replace(filled, exits=Exit(after_seconds=max(0.5, program.start_seconds), code=_HEAP_CODE, logs=lines))


def _own_end(program: Program) -> End | None:
    own = program.exits
    if own is None:
        return None
    reason = "Completed" if own.code == 0 else "Error"
    return End(float(own.after_seconds), int(own.code), reason, own.logs, own.message)


def _command(program: Program, words: list[str], around: Surroundings) -> Execution:
    """A command of the pod's own: a few shell words, or nothing that the image has."""
    try:
        ran = shell.run(words, files=around.files)
    except LookupError as error:
        raise StartError(f"{_CREATE}{not_executable(words[0])}") from error
    end = None
    if ran.seconds is not None:
        end = End(_SHELL_SECONDS + ran.seconds, ran.code, "Completed" if ran.code == 0 else "Error")
    return Execution(program, ran.logs, None, end, own=False)


def not_executable(word: str) -> str:
    """What Go's exec says of a program that is not there: looked for in $PATH, or at its path."""
    if "/" in word:
        return f'exec: "{word}": stat {word}: no such file or directory'
    return f'exec: "{word}": executable file not found in $PATH'


def _base(path: str) -> str:
    return path.rsplit("/", 1)[-1]
