"""What a program does once its container runs: when it answers, what it logs, how and when it ends. Pure.

Decided once, at the start, from the catalogue and the container's spec; all times count in simulated seconds
from that start.
"""

import re
from dataclasses import dataclass
from typing import Any

from simulator.kubelet.catalogue import Program
from simulator.quantities import MEBIBYTE, to_bytes

OOM_CODE = 137
_FAIL_SECONDS = 0.4
_START_ERROR_CODE = 128
_EVERY_IMAGE_HAS = {"sh", "sleep", "echo", "true", "false", "cat", "env", "ls"}


@dataclass(frozen=True)
class End:
    """How a container ends by itself."""

    after_seconds: float
    code: int
    reason: str
    logs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Execution:
    """One run of one container. ``answers_after`` is None when it never listens."""

    program: Program
    logs: tuple[str, ...]
    answers_after: float | None
    end: End | None


class StartError(Exception):
    """The runtime created the container and could not start it."""

    code = _START_ERROR_CODE


def plan(program: Program, container: dict[str, Any], *, variables: set[str], files: set[str]) -> Execution:
    """What will happen; raises ``StartError`` when the command does not exist in the image."""
    command = list(container.get("command") or ())
    arguments = list(container.get("args") or ())
    missing = _missing(program, variables, files)
    if command or (program.shell and arguments):
        return _command(program, [*command, *arguments], container)
    if missing is not None:
        return Execution(program, program.logs, None, End(_FAIL_SECONDS, program.needs.code, "Error", (missing,)))
    end = _earliest(_out_of_memory(program, container), _own_end(program))
    return Execution(program, program.logs, program.start_seconds, end)


def _missing(program: Program, variables: set[str], files: set[str]) -> str | None:
    for name in program.needs.env:
        if name not in variables:
            return f"fatal: required environment variable {name} is not set"
    for path in program.needs.files:
        if path not in files:
            return f"fatal: open {path}: no such file or directory"
    return None


def _own_end(program: Program) -> End | None:
    if program.exits is None:
        return None
    reason = "Completed" if program.exits.code == 0 else "Error"
    return End(program.exits.after_seconds, program.exits.code, reason, program.exits.logs)


def _out_of_memory(program: Program, container: dict[str, Any]) -> End | None:
    """The kernel kills what grows beyond limits.memory; the program gets no last word."""
    limit = ((container.get("resources") or {}).get("limits") or {}).get("memory")
    if limit is None:
        return None
    room = to_bytes(limit) / MEBIBYTE - program.working_set
    if room < 0:  # it is reached while starting, in proportion to how far it gets
        share = max(0.2, min(1.0, 1.0 + room / program.working_set))
        return End(max(0.3, program.start_seconds * share), OOM_CODE, "OOMKilled")
    if program.growth_per_second <= 0:
        return None
    return End(max(0.3, room / program.growth_per_second), OOM_CODE, "OOMKilled")


def _earliest(*ends: End | None) -> End | None:
    known = [end for end in ends if end is not None]
    return min(known, key=lambda end: end.after_seconds, default=None)


def _command(program: Program, words: list[str], container: dict[str, Any]) -> Execution:
    """A command of the pod's own: the image's entry point if it names that, else a few shell words."""
    name = words[0].rsplit("/", 1)[-1]
    known = {item.rsplit("/", 1)[-1] for item in program.entrypoint}
    memory = _out_of_memory(program, container)
    if name in known and not program.shell:
        return Execution(program, program.logs, program.start_seconds, _earliest(memory, _own_end(program)))
    if name not in _EVERY_IMAGE_HAS:
        raise StartError(
            "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc "
            "create failed: unable to start container process: error during container init: "
            f'exec: "{words[0]}": executable file not found in $PATH'
        )
    script = words[-1] if name == "sh" and "-c" in words else " ".join(words)
    logs, end = _shell(script)
    return Execution(program, logs, None, _earliest(memory, end))


def _shell(script: str) -> tuple[tuple[str, ...], End | None]:
    """Enough of a shell for demonstrations: echo, sleep, exit, and loops that never end."""
    if re.search(r"\bwhile (true|:)|\btail -f\b", script):
        return tuple(re.findall(r"echo \"?([^\";&]+)\"?", script)[:1]), None
    seconds, code, logs = 0.2, 0, []
    for step in re.split(r"&&|;|\n", script):
        words = step.split()
        match words:
            case ["echo", *rest]:
                logs.append(" ".join(rest).strip("\"'"))
            case ["sleep", "infinity"]:
                return tuple(logs), None
            case ["sleep", length]:
                seconds += _seconds(length)
            case ["exit", number]:
                code = int(number) if number.isdecimal() else 1
                break
            case ["false"]:
                code = 1
    return tuple(logs), End(seconds, code, "Completed" if code == 0 else "Error")


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text)
    return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}[found[2]] if found else 0.0
