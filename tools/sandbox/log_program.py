"""The program that digests logs, as it runs inside the sandbox.

Logs are written by strangers, so this file is handed to the sandbox as text and never runs in the daemon's
own process. It is also an ordinary module, for two reasons: linters and the type checker read it, and tests
compare what it says under CPython with what it says in the sandbox. It keeps to the sandbox's subset of
Python (no generators, no inheritance, `re.sub` with text only) and its patterns have no nested repetition.

What it keeps, in this order when room is short: the newest of the worst lines, the first bad line (causes
come before consequences), context around them, the first and the last lines. Repeats are told once, with
their count.
"""

import re

LINE_CHARACTERS = 240
PANIC, ERROR, WARNING, CONTEXT, EDGE = 5, 4, 2, 1, 1

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")
HARMLESS = re.compile(
    r"\b(?:no|0|zero|without) (?:error|exception|failure|warning)s?\b"
    r"|\b(?:error|err|exception|failure|warning|failed|fatal)[a-z_]*[\"']?\s?[=:]\s?[\"']?"
    r"(?:0|nil|null|none|false|\"\"|'')(?:[\"'\s,;})\]]|$)",
    re.IGNORECASE,
)
WORST = re.compile(
    r"\bpanic\b|\bfatal\b|\bsegmentation fault\b|\bSIG(?:SEGV|ABRT|KILL|BUS)\b"
    r"|\bout of memory\b|\bOOM|\bOutOfMemory|\bcore dumped\b|\bcrashed\b"
    r"|\bCRITICAL\b|\bemerg\b|^F[0-9]{4} |unhandled exception|uncaught",
    re.IGNORECASE,
)
BAD = re.compile(
    r"error|exception|\bfail(?:ed|ure|s|ing)?\b|traceback|\bdenied\b|\brefused\b|\bcannot\b|\bcan't\b"
    r"|\bunable to\b|not found|no such|\bmissing\b|\binvalid\b|\bunreachable\b|timed? ?out"
    r"|\bexit(?:ed)? (?:code|status)|\bexited with|\bkilled\b|\babort|^E[0-9]{4} |^caused by",
    re.IGNORECASE,
)
WARN = re.compile(r"\bwarn(?:ing)?\b|^W[0-9]{4} |\bdeprecated\b|\bretry", re.IGNORECASE)
STACK = re.compile(r"^\s+(?:at |File |\.\.\. |from )|^goroutine |^\tat |^\s+\S+\.(?:go|py|java|js|ts|rb):[0-9]+")

STAMP = re.compile(r"[0-9]{4}[-/][0-9]{2}[-/][0-9]{2}[T ]?[0-9:.,]*(?:Z|[+-][0-9]{2}:?[0-9]{2})?")
IDENTIFIER = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F-]{20,40}|\b(?:0x)?[0-9a-fA-F]*[0-9][0-9a-fA-F]{7,}\b")
NUMBER = re.compile(r"[0-9]+")


def clean(line: str) -> str:
    """One line without escapes and control characters, and no longer than it may be."""
    text = UNPRINTABLE.sub(" ", ESCAPES.sub("", line[: 4 * LINE_CHARACTERS])).rstrip()
    return text if len(text) <= LINE_CHARACTERS else text[: LINE_CHARACTERS - 1] + "…"


def shape(line: str) -> str:
    """What a line says once its times, ids and numbers are left out: two lines of one shape are a repeat."""
    return NUMBER.sub("#", IDENTIFIER.sub("#", STAMP.sub("#", line))).strip()


def weigh(line: str) -> int:
    """How much a line matters by itself: 0 is an ordinary line."""
    text = HARMLESS.sub(" ", line)
    if WORST.search(text):
        return PANIC
    if BAD.search(text):
        return ERROR
    if WARN.search(text):
        return WARNING
    return 0


def weights_of(lines: list[str]) -> list[int]:
    """A weight for every line: its own, raised by standing next to a bad one, or at either end."""
    own = [weigh(line) for line in lines]
    weights = list(own)
    last = len(lines) - 1
    for index, weight in enumerate(own):
        if weight >= ERROR:
            end = index + 2
            while end <= last and end < index + 8 and STACK.search(lines[end]):
                end += 1
            for near in range(max(0, index - 1), min(last, end) + 1):
                weights[near] = max(weights[near], CONTEXT)
    for index in (0, 1, last - 2, last - 1, last):
        if 0 <= index <= last:
            weights[index] = max(weights[index], EDGE)
    return weights


def collapse(lines: list[str], weights: list[int]) -> list[list[int]]:
    """The lines that matter as [weight, index, count], each shape once, at the place of its last appearance."""
    latest: dict[str, list[int]] = {}
    for index, line in enumerate(lines):
        if weights[index] == 0 or not line:
            continue
        key = shape(line)
        seen = latest.pop(key, [0, 0, 0])
        latest[key] = [max(seen[0], weights[index]), index, seen[2] + 1]
    return list(latest.values())


def choose(found: list[list[int]], lines: list[str], room: int) -> list[list[int]]:
    """At most `room` of them, in the order of the log."""
    worst_first = sorted(found, key=lambda item: (-item[0], -item[1]))
    chosen = worst_first[:room]
    bad = [item for item in found if item[0] >= ERROR]
    if bad and room > 1 and bad[0] not in chosen:
        chosen[-1] = bad[0]
    return sorted(chosen, key=lambda item: item[1])


def tell(name: str, item: list[int], lines: list[str]) -> str:
    """`name:line: text`, with the count of a repeat."""
    repeated = f" (x{item[2]})" if item[2] > 1 else ""
    return f"{name}:{item[1] + 1}: {lines[item[1]]}{repeated}"


def digest(logs: dict[str, str], max_lines: int) -> list[str]:
    """The lines that matter of every log; `max_lines` in all, shared fairly, what one log leaves goes to the
    next.
    """
    told: list[str] = []
    waiting = len(logs)
    for name in sorted(logs, key=lambda known: (len(logs[known]), known)):
        lines = [clean(line) for line in logs[name].split("\n")]
        while lines and not lines[-1]:
            lines.pop()
        room = (max_lines - len(told)) // waiting
        waiting -= 1
        if room > 0 and lines:
            found = collapse(lines, weights_of(lines))
            told.extend([tell(name, item, lines) for item in choose(found, lines, room)])
    return told
