"""kubectl as a client of a side."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .client import Api

_SECONDS = 60.0


@dataclass(frozen=True)
class Kubectl:
    """One kubectl, in the namespace of the check."""

    api: Api
    binary: Path

    def __call__(self, *arguments: str, stdin: object = None, code: int | None = 0) -> str:
        """What it printed, errors after the rest; `code` is the exit code it has to end with (None: any)."""
        where = self.api.kubectl_flags()
        done = subprocess.run(
            [str(self.binary), *where, *arguments],
            input="" if stdin is None else json.dumps(stdin),
            env={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self.binary.parent), "LANG": "C.UTF-8"},
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )
        assert code is None or done.returncode == code, f"{done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr
