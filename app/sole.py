"""One daemon a store: a second one says so and waits, and takes over when the first has ended, however it has.

Claimed before anything is recovered: what looks half-done in the store may be what the first one is doing. Whoever
has the claim knows that no other daemon lives on this store, so that leases in a daemon's name are those of a dead
one. Of commands such as ``fix`` it knows only those of this machine.
"""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog

from tools.clock import Clock
from tools.store import Store

WAITING = "waits for the other worker: another process works on this store, and this one takes over when that ends"
LOOK_SECONDS = 1.0  # real seconds between two tries to take over
_DAEMON, _COMMAND = "run", "command"

log = structlog.get_logger(__name__)


def holder_name(*, daemon: bool) -> str:
    """The name on this process's leases: what it is, its machine, its number, and a word that is nobody else's."""
    role = _DAEMON if daemon else _COMMAND
    return f"{role}/{socket.gethostname()}/{os.getpid()}/{uuid.uuid4().hex[:8]}"


@asynccontextmanager
async def sole_worker(store: Store, clock: Clock, *, waits: Callable[[str], None] | None = None) -> AsyncIterator[None]:
    """Be the one daemon of a store while the block runs; waits as long as another process is. Raises StoreError.

    ``waits`` is told what for, if it has to.
    """
    told = False
    while True:
        async with store.sole_worker() as alone:
            if alone:
                freed = await store.release_leases_of([one for one in await store.lease_holders() if _is_dead(one)])
                if told or freed:
                    log.info("store.taken_over", store=str(store.path), leases=freed)
                yield
                return
        if not told:
            log.warning("store.in_use", store=str(store.path), hint="another daemon works on it; waiting until it ends")
            told = True
            if waits is not None:
                waits(WAITING)
        await clock.sleep(LOOK_SECONDS * clock.speed)


async def free_the_dead(store: Store) -> int:
    """Free the leases of processes that ran on this machine and do no more; how many. Raises StoreError.

    For whoever has no claim: of a daemon elsewhere it is not known whether it lives.
    """
    return await store.release_leases_of([one for one in await store.lease_holders() if _has_died_here(one)])


def _is_dead(holder: str) -> bool:
    return holder.partition("/")[0] == _DAEMON or _has_died_here(holder)


def _has_died_here(holder: str) -> bool:
    role, machine, number, *_ = (*holder.split("/"), "", "")
    ours = role in (_DAEMON, _COMMAND) and machine == socket.gethostname()
    return ours and number.isdigit() and not _runs(int(number))


def _runs(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True  # somebody else's by now, or no number of ours: its lease runs out by itself
    return True
