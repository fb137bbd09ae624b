"""Kubernetes quantities (``128Mi``, ``1G``, ``1e6``, ``250m``), as in k8s.io/apimachinery/pkg/api/resource."""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal, DecimalException

_SUFFIXES: dict[str, Decimal] = {
    "": Decimal(1),
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate(("k", "M", "G", "T", "P", "E"), 1)},
    **{suffix: Decimal(1024) ** power for power, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)},
}
_MOST_DIGITS = 20  # the API server itself counts no further than 2**63
_QUANTITY = re.compile(r"(?P<number>[+-]?\d+(\.\d*)?([eE][+-]?\d+)?)(?P<suffix>[a-zA-Z]*)")


class UnreadableQuantity(ValueError):
    """Text that is no quantity."""


def parse_bytes(text: object) -> int:
    """A quantity as whole bytes, rounded up as Kubernetes does. Raises UnreadableQuantity."""
    return _whole(text, Decimal(1))


def parse_millis(text: object) -> int:
    """A quantity in thousandths, as CPU is counted, rounded up. Raises UnreadableQuantity."""
    return _whole(text, Decimal(1000))


def _whole(text: object, times: Decimal) -> int:
    match = _QUANTITY.fullmatch(str(text))
    if match is None or match["suffix"] not in _SUFFIXES:
        raise UnreadableQuantity(f"{str(text)[:40]!r} is not a quantity such as 128Mi")
    try:
        value = (Decimal(match["number"]) * _SUFFIXES[match["suffix"]] * times).to_integral_value(ROUND_CEILING)
    except DecimalException as error:
        raise UnreadableQuantity(f"{str(text)[:40]!r} is not a quantity such as 128Mi") from error
    if value.adjusted() > _MOST_DIGITS:
        raise UnreadableQuantity(f"{str(text)[:40]!r} is more than any quantity can be")
    return int(value)


def format_millis(count: int) -> str:
    """Thousandths in the canonical form: ``2``, ``250m``."""
    return str(count // 1000) if count % 1000 == 0 else f"{count}m"


def format_bytes(count: int) -> str:
    """Bytes in the canonical form: the largest binary suffix that divides them."""
    for suffix in ("Ei", "Pi", "Ti", "Gi", "Mi", "Ki"):
        unit = int(_SUFFIXES[suffix])
        if count >= unit and count % unit == 0:
            return f"{count // unit}{suffix}"
    return str(count)
