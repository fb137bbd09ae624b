"""Python's garbage collector while an embedded cluster runs.

A cluster keeps a million small objects alive, and by Python's defaults a quarter of its time goes into looking through
all of them again and again for cycles that are hardly ever there. While a cluster runs in a process the collector looks
less often; it is put back as it was when the last one has stopped.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

_PATIENT = (50_000, 20, 50)
"""Allocations before the youngest are looked at, and how many such looks make one at older and at all objects."""
_lock = Lock()
_before: list[tuple[int, int, int]] = []


@contextmanager
def patient_collector() -> Iterator[None]:
    """For as long as a cluster runs; several at once, on threads of their own, count as one."""
    with _lock:
        _before.append(gc.get_threshold() if not _before else _before[0])
        if gc.get_threshold()[0]:  # 0: somebody has switched the collector off, which stays so
            gc.set_threshold(*_PATIENT)
    try:
        yield
    finally:
        with _lock:
            found = _before.pop()
            if not _before:
                gc.set_threshold(*found)
