"""All playbooks there are: the modules of this package that have a ``FAMILY``, and those that other packages offer.

A playbook is one module with four names: ``FAMILY``, ``SYMPTOMS`` (what brings it in), ``SUBJECTS`` (kinds it knows how
to help) and ``consider(evidence, rounds)``. A package that is installed beside this one offers its own under the entry
point group ``k8s_auto_fixer.playbooks``; what cannot be loaded is an error at the start and not in the night.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from types import ModuleType

import msgspec

import playbooks
from incidents.evidence import Evidence
from incidents.incident import Round
from incidents.proposals import Needs, Opinion, Silent
from incidents.symptoms import Symptom

GROUP = "k8s_auto_fixer.playbooks"

Considering = Callable[[Evidence, Sequence[Round]], Silent | Needs | Opinion]


class PlaybookError(ValueError):
    """A playbook that cannot be used; the text names it and what it lacks."""


class Playbook(msgspec.Struct, frozen=True, kw_only=True):
    """One failure family: what it handles, and the function that considers it. ``about`` is its first line."""

    family: str
    about: str
    symptoms: tuple[Symptom, ...]
    subjects: tuple[str, ...]
    consider: Considering


def all_playbooks() -> Mapping[str, Playbook]:
    """Every playbook by its family, in a fixed order. Raises PlaybookError."""
    return _registered()


def offer(playbook: Playbook) -> None:
    """Add a playbook to those of this process, as a notebook does. Raises PlaybookError if its family is taken."""
    if playbook.family in _registered():
        raise PlaybookError(f"there is a playbook {playbook.family!r} already: give yours another family")
    _registered()[playbook.family] = playbook


def withdraw(family: str) -> None:
    """Take back what was offered."""
    del _registered()[family]


@cache
def _registered() -> dict[str, Playbook]:
    found: dict[str, Playbook] = {}
    for module in (*_own(), *_offered()):
        playbook = playbook_of(module)
        if playbook.family in found:
            raise PlaybookError(f"two playbooks are called {playbook.family!r}: rename the one in {module.__name__}")
        found[playbook.family] = playbook
    return found


def playbook_of(module: ModuleType) -> Playbook:
    """A module as a playbook. Raises PlaybookError."""
    missing = [name for name in ("FAMILY", "SYMPTOMS", "SUBJECTS", "consider") if not hasattr(module, name)]
    if missing:
        raise PlaybookError(f"playbook {module.__name__} lacks {', '.join(missing)}")
    return Playbook(
        family=module.FAMILY,
        about=(module.__doc__ or "").strip().partition("\n")[0],
        symptoms=tuple(module.SYMPTOMS),
        subjects=tuple(module.SUBJECTS),
        consider=module.consider,
    )


def _own() -> Iterator[ModuleType]:
    for info in sorted(pkgutil.iter_modules(playbooks.__path__), key=lambda info: info.name):
        module = import_module(f"{playbooks.__name__}.{info.name}")
        if hasattr(module, "FAMILY"):
            yield module


def _offered() -> Iterator[ModuleType]:
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        loaded = point.load()
        if not isinstance(loaded, ModuleType):
            raise PlaybookError(f"entry point {point.name!r} of {GROUP} has to name a module")
        yield loaded
