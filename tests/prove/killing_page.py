"""What came of killing the daemon, as a part of the proof's page. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from .killing import Killed, Killing, killings

_HEADINGS = ("incident", "killed", "embedded: as promised", "real: as promised", "seconds embedded / real")
_INTRODUCTION = (
    "The daemon is ended by SIGKILL at the first, the second, … request that it sends (before it reaches the API",
    "server, or after it was carried out) and at each commit of its store (before, after), in an incident of its own",
    "each time, and started again. As promised: the incident is not lost, no change is made twice, none is left",
    "half-done or without its inverse, by the API server's log, the store and the cluster (`tests/kill`). On the real",
    "cluster, where seconds pass at their own pace, one incident is killed at every place. Where it says that the disk",
    "is full, the store refuses five commits in a row from that one on, and nobody kills or restarts anything.",
)


def places_of(killed: Sequence[Killed]) -> dict[str, int]:
    """At how many places the daemon was killed on which cluster, and at how many of them all ended as promised."""
    return {
        "embedded": sum(item.places for item in killed if item.killing.side == "embedded"),
        "real": sum(item.places for item in killed if item.killing.side == "real"),
        "as_promised": sum(item.as_promised for item in killed),
        "failed": sum(bool(item.failures) for item in killed),
        "not_run": len(set(killings()) - {item.killing for item in killed}),
    }


def killing_page(killed: Sequence[Killed], places: Mapping[str, int]) -> list[str]:
    """The lines; none where nothing was killed."""
    if not killed:
        return []
    known = {item.killing: item for item in killed}
    rows = [_cells(known, killing) for killing in killings(("embedded",))]
    faults = [f"- {item.killing.side}: {item.killing}: {one}" for item in killed for one in item.failures]
    return [
        *("", "## Killed at every place", "", *_INTRODUCTION, ""),
        f"**{places['as_promised']} of {places['embedded'] + places['real']} places end as promised**:",
        f"{places['embedded']} on the embedded cluster, {places['real']} on the real one;",
        f"{places['not_run']} kinds of places not run.",
        *("", f"| {' | '.join(_HEADINGS)} |", f"|{'|'.join('---' for _ in _HEADINGS)}|"),
        *(f"| {' | '.join(row)} |" for row in rows),
        *(["", "### What did not end as promised", "", *faults] if faults else []),
    ]


def _cells(known: Mapping[Killing, Killed], killing: Killing) -> tuple[str, ...]:
    ends = [known.get(killing), known.get(msgspec.structs.replace(killing, side="real"))]
    shown = ["" if item is None else f"{item.as_promised} of {item.places}" for item in ends]
    seconds = " / ".join("-" if item is None else f"{item.seconds:.0f}" for item in ends)
    return (killing.story, killing.where, *shown, seconds)
