"""The commands a person is told: each complete, so that it works when it is copied to a shell."""

from __future__ import annotations

import shlex
from pathlib import Path

import msgspec

PROGRAM = "k8s-auto-fixer"


class Commands(msgspec.Struct, frozen=True, kw_only=True):
    """How this program is called from a person's shell.

    ``namespace``: it runs in a pod of a Deployment there, and is reached through kubectl; the operating system's user
    is nobody then, so that whoever decides has to say who they are. ``store``: the file to name, if it is another than
    the default.
    """

    namespace: str = ""
    store: Path | None = None

    def approve(self, request: str) -> str:
        """Approves a request."""
        return self.spoken("approve", request, signed=True)

    def reject(self, request: str) -> str:
        """Rejects a request."""
        return self.spoken("reject", request, "--reason", "TEXT", signed=True)

    def retry(self, incident: str) -> str:
        """Has an incident that was handed over worked on anew."""
        return self.spoken("retry", incident, signed=True)

    def undo(self, change: str, *, despite_kill_switch: bool = False) -> str:
        """Takes a change back."""
        return self.spoken("undo", change, *(["--despite-kill-switch"] if despite_kill_switch else []), signed=True)

    def show(self, incident: str) -> str:
        """Shows an incident."""
        return self.spoken("incidents", incident)

    def spoken(self, *words: str, signed: bool = False) -> str:
        """Any command of the program. ``signed``: somebody decides, and in a pod has to say who."""
        reach = ["kubectl", "exec", "-n", self.namespace, f"deploy/{PROGRAM}", "--"] if self.namespace else []
        store = ["--store", str(self.store)] if self.store is not None else []
        name = ["--as", "NAME"] if signed and self.namespace else []
        return shlex.join([*reach, PROGRAM, *words, *store, *name])
