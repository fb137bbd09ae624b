"""Refusing to start where another distribution has taken one of our import names.

The packages of this program have plain names, which is safe in an environment of its own and nowhere else. Two
ways to lose a name are looked for: a package that comes from another place, and one that two distributions
have installed over each other in the same place.
"""

from __future__ import annotations

import importlib.util
from importlib.metadata import packages_distributions
from pathlib import Path

DISTRIBUTION = "k8s-auto-fixer"
PACKAGES = (
    "agents",
    "app",
    "cli",
    "evidence",
    "graph",
    "incidents",
    "playbooks",
    "remediation",
    "scraper",
    "server",
    "simulator",
    "tools",
)
_REMEDY = "Install k8s-auto-fixer in an environment of its own (uv tool install, pipx, or a new venv)"


class NameTaken(Exception):
    """Another distribution provides a package of one of our names."""


def check_names() -> None:
    """Raise NameTaken unless every package of ours lies beside this one and is nobody else's."""
    ours = Path(__file__).resolve().parent.parent
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        origin = Path(spec.origin).resolve() if spec is not None and spec.origin else None
        if origin is None or origin.parent.parent != ours:
            where = origin.parent if origin is not None else "nowhere"
            raise NameTaken(f"the package {name!r} comes from {where}, not from {DISTRIBUTION}. {_REMEDY}")
    installed = packages_distributions()
    for name in PACKAGES:
        others = sorted(set(installed.get(name, ())) - {DISTRIBUTION})
        if others:
            raise NameTaken(f"{others[0]} has installed a package {name!r} over that of {DISTRIBUTION}. {_REMEDY}")
