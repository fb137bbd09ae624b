"""Who speaks, and to which store: what every command shares by which a person decides something."""

from __future__ import annotations

import asyncio
import getpass
import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import typer

from agents.commands import Commands
from app.claim import other_holder
from app.place import in_pod
from app.settings import Settings
from app.version import USER_AGENT
from cli.failures import Exit, fail
from cli.store_file import existing_store, no_store
from tools.clock import Clock
from tools.cluster.errors import ClusterError
from tools.cluster.own_objects import OwnObjects
from tools.cluster.transport import connect
from tools.scrub import plain_text
from tools.store import Store

LOOK_SECONDS = 5.0  # real seconds for finding out who else works on the cluster; nothing depends on it but a hint
NAME_CHARACTERS = 100


T = TypeVar("T")


def who(given: str | None) -> str:
    """Who decides: the operating system's user; in a pod, where that is nobody, the name that was given."""
    name = " ".join((given or "").split())[:NAME_CHARACTERS]
    if in_pod():
        if not name:
            raise fail("in a pod nobody can tell who you are: add --as YOUR-NAME", Exit.USAGE)
        return name
    return f"{name} ({_user()})" if name and name != _user() else _user()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no variable says so and the uid is not in the password file
        return f"uid {os.getuid()}"


@asynccontextmanager
async def decided_in(settings: Settings, *words: str) -> AsyncIterator[Store]:
    """The store of the settings. ``words`` are the command, to be told where another store is the one in charge.

    Raises StoreError; where there is no such file, one line says so.
    """
    if not settings.store.exists():
        raise no_store(settings.store, await elsewhere(settings, None, *words))
    async with existing_store(settings.store) as store:
        yield store


async def the_one(
    found: Sequence[tuple[str, T]], text: str, *, kind: str, store: Store, settings: Settings, words: Sequence[str]
) -> T:
    """The one whose id is ``text`` or begins with it; otherwise one clear line ends the command."""
    exact = [item for id_, item in found if id_ == text]
    begun = exact or [item for id_, item in found if text and id_.startswith(text)]
    if len(begun) == 1:
        return begun[0]
    if begun:
        raise fail(f"{len(begun)} {kind}s of {store.path} begin with {text!r}; write more of it", Exit.UNKNOWN_NAME)
    message = f"the store {store.path} has no {kind} {text!r}"
    raise fail(message + await elsewhere(settings, store, *words), Exit.UNKNOWN_NAME)


async def elsewhere(settings: Settings, store: Store | None, *words: str) -> str:
    """Where the command would work, if another store's daemon holds this cluster's Lease; empty if nobody is known."""
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            holder = await _holder(settings, store)
    except (ClusterError, TimeoutError):
        return ""
    if holder is None:
        return ""
    command = Commands(namespace=settings.lease_namespace).spoken(*words, signed=True)
    return f"; {holder[:80]} works on this cluster with a store of its own, where this may work: {command}"


async def _holder(settings: Settings, store: Store | None) -> str | None:
    transport = await connect(
        user_agent=USER_AGENT,
        kubeconfig=settings.kubeconfig,
        context=settings.context,
        in_cluster=settings.in_cluster,
    )
    try:
        own = f"{socket.gethostname()}/{(await store.identity())[:8] if store is not None else ''}"
        return await other_holder(
            OwnObjects(transport), namespace=settings.lease_namespace, identity=own, clock=Clock()
        )
    finally:
        await transport.aclose()


def say(text: str) -> None:
    """Words to whoever has typed the command; those of strangers among them do nothing to the terminal."""
    typer.echo(plain_text(text, keep="\n"))
