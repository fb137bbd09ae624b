"""Every way to fail that a user can do something about: one clear line and an exit code of its own.

0 it went well; 2 wrong usage; 3 a bad setting; 4 the kubeconfig cannot be used; 5 the API server cannot be
reached; 6 it refuses; 7 the store cannot be used; 8 the demo did not end as expected; 9 not repaired; 10 the
environment is not the program's own; 11 nothing of that name; 12 another store has taken over the cluster; 13 the
cluster may not be broken; 14 an embedded cluster did not start, or failed; 15 the port for health and metrics is taken;
16 the audit trail is not what was written; 17 there is nothing to decide (any more); 18 a change is not undone; 19 a
replay decides otherwise than was recorded; 20 a case file cannot be used.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

import typer

from tools.scrub import plain_text

_DOCTOR = "see `k8s-auto-fixer doctor`"
_REACH = "see that it runs and that this is the right cluster, or name another with --kubeconfig FILE or --context NAME"


class Exit(IntEnum):
    """Exit codes."""

    OK = 0
    USAGE = 2
    SETTING = 3
    KUBECONFIG = 4
    UNREACHABLE = 5
    REFUSED = 6
    STORE = 7
    UNEXPECTED_OUTCOME = 8
    NOT_REPAIRED = 9
    NAME_TAKEN = 10
    UNKNOWN_NAME = 11
    LEASE_LOST = 12
    NOT_A_SANDBOX = 13
    CLUSTER_FAILED = 14
    CANNOT_LISTEN = 15
    AUDIT_BROKEN = 16
    NOTHING_TO_DECIDE = 17
    NOT_UNDONE = 18
    DECIDED_OTHERWISE = 19
    BAD_CASE = 20


def fail(message: str, code: Exit) -> typer.Exit:
    """Print one line to stderr, whatever strangers' words are in it; raise what this answers."""
    typer.secho(f"k8s-auto-fixer: {plain_text(message)}", err=True, fg=typer.colors.RED)
    return typer.Exit(int(code))


@contextmanager
def clear_failures() -> Iterator[None]:
    """Turn the errors a user can act on into one line and an exit code; all others go on."""
    try:
        yield
    except BaseExceptionGroup as group:  # the daemon's tasks fail together: the first known error speaks for all
        known = next(filter(None, map(_told, _leaves(group))), None)
        if known is None:
            raise
        raise fail(*known) from None
    except Exception as error:
        known = _told(error)
        if known is None:
            raise
        raise fail(*known) from None


def _told(error: BaseException) -> tuple[str, Exit] | None:
    """What to say about an error, if it is one that a user can do something about."""
    from app.claim import ClaimLost
    from app.settings import SettingsError
    from server.health import CannotListen
    from tools.cluster.errors import ClusterError, Forbidden, Misconfigured, Unauthorized, Unreachable
    from tools.store import StoreError

    match error:
        case SettingsError():
            return f"bad setting: {error}", Exit.SETTING
        case Misconfigured():
            return str(error), Exit.KUBECONFIG
        case Unauthorized():
            return f"the API server does not accept the credentials: {error}; {_DOCTOR}", Exit.REFUSED
        case Forbidden():
            return f"the API server refuses: {error}; {_DOCTOR}", Exit.REFUSED
        case Unreachable():
            return f"{error}; {_REACH}", Exit.UNREACHABLE
        case ClusterError():
            return str(error), Exit.UNREACHABLE
        case CannotListen():
            return str(error), Exit.CANNOT_LISTEN
        case ClaimLost():
            return f"{error}; nothing more is changed from here", Exit.LEASE_LOST
        case StoreError():
            return str(error), Exit.STORE
    return None


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
