"""What may become of a write that does not simply succeed, and how long one may still be on its way."""

from __future__ import annotations

from datetime import datetime

import structlog

from incidents.changes import CHANGE_ANNOTATION, Change
from incidents.objects import Manifest
from incidents.pointers import value_at
from tools.clock import Clock
from tools.cluster.errors import ClusterError, Unreachable
from tools.cluster.writer import LANDING_SECONDS

REQUEST_TIMEOUT = 408  # the one refusal after which nobody knows

log = structlog.get_logger(__name__)


class NotApplied(Exception):
    """The change did not reach the object, and why. Nothing has been changed."""


class PutBack(NotApplied):
    """The object was deleted and could not be made as it was meant to be: what was there has been created again."""


class FateUnknown(Unreachable):
    """It cannot be found out now whether the change landed; it is looked up before anything else is done."""


def is_refusal(error: ClusterError) -> bool:
    """Whether the API server has said no, as against not having answered: what it refuses does not land later."""
    return 400 <= error.code < 500 and error.code != REQUEST_TIMEOUT


def still_on_its_way(sent_at: datetime | None, now: datetime) -> float:
    """Real seconds for which a request sent then may still land. A clock that was set back does not make them more."""
    if sent_at is None:
        return LANDING_SECONDS
    return min(LANDING_SECONDS, LANDING_SECONDS - (now - sent_at).total_seconds())


async def outlasted(change: Change, sent_at: datetime | None, clock: Clock) -> bool:
    """Wait until what was sent then for the change has landed or never will; whether there was anything to wait for."""
    wait = still_on_its_way(sent_at, clock.now())
    if wait <= 0:
        return False
    log.info("change.awaited", incident=change.incident, change=change.id, seconds=round(wait, 1))
    await clock.sleep(wait * clock.speed)  # the API server's time, which nothing speeds up
    return True


def carries(live: Manifest | None, change: Change) -> bool:
    """Whether an object names the change that made it what it is."""
    return live is not None and bool(value_at(live, ("metadata", "annotations", CHANGE_ANNOTATION)) == change.id)
