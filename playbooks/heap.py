"""How much heap a program was told to take: flags of the JVM, of Node.js and of Go, wherever a container gives them.

Sources: the java command's ``-Xmx`` (bytes, or with k, m, g), Node's ``--max-old-space-size`` (MiB), Go's
``GOMEMLIMIT`` (runtime/debug.SetMemoryLimit: B, KiB, MiB, GiB). A heap is not all that a program takes: stacks, code,
buffers and the runtime itself come on top of it, about a third. A JVM does not start with a heap that is to begin
larger than it may become (``-Xms``, ``-XX:InitialHeapSize``, ``-XX:MinHeapSize``): what begins larger is lowered with
it, whichever field says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from incidents.masking import is_masked
from incidents.objects import Manifest
from incidents.proposals import SetField

MEBIBYTE = 1024**2
_SHARE = (3, 4)  # of what a container may take: the heap
_JAVA = re.compile(r"(?P<before>(?<!\S)-Xmx|(?<=[\"'=])-Xmx)(?P<number>\d{1,12})(?P<unit>[kKmMgG]?)(?=[\s\"']|$)")
_BEGINS = re.compile(
    r"(?P<before>(?:(?<!\S)|(?<=[\"'=]))(?:-Xms|-XX:(?:Initial|Min)HeapSize=))"
    r"(?P<number>\d{1,12})(?P<unit>[kKmMgG]?)(?=[\s\"']|$)"
)
_NODE = re.compile(r"(?P<before>--max[-_]old[-_]space[-_]size[= ])(?P<number>\d{1,7})(?P<unit>)(?=[\s\"']|$)")
_GO = re.compile(r"(?P<before>^)(?P<number>\d{1,15})(?P<unit>B|KiB|MiB|GiB)?$")
_UNITS = {"": 1, "B": 1, "k": 1024, "kib": 1024, "m": MEBIBYTE, "mib": MEBIBYTE, "g": 1024**3, "gib": 1024**3}
_LONGEST = 4_000
_JVM = "m"  # how the JVM writes MiB


class HeapFlag(msgspec.Struct, frozen=True, kw_only=True):
    """One flag: the field that holds it, that field's text, and how many bytes it allows."""

    path: str
    text: str
    size: int
    start: int
    end: int
    unit: str

    @property
    def needs(self) -> int:
        """What a container with such a heap takes, in bytes, rounded up to whole MiB."""
        return -(-self.size * _SHARE[1] // _SHARE[0] // MEBIBYTE) * MEBIBYTE

    def within(self, limit: int) -> str:
        """The text with a heap that leaves room in a container of so many bytes."""
        return f"{self.text[: self.start]}{_room(limit)}{self.unit}{self.text[self.end :]}"

    def __str__(self) -> str:
        return self.text[max(0, self.start - 30) : self.end]


def heap_flags(container: Manifest, at: str) -> list[HeapFlag]:
    """Every heap flag of a container, in its variables, command and arguments; ``at``: the container's path."""
    return [flag for path, name, text in _texts(container, at) for flag in _in_text(path, name, text)]


def lowered(container: Manifest, at: str, *, flag: HeapFlag, limit: int) -> tuple[SetField, ...]:
    """The edits by which the flag's heap leaves room in so many bytes, and none begins larger than that.

    Empty where a text that would have to change is not known whole: its place is masked.
    """
    edits = []
    for path, _, text in _texts(container, at):
        present = flag.within(limit) if path == flag.path else text
        fitting = _begins_within(present, _room(limit)) if flag.unit == _JVM else present
        if fitting != text:
            edits.append(SetField(path=path, expected=text, value=fitting))
    return () if any(is_masked(edit.expected) for edit in edits) else tuple(edits)


def _room(limit: int) -> int:
    """The heap, in MiB, that a container of so many bytes has room for."""
    return limit * _SHARE[0] // _SHARE[1] // MEBIBYTE


def _begins_within(text: str, mebibytes: int) -> str:
    def fitted(match: re.Match[str]) -> str:
        size = int(match["number"]) * _UNITS[match["unit"].lower()]
        return f"{match['before']}{mebibytes}{_JVM}" if size > mebibytes * MEBIBYTE else match[0]

    return _BEGINS.sub(fitted, text)


def _texts(container: Manifest, at: str) -> Iterator[tuple[str, str, str]]:
    for variable in container.get("env") or ():
        if isinstance(value := variable.get("value"), str):
            yield f"{at}/env[{variable.get('name')}]/value", str(variable.get("name")), value[:_LONGEST]
    for field in ("command", "args"):
        for index, word in enumerate(container.get(field) or ()):
            if isinstance(word, str) and len(word) <= _LONGEST:
                yield f"{at}/{field}/{index}", "", word


def _in_text(path: str, name: str, text: str) -> Iterator[HeapFlag]:
    for pattern, unit in ((_JAVA, _JVM), (_NODE, ""), (_GO, "MiB")):
        if (pattern is _GO) is not (name == "GOMEMLIMIT"):
            continue
        for match in pattern.finditer(text):
            factor = MEBIBYTE if pattern is _NODE else _UNITS[(match["unit"] or "").lower()]
            size = int(match["number"]) * factor
            if size:
                start, end = match.start("number"), match.end()
                yield HeapFlag(path=path, text=text, size=size, start=start, end=end, unit=unit)
