"""Refusing to start where another distribution has taken one of our import names.

The packages of this program have plain names, which is safe in an environment of its own and nowhere else.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

PACKAGES = (
    "agents",
    "cli",
    "evidence",
    "graph",
    "incidents",
    "playbooks",
    "remediation",
    "scraper",
    "simulator",
    "tools",
)


class NameTaken(Exception):
    """Another distribution provides a package of one of our names."""


def check_names() -> None:
    """Raise NameTaken unless every package of ours lies beside this one."""
    ours = Path(__file__).resolve().parent.parent
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        origin = Path(spec.origin).resolve() if spec is not None and spec.origin else None
        if origin is None or origin.parent.parent != ours:
            where = origin.parent if origin is not None else "nowhere"
            raise NameTaken(
                f"the package {name!r} comes from {where}, not from k8s-auto-fixer: another distribution has taken its"
                " name. Install k8s-auto-fixer in an environment of its own (uv tool install, pipx, or a new venv)"
            )
