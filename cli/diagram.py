"""``graph``: the supervisor graph as mermaid text, drawn from the compiled graph itself."""

from __future__ import annotations

from typing import Any, cast

from graph.build import Parts, build_graph
from incidents.policy import Policy


class _Absent:
    """Stands where a part would be: drawing asks for nothing but the policy."""

    policy = Policy()

    def __getattr__(self, name: str) -> Any:
        return None


def mermaid() -> str:
    """The diagram; GitHub and every mermaid viewer render it."""
    absent = cast("Any", _Absent())
    parts = Parts(**dict.fromkeys(Parts.__dataclass_fields__, absent))
    return build_graph(parts).get_graph().draw_mermaid()
