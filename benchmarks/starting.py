"""How long ``k8s-auto-fixer --help`` takes beside an interpreter that does nothing."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

RUNS, RUN_SECONDS = 10, 30.0


def measure_starting() -> dict[str, Any]:
    """Milliseconds of both, as the median of interleaved runs, and their ratio."""
    help_command = [str(Path(sys.executable).with_name("k8s-auto-fixer")), "--help"]
    nothing = [sys.executable, "-c", "pass"]
    for command in (help_command, nothing):
        _milliseconds(command)  # the first run compiles and warms the disk
    pairs = [(_milliseconds(help_command), _milliseconds(nothing)) for _ in range(RUNS)]
    shown, bare = median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)
    return {
        "runs": RUNS,
        "help_ms": round(shown, 1),
        "python_pass_ms": round(bare, 1),
        "ratio": round(shown / bare, 1),
    }


def _milliseconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=RUN_SECONDS)  # noqa: S603 - our own
    return (time.perf_counter() - started) * 1000
