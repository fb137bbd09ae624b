"""Writing a timeline: what happens again and again, as to an incident that is deferred for weeks, is one entry.

An entry is the same as an earlier one if nothing but numbers differs: moments, counts of restarts. It then stands where
it first stood, with the latest words, how often it came and when last. Only steps that change nothing are put
together, and never across one that does: what was observed before a change and after it is told twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from incidents.codec import encode
from incidents.objects import IncidentId
from tools.store.database import Rows

UNEVENTFUL = frozenset({"observed", "guarded", "parked", "AutoFixer", "Researcher", "Coder"})
ROUND = 8  # entries in which one that is said again is looked for: more than one run writes

_LAST = "SELECT sequence, step, detail FROM timeline WHERE incident = ? ORDER BY sequence DESC LIMIT ?"
_NEW = "INSERT INTO timeline (incident, at, step, detail) VALUES (?, ?, ?, ?)"
_AGAIN = "UPDATE timeline SET count = count + 1, last_at = ?, detail = ? WHERE sequence = ?"
_NUMBER = re.compile(r"\d+")


def write_entry(rows: Rows, incident: IncidentId, at: datetime, step: str, detail: Mapping[str, object]) -> None:
    """Add one entry, or count it in the one that says the same."""
    text = encode(detail)
    same = _same(rows, incident, step, text) if step in UNEVENTFUL else None
    if same is None:
        rows.run(_NEW, (incident, at.isoformat(), step, text))
    else:
        rows.run(_AGAIN, (at.isoformat(), text, same))


def _same(rows: Rows, incident: IncidentId, step: str, text: str) -> int | None:
    wanted = _NUMBER.sub("0", text)
    for sequence, before, detail in rows.rows(_LAST, (incident, ROUND)):
        if before not in UNEVENTFUL:
            return None
        if before == step and _NUMBER.sub("0", str(detail)) == wanted:
            return int(str(sequence))
    return None
