"""Kubernetes quantities of bytes (``128Mi``, ``1G``, ``1e6``), as in k8s.io/apimachinery/pkg/api/resource."""

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
    match = _QUANTITY.fullmatch(str(text))
    if match is None or match["suffix"] not in _SUFFIXES:
        raise UnreadableQuantity(f"{str(text)[:40]!r} is not a quantity such as 128Mi")
    try:
        value = (Decimal(match["number"]) * _SUFFIXES[match["suffix"]]).to_integral_value(ROUND_CEILING)
    except DecimalException as error:
        raise UnreadableQuantity(f"{str(text)[:40]!r} is not a quantity such as 128Mi") from error
    if value.adjusted() > _MOST_DIGITS:
        raise UnreadableQuantity(f"{str(text)[:40]!r} is more than any quantity can be")
    return int(value)


def format_bytes(count: int) -> str:
    """Bytes in the canonical form: the largest binary suffix that divides them."""
    for suffix in ("Ei", "Pi", "Ti", "Gi", "Mi", "Ki"):
        unit = int(_SUFFIXES[suffix])
        if count >= unit and count % unit == 0:
            return f"{count // unit}{suffix}"
    return str(count)
