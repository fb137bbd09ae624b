"""Resource quantities: reading, rounding, and the canonical form the API server stores.

Canonical means, as in k8s.io/apimachinery `resource.Quantity`: the suffix family of the input is kept
(binary, decimal or exponent), no fraction, and the largest suffix that leaves a whole number: "0.5"
becomes "500m", "1024Mi" becomes "1Gi".
"""

import re
from fractions import Fraction
from functools import lru_cache

_FORM = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))([numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?")
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_NANO, _MILLI = Fraction(1, 10**9), Fraction(1, 1000)
_REMEMBERED = 4096
"""A cluster says few different quantities, and says them for every pod."""

MEBIBYTE = 2**20


class QuantityError(ValueError):
    """The text is not a quantity; the message is the API server's."""

    def __init__(self) -> None:
        pattern = "^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"
        super().__init__(f"quantities must match the regular expression '{pattern}'")


def parse(text: str | int | float) -> Fraction:
    """The exact value. Raises QuantityError."""
    return _split(str(text))[0]


def to_bytes(text: str | int | float) -> int:
    """Bytes, rounded up. Raises QuantityError."""
    return _whole(str(text), 1)


def to_millicores(text: str | int | float) -> int:
    """Thousandths of a core, rounded up. Raises QuantityError."""
    return _whole(str(text), 1000)


def canonical(text: str | int | float) -> str:
    """The form that the API server stores and returns. Raises QuantityError."""
    return _canonical(str(text), _NANO)


def in_list(text: str | int | float) -> str:
    """The form in which a quantity is stored in a list of resources: of nothing there are finer parts than thousandths,
    which are rounded up. Raises QuantityError.
    """
    return _canonical(str(text), _MILLI)


@lru_cache(maxsize=_REMEMBERED)
def _whole(text: str, times: int) -> int:
    return -int(-(_split(text)[0] * times) // 1)


@lru_cache(maxsize=_REMEMBERED)
def _canonical(text: str, finest: Fraction) -> str:
    value, suffix = _split(text)
    value = Fraction(-((-value) // finest)) * finest
    if value == 0:
        return "0"
    if suffix.endswith("i") and value.denominator == 1 and abs(value) >= 1024:
        return _binary(int(value))
    if suffix[:1] in ("e", "E") and len(suffix) > 1:
        return _exponent(value)
    return _decimal(value)


@lru_cache(maxsize=_REMEMBERED)
def _split(text: str) -> tuple[Fraction, str]:
    match = _FORM.fullmatch(text)
    if match is None:
        raise QuantityError
    number, suffix = Fraction(match[1]), match[2] or ""
    if suffix.endswith("i"):
        return number * 1024 ** _BINARY.index(suffix), suffix
    power = _DECIMAL[suffix] if suffix in _DECIMAL else int(suffix[1:])
    return number * Fraction(10) ** power, suffix


def _binary(value: int) -> str:
    step = 0
    while value % 1024 == 0 and step + 1 < len(_BINARY):
        value //= 1024
        step += 1
    return f"{value}{_BINARY[step]}"


def _decimal(value: Fraction) -> str:
    for suffix, power in sorted(_DECIMAL.items(), key=lambda pair: -pair[1]):
        scaled = value / Fraction(10) ** power
        if scaled.denominator == 1:
            return f"{scaled}{suffix}"
    raise QuantityError  # unreachable: every value was rounded to whole nanos


def _exponent(value: Fraction) -> str:
    for power in range(18, -10, -3):
        scaled = value / Fraction(10) ** power
        if scaled.denominator == 1:
            return f"{scaled}e{power}" if power else f"{scaled}"
    raise QuantityError  # unreachable: every value was rounded to whole nanos
