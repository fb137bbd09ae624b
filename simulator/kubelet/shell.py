"""Enough of a shell for what manifests put into commands, hooks and exec probes. Pure.

Knows echo, sleep, exit, true, false, cat, test and [ of files, ls, and loops that never end; every other word is a
program that the image would have to have.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

BUILT_IN = frozenset({"sh", "bash", "sleep", "echo", "true", "false", "cat", "env", "ls", "test", "[", "printf"})
_ENDLESS = re.compile(r"\bwhile (true|:)|\btail -f\b|\bsleep (infinity|inf)\b")


@dataclass(frozen=True)
class Ran:
    """What came of it; ``seconds`` is None when it never ends by itself."""

    code: int
    logs: tuple[str, ...]
    seconds: float | None


def run(words: list[str], *, files: Collection[str], tools: Collection[str] = ()) -> Ran:
    """Run a command: ``sh -c SCRIPT`` or one plain command; raises ``LookupError`` with an unknown program's name."""
    name = _base(words[0])
    if name in ("sh", "bash"):
        return _script(words[-1] if "-c" in words else "", files, tools)
    if name not in BUILT_IN and name not in tools:
        raise LookupError(words[0])
    return _script(" ".join(words), files, tools)


def _script(text: str, files: Collection[str], tools: Collection[str]) -> Ran:
    if _ENDLESS.search(text):
        return Ran(0, tuple(re.findall(r"echo [\"']?([^\"';&]+)[\"']?", text)[:1]), None)
    code, seconds, logs = 0, 0.0, list[str]()
    for joint, step in _steps(text):
        if (joint == "&&" and code != 0) or (joint == "||" and code == 0):
            continue
        words = step.split()
        if words[0] == "exit":
            code = _number(words[1:], code)
            break
        code, lines, took = _step(words, files, tools)
        logs += lines
        seconds += took
    return Ran(code, tuple(logs), seconds)


def _steps(text: str) -> Iterator[tuple[str, str]]:
    """Every simple command with what joins it to the one before."""
    joint = ";"
    for part in re.split(r"(&&|\|\||;|\n)", text):
        if part in ("&&", "||", ";", "\n"):
            joint = part
        elif part.strip():
            yield joint, part.strip()


def _step(words: list[str], files: Collection[str], tools: Collection[str]) -> tuple[int, list[str], float]:
    """Exit code, lines and seconds of one simple command."""
    match words:
        case ["echo" | "printf", *rest]:
            return 0, [] if ">" in rest else [" ".join(rest).strip("\"'")], 0.0
        case ["sleep", length, *_]:
            return 0, [], _seconds(length)
        case ["false", *_]:
            return 1, [], 0.0
        case ["cat" | "ls" as name, path, *_] if path not in files:
            return 1, [f"{name}: can't open '{path}': No such file or directory"], 0.0
        case ["test" | "[", "-f" | "-e", path, *_] if path not in files:
            return 1, [], 0.0
        case [name, *_] if _base(name) not in BUILT_IN and _base(name) not in tools:
            return 127, [f"sh: {name}: not found"], 0.0
    return 0, [], 0.0


def _base(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def _number(words: list[str], default: int) -> int:
    if not words:
        return default
    return int(words[0]) % 256 if words[0].isdecimal() else 2


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text)
    return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}[found[2]] if found else 0.0
