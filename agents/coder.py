"""Coder: runs Python in the sandbox. Its default job is to digest long logs into the lines that matter."""

from __future__ import annotations

import structlog

from agents.standing import Standing, Turn
from incidents.evidence import Evidence
from tools.sandbox.contract import Sandbox, SandboxError
from tools.sandbox.digest import digest_logs

LINES = 25

log = structlog.get_logger(__name__)


class Coder:
    """Works on what was read; it has no way to read more."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def work(self, standing: Standing, evidence: Evidence | None) -> Turn:
        """The lines of the logs that matter."""
        logs = {
            f"{item.container}{' (previous)' if item.previous else ''}": item.text
            for item in (evidence.logs if evidence is not None else ())
        }
        try:
            lines = await digest_logs(self._sandbox, logs, max_lines=LINES)
        except SandboxError as error:
            log.warning("coder.failed", incident=standing.incident.id, error=str(error))
            return Turn(text=f"The logs could not be digested: {error}")
        return Turn(text="\n".join(lines) if lines else "The logs are empty.")
