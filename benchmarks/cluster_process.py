"""The other process of the embedded cluster's benchmark: the cluster alone, so that what it takes is its own.

Speaks lines of JSON: says how long the start took and where the API is, then answers every line it hears with what it
has used so far; an empty line, or the end of what it hears, ends it.
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path
from typing import Any

import orjson

from simulator import EmbeddedCluster


def main(nodes: int, speed: float) -> None:
    import simulator.cluster  # noqa: F401 - what the start is said to take is the cluster's, not the interpreter's

    started = time.perf_counter()
    with EmbeddedCluster(nodes=nodes, speed=speed) as cluster:
        seconds = time.perf_counter() - started
        say({"start_seconds": seconds, "server": cluster.server, "token": cluster.admin_token})
        for line in sys.stdin:
            if not line.strip():
                break
            say(usage())


def usage() -> dict[str, float]:
    """Seconds of processor time so far, and resident memory now and at its highest."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "resident_mb": _resident_mb(),
        "highest_mb": used.ru_maxrss / 1024,
    }


def _resident_mb() -> float:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


def say(value: Any) -> None:
    """One line to the process that started this one."""
    print(orjson.dumps(value).decode(), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
