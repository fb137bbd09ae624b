"""Kinds that need little more than storage: what nearly all strategies of the real server do.

A new object starts with an empty status, a status write keeps the rest (that is in `resources`), and where the
kind counts generations, changes of everything but metadata and status do.
"""

from typing import Any

from simulator.apiserver.objects import Object
from simulator.apiserver.schema import struct_of, zero
from simulator.apiserver.strategies.strategy import Strategy, spec_generation


def drop_status(obj: Object) -> None:
    """A new object has no status of the client's making; the kind's empty one stands in its place."""
    obj.pop("status", None)
    group, _, version = str(obj["apiVersion"]).rpartition("/")
    facts = struct_of(group, version, str(obj["kind"]))
    status = facts.fields.get("status") if facts else None
    if status is not None and status.presence == "kept":
        obj["status"] = zero(status)


def content_generation(obj: Object) -> Any:
    """Generation counts changes of all but metadata and status, for kinds without a spec."""
    return {key: value for key, value in obj.items() if key not in ("metadata", "status")}


STATUS = Strategy(create=drop_status)
COUNTED = Strategy(generation=content_generation)
COUNTED_STATUS = Strategy(create=drop_status, generation=spec_generation)
