"""What the numbers were measured on; without it they mean nothing."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any


def describe_machine() -> dict[str, Any]:
    """Processor, cores, memory and versions; nothing that names the machine."""
    return {
        "processor": _field("/proc/cpuinfo", "model name") or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": _memory_gib(),
        "system": platform.system(),
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def _memory_gib() -> int:
    kib = _field("/proc/meminfo", "MemTotal").split(" ")[0]
    return round(int(kib) / 2**20) if kib else 0


def _field(path: str, name: str) -> str:
    """The value of the first line "name: value"; empty where there is no such file or line."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")
