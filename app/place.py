"""Where the program runs, as far as people who talk to it have to know: in a pod or in a user's own session."""

from __future__ import annotations

import os
from pathlib import Path

from agents.commands import Commands
from app.settings import Settings, default_store

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io")


def in_pod() -> bool:
    """Whether this is a pod: its user is nobody, so whoever decides something has to say who they are."""
    return bool(os.environ.get("KUBERNETES_SERVICE_HOST")) or _SERVICE_ACCOUNT.exists()


def commands_of(settings: Settings) -> Commands:
    """The commands that reach this program and its store from a person's shell."""
    store = settings.store.absolute() if settings.store != default_store() else None  # in whatever folder the shell is
    return Commands(namespace=settings.lease_namespace if in_pod() else "", store=store)
