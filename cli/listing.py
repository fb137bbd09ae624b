"""``playbooks``: every failure family that is known here, what brings it in, and what it knows how to help."""

from __future__ import annotations

import orjson
from rich.console import Console
from rich.table import Table

from playbooks import Playbook, all_playbooks


def show_playbooks(*, as_json: bool) -> None:
    """Print them. Raises PlaybookError for one that cannot be used."""
    known = sorted(all_playbooks().values(), key=lambda one: one.family)
    if as_json:
        print(orjson.dumps([_plain(one) for one in known], option=orjson.OPT_INDENT_2).decode())
        return
    table = Table("FAMILY", "WHAT IT IS ABOUT", "SYMPTOMS", "SUBJECTS", box=None, pad_edge=False)
    for one in known:
        table.add_row(one.family, one.about, "\n".join(one.symptoms), "\n".join(one.subjects))
    Console().print(table)


def _plain(playbook: Playbook) -> dict[str, object]:
    return {
        "family": playbook.family,
        "about": playbook.about,
        "symptoms": playbook.symptoms,
        "subjects": playbook.subjects,
    }
