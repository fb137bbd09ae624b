"""The hooks by which one kind differs from another; the counterpart of `RESTCreateStrategy` and its
siblings.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from simulator.apiserver.field_errors import FieldError
from simulator.apiserver.objects import Object


def _leave(obj: Object) -> None:
    """Changes nothing."""


def _leave_update(new: Object, old: Object) -> None:
    """Changes nothing."""


def _accept(obj: Object) -> Iterable[FieldError]:
    return ()


def _accept_update(new: Object, old: Object) -> Iterable[FieldError]:
    return ()


def _unwarned(obj: Object) -> Iterable[str]:
    return ()


def no_generation(obj: Object) -> None:
    """What counts for `generation` in a kind that has none."""


def spec_generation(obj: Object) -> Any:
    """Generation counts changes of the spec."""
    return obj.get("spec")


@dataclass(frozen=True)
class Strategy:
    """Hooks of one kind. `default`, `create` and `update` work in place on an object that nobody else holds.

    `default` fills what clients leave out (before every validation), `create` sets what a new object starts with,
    `update` restores what an update may not touch. `validate` judges every version of an object, `validate_new` what a
    new one alone may not have, `validate_update` what may not change; `warnings` tells of what is stored all the same.
    `generation` returns the part whose changes bump
    `metadata.generation` (None: the kind has no generation).
    """

    default: Callable[[Object], None] = _leave
    create: Callable[[Object], None] = _leave
    update: Callable[[Object, Object], None] = _leave_update
    update_status: Callable[[Object, Object], None] = _leave_update
    validate: Callable[[Object], Iterable[FieldError]] = _accept
    validate_new: Callable[[Object], Iterable[FieldError]] = _accept
    validate_update: Callable[[Object, Object], Iterable[FieldError]] = _accept_update
    warnings: Callable[[Object], Iterable[str]] = _unwarned
    generation: Callable[[Object], Any] = no_generation
