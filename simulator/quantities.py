"""Kubernetes quantities as numbers: memory in bytes, cpu in millicores."""

from decimal import Decimal, InvalidOperation

_FACTORS = {
    "": Decimal(1), "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"),
    "k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9), "T": Decimal(10**12), "P": Decimal(10**15),
    "Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30), "Ti": Decimal(2**40), "Pi": Decimal(2**50),
}  # fmt: skip

MEBIBYTE = 2**20


def parse_quantity(text: str | float) -> Decimal:
    """The number that ``text`` stands for; raises ``ValueError`` when it is no quantity."""
    raw = str(text).strip()
    digits = raw.rstrip("KMGTPinumk")
    suffix = raw[len(digits) :]
    try:
        return Decimal(digits) * _FACTORS[suffix]
    except (InvalidOperation, KeyError):
        raise ValueError(f"{raw!r} is not a quantity; write a number such as 64Mi, 500m or 2") from None


def to_bytes(text: str | float) -> int:
    """Bytes, rounded up."""
    return -int(-parse_quantity(text) // 1)


def to_millicores(text: str | float) -> int:
    """Thousandths of a core, rounded up."""
    return -int(-(parse_quantity(text) * 1000) // 1)
