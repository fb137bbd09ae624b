"""What a container said and how it ended, as far as the kubelet and its log tell: the words that a diagnosis quotes.

A log line is written by the program or by whoever talks to it. It is matched by patterns and quoted to a person; what
it asks for is never done.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from incidents.evidence import Evidence
from incidents.health import container_statuses

KILLED = (137, 143)  # by a signal: the kubelet's, the kernel's, or somebody's
_LINES = 30  # from the end: what stands further up is not why it ended
_LONGEST = 2_000  # characters of a line that are looked at: patterns are for lines that a person could read
_QUOTED = 200
_ALARM = re.compile(r"\b(?:panic|fatal|exception|error|traceback)\b|^E\d{4} ", re.IGNORECASE)
_TRACE = re.compile(r"^Traceback \(most recent call last\)")
_SOURCE = re.compile(
    r"(?<![\w./$-])[\w./$-]{1,500}\.(?:go|py|js|ts|java|kt|rb|rs|php|cs|c|cc|cpp)\b[:\", ]+(?:line )?\d+"
)


def lines_of(evidence: Evidence, container: str) -> list[str]:
    """The last lines of a container's log, the run that ended before the one that runs now."""
    return all_lines(evidence, container, _LINES)


def all_lines(evidence: Evidence, container: str, last: int = 0) -> list[str]:
    """The lines of a container's log as far as it was read, the ``last`` of each run (0: all), none too long."""
    excerpts = [one for one in evidence.logs if one.container == container]
    texts = [one.text for one in sorted(excerpts, key=lambda one: not one.previous)]
    return [line[:_LONGEST].strip() for text in texts for line in text.splitlines()[-last:] if line.strip()]


def matching(evidence: Evidence, container: str, pattern: re.Pattern[str]) -> Iterator[tuple[str, re.Match[str]]]:
    """The lines in which a pattern is found, shortened for quoting, each with its match."""
    for line in lines_of(evidence, container):
        if found := pattern.search(line):
            yield line[:_QUOTED], found


def last_end(evidence: Evidence, container: str) -> dict[str, Any]:
    """How the container last ended in a pod of the present template; empty where it never has."""
    for pod in evidence.snapshot.current_pods:
        for status in container_statuses(pod):
            if status.get("name") == container:
                for which in ("lastState", "state"):
                    if end := (status.get(which) or {}).get("terminated"):
                        return dict(end)
    return {}


def told_by_runtime(evidence: Evidence, container: str) -> str:
    """What kubelet and runtime say of a container: its states, how it ended, and the events that speak of its start."""
    states = [found.detail for found in evidence.health.findings if found.container == container]
    if len(evidence.containers) + len(evidence.init_containers) == 1:
        states += [line.message for line in evidence.events if line.reason == "Failed"]
    return "\n".join([*states, str(last_end(evidence, container).get("message") or "")])


def killed_by_probe(evidence: Evidence, container: str) -> bool:
    """Whether the kubelet itself ends the container, because a probe of it fails."""
    words = re.compile(rf"Container {re.escape(container)} failed (?:liveness|startup) probe")
    return any(line.reason == "Killing" and words.search(line.message) for line in evidence.events)


def digest(evidence: Evidence, container: str) -> tuple[str, ...]:
    """The line that says why, and the first place in the source after it: no more of a stack trace is for a reader."""
    lines = lines_of(evidence, container)
    if not lines:
        return ()
    index = next((n for n, line in enumerate(lines) if _ALARM.search(line)), len(lines) - 1)
    if _TRACE.match(lines[index]):  # Python says it last
        index = next(
            (n for n in range(index + 1, len(lines)) if re.match(r"[\w.]+(?:Error|Exception)\b", lines[n])), index
        )
    source = next((line for line in lines[index + 1 :] if _SOURCE.search(line)), None)
    return tuple(line[:_QUOTED] for line in (lines[index], source) if line)
