"""The one mark of what was masked: evidence carries it in place of what may be secret, and nothing writes it anywhere.

What is masked was never read, so that it can be neither compared nor put back: two values that look alike behind the
mark may differ, and written to an object it would stand there as a password that nobody has set.
"""

from __future__ import annotations

MASK = "[masked]"


def is_masked(value: object) -> bool:
    """Whether something in a value, at whatever depth, is masked."""
    return MASK in str(value)
