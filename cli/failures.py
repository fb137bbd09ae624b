"""Every way to fail that a user can do something about: one clear line and an exit code of its own.

0 it went well; 2 wrong usage; 3 a bad setting; 4 the kubeconfig cannot be used; 5 the API server cannot be
reached; 6 it refuses; 7 the store cannot be used; 8 the demo did not end as expected; 9 not repaired; 10 the
environment is not the program's own; 11 nothing of that name; 12 another store has taken over the cluster; 13 the
cluster may not be broken; 14 an embedded cluster did not start, or failed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

import typer


class Exit(IntEnum):
    """Exit codes."""

    OK = 0
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


def fail(message: str, code: Exit) -> typer.Exit:
    """Print one line to stderr; raise what this answers."""
    typer.secho(f"k8s-auto-fixer: {message}", err=True, fg=typer.colors.RED)
    return typer.Exit(int(code))


@contextmanager
def clear_failures() -> Iterator[None]:
    """Turn the errors a user can act on into one line and an exit code."""
    from app.claim import ClaimLost
    from app.settings import SettingsError
    from tools.cluster.errors import ClusterError, Forbidden, Misconfigured, Unauthorized
    from tools.store.sqlite import StoreError

    try:
        yield
    except SettingsError as error:
        raise fail(f"bad setting: {error}", Exit.SETTING) from None
    except Misconfigured as error:
        raise fail(str(error), Exit.KUBECONFIG) from None
    except (Forbidden, Unauthorized) as error:
        what = "does not accept the credentials" if isinstance(error, Unauthorized) else "refuses"
        raise fail(f"the API server {what}: {error}; see `k8s-auto-fixer doctor`", Exit.REFUSED) from None
    except ClusterError as error:
        raise fail(str(error), Exit.UNREACHABLE) from None
    except ClaimLost as error:
        raise fail(f"{error}; nothing more is changed from here", Exit.LEASE_LOST) from None
    except StoreError as error:
        raise fail(str(error), Exit.STORE) from None
    except BaseExceptionGroup as group:
        raise _first_of(group) from None


def _first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The daemon's tasks fail together; the first known error among them speaks for all."""
    for error in group.exceptions:
        nested = _first_of(error) if isinstance(error, BaseExceptionGroup) else error
        try:
            with clear_failures():
                raise nested
        except typer.Exit as known:
            return known
        except BaseException:  # noqa: BLE001, S112 - only known errors are looked for; the group is raised else
            continue
    return group
