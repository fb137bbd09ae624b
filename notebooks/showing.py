"""What the notebooks show things with: tables, the nodes of a run, pictures that are drawn without any network.

Outputs are committed. What differs from one run to the next (ids, the random part of a pod's name, moments) is shown
as three dots, so that two runs of a notebook read the same.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from IPython.display import Image, Markdown
from langchain_core.runnables.graph_png import PngDrawer

_VARIES = (
    (re.compile(r" --store \S+"), ""),
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "..."),
    (re.compile(r"\b([a-z][a-z0-9-]*?)-[0-9a-z]{8,10}-[0-9a-z]{5}(?![0-9a-z])"), r"\1-..."),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)?"), "..."),
)


def plain(value: object) -> str:
    """Text without what varies."""
    text = str(value)
    for pattern, instead in _VARIES:
        text = pattern.sub(instead, text)
    return text


def table(*headings: str, rows: Iterable[Sequence[object]]) -> Markdown:
    """Rows as a table."""
    lines: list[Sequence[object]] = [headings, ["---"] * len(headings), *rows]
    shown = (" | ".join(plain(cell).replace("|", "\\|") for cell in line) for line in lines)
    return Markdown("\n".join(f"| {line} |" for line in shown))


def picture(graph: Any, *, steps: bool = False) -> Image:
    """The graph's nodes and edges; ``steps``: AutoFixer's too. Drawn by Graphviz, which came with pygraphviz."""
    drawn = graph.get_graph(xray=steps)
    labels = {"nodes": {name: name.rpartition(":")[2].strip("_") for name in drawn.nodes}}
    with _without_a_word():
        return Image(PngDrawer(labels=labels).draw(drawn))


@contextmanager
def _without_a_word() -> Iterator[None]:
    """Graphviz looks for fonts, and its library writes what it thinks of a system's font settings to stderr itself."""
    kept = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


async def nodes(graph: Any, given: Any, config: Any) -> AsyncIterator[tuple[str, str]]:
    """Run the graph; every node in the order in which they end, AutoFixer's steps among them, with what it said."""
    inside = {name for name, _ in graph.get_subgraphs()}  # nodes that are graphs themselves: their steps speak for them
    async for space, update in graph.astream(given, config, stream_mode="updates", subgraphs=True, durability="sync"):
        for node, change in update.items():
            if node == "__interrupt__" and not space:
                yield "interrupt", change[0].value["question"]
            elif node != "__interrupt__" and (space or node not in inside):
                yield node, "\n".join(plain(one.content) for one in (change or {}).get("messages", ()))


async def show_run(graph: Any, given: Any, config: Any) -> None:
    """Print a run, node by node."""
    async for node, text in nodes(graph, given, config):
        print(f"{node:<10}", text[:400].replace("\n", "\n" + " " * 11))
