"""Tables: what kubectl asks for to print, instead of the objects themselves (meta.k8s.io/v1 Table)."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import orjson

from simulator.apiserver.kinds import Kind
from simulator.apiserver.store import Stored


def wants_table(accept: str) -> bool:
    """Whether the first media type that the client prefers is a v1 Table that we can make."""
    first = accept.split(",", 1)[0].replace(" ", "")
    return "as=Table" in first and "v=v1" in first.split(";") and "g=meta.k8s.io" in first


class TableMaker:
    """Makes tables of one kind; `include` is the client's includeObject: None, Metadata or Object."""

    def __init__(self, kind: Kind, *, include: str, now: datetime) -> None:
        self._kind = kind
        self._include = include or "Metadata"
        self._now = now

    def encode(self, items: Iterable[Stored], meta: dict[str, Any], *, with_columns: bool = True) -> bytes:
        """The whole Table."""
        columns = [one.definition() for one in self._kind.columns] if with_columns else None
        rows = [self._row(one) for one in items]
        head = {
            "kind": "Table",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": meta,
            "columnDefinitions": columns,
        }
        return orjson.dumps(head | {"rows": rows})

    def _row(self, stored: Stored) -> dict[str, Any]:
        cells = [column.cell(stored.body, self._now) for column in self._kind.columns]
        row: dict[str, Any] = {"cells": cells}
        if self._include == "Object":
            row["object"] = orjson.Fragment(stored.whole(self._kind))
        elif self._include == "Metadata":
            row["object"] = {
                "kind": "PartialObjectMetadata",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": stored.body["metadata"],
            }
        return row
