"""One process at work on stores, for the tests of two: ``python -m tests.store.worker NAME``.

Each piece of work is two lines on its input: the file to open, which it answers with ``ready``, and the task to do
there, which it answers with what came of it as JSON. So several processes can be made to begin together.
"""

import asyncio
import itertools
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from incidents.objects import IncidentId
from tests.builders import change, signal, subject
from tests.store.values import decision_on
from tools.store import Store
from tools.store.sqlite import open_store

ROUNDS = 20


async def leases(store: Store, name: str) -> object:
    """Try for one lease after the other; which of them were got."""
    return [number for number in range(ROUNDS) if await store.acquire_lease(f"uid/{number}", name, seconds=600)]


async def decide(store: Store, name: str) -> object:
    """Answer every request; which answers were taken."""
    asked = await store.requests()
    return [item.id for item in asked if await store.decide(decision_on(item, id_=f"{name}-{item.id}", by=name))]


async def use(store: Store, name: str) -> object:
    """Use every approval; which of them served."""
    used = []
    for asked in await store.requests():
        made = change(f"{name}-{asked.id}", incident=asked.incident)
        if await store.use_approval(IncidentId(asked.incident), asked.digest, made):
            used.append(asked.id)
    return used


async def count(store: Store, name: str) -> object:
    """Count events of one subject."""
    for number in range(ROUNDS):
        incident, _ = await store.open_or_join(subject(), signal(f"{name}-{number}"))
    return incident.id


async def hold(store: Store, name: str) -> object:
    """Be the one daemon, holding a lease, until the process is ended."""
    async with store.sole_worker() as alone:
        print(json.dumps([alone, await store.acquire_lease("uid/1", name, seconds=600)]), flush=True)
        return await asyncio.to_thread(sys.stdin.readline)


async def churn(store: Store, name: str) -> object:
    """Prepare changes until the process is ended, naming each once it is on disk."""
    incident, _ = await store.open_or_join(subject(), signal())
    for number in itertools.count():
        made = change(f"{name}-{number}", incident=incident.id)
        await store.save_change(made)
        print(made.id, flush=True)
    return None


TASKS = {task.__name__: task for task in (leases, decide, use, count, hold, churn)}


async def main(name: str) -> None:
    while file := sys.stdin.readline().strip():
        async with open_store(Path(file), now=lambda: datetime.now(UTC)) as store:
            print("ready", flush=True)
            print(json.dumps(await TASKS[sys.stdin.readline().strip()](store, name)), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
