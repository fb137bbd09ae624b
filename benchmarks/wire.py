"""A relay on the wire between the program and the API server: it notes when bytes pass, counts them and changes none.

This is how a reaction is timed from outside, with nothing of the program wrapped or told: an event counts from the
moment its last byte has been handed to the program's connection, a patch from the moment its first byte has come back.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import orjson

CHUNK_BYTES = 256 * 1024
Note = Callable[[bytes, float], Awaitable[None]]
_PATCH = re.compile(rb"PATCH \S*/deployments/(?P<name>[^?/ ]+)\??(?P<query>\S*) ")
_REQUEST = re.compile(rb"[A-Z]+ /\S* HTTP/1")
_WATCH = re.compile(rb"GET \S*/events\?\S*watch=true")


class Relay:
    """Notes the first Warning event about each Deployment's pods and the first patch of it that is no dry run."""

    def __init__(self, host: str, port: int, *, tls: ssl.SSLContext | None = None) -> None:
        self._upstream = (host, port)
        self._tls = tls  # towards the server; the program speaks to the relay without
        self._owners: dict[str, str] = {}
        self.events: dict[str, float] = {}
        self.patches: dict[str, float] = {}
        self.patched = asyncio.Condition()
        self.requests = 0
        self.bytes = 0  # both ways
        self._watching: set[asyncio.StreamWriter] = set()

    def expect(self, name: str) -> None:
        """From now on events about pods of this Deployment are noted; earlier ones are about something else."""
        self._owners[name] = f"{name}-"
        self.events.pop(name, None)
        self.patches.pop(name, None)

    async def until_patched(self, name: str) -> None:
        """Wait for the patch of a Deployment."""
        async with self.patched:
            await self.patched.wait_for(lambda: name in self.patches)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[int]:
        """Relays while the block runs; yields the port on loopback."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        async with server:
            yield server.sockets[0].getsockname()[1]

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(*self._upstream, ssl=self._tls)
        connection = _Connection(self, writer)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_pass_on(reader, there_writer, before=connection.asked, after=_nothing))
                group.create_task(_pass_on(there_reader, writer, before=_nothing, after=connection.answered))
        except* (ConnectionError, ssl.SSLError):
            pass  # one side has hung up: so does the other
        finally:
            self._watching.discard(writer)
            writer.close()
            there_writer.close()

    def watched_by(self, writer: asyncio.StreamWriter) -> None:
        """A connection carries a watch from now on."""
        self._watching.add(writer)

    def drop_watches(self) -> int:
        """Cut every watch; how many there were."""
        dropped = list(self._watching)
        self._watching.clear()
        for writer in dropped:
            writer.transport.abort()
        return len(dropped)

    async def note_patch(self, name: str, moment: float) -> None:
        """A patch has begun to arrive."""
        async with self.patched:
            self.patches.setdefault(name, moment)
            self.patched.notify_all()

    def note_event(self, line: bytes, moment: float) -> None:
        """A whole line of the watch has been passed on."""
        frame = orjson.loads(line[line.index(b"{") :])
        pod = frame["object"].get("involvedObject", {}).get("name", "")
        for name, beginning in self._owners.items():
            if pod.startswith(beginning):
                self.events.setdefault(name, moment)


class _Connection:
    """One connection's two directions: whether it carries the watch is known from what was asked on it."""

    def __init__(self, relay: Relay, program: asyncio.StreamWriter) -> None:
        self._relay = relay
        self._program = program
        self._watches = False
        self._rest = b""

    async def asked(self, chunk: bytes, moment: float) -> None:
        self._relay.bytes += len(chunk)
        if _REQUEST.match(chunk):
            self._relay.requests += 1
            if b"watch=true" in chunk.split(b" ", 2)[1]:
                self._relay.watched_by(self._program)
        self._watches = self._watches or bool(_WATCH.match(chunk))
        found = _PATCH.match(chunk)
        if found and b"dryRun" not in found["query"]:
            await self._relay.note_patch(found["name"].decode(), moment)

    async def answered(self, chunk: bytes, moment: float) -> None:
        self._relay.bytes += len(chunk)
        if not self._watches:
            return
        *whole, self._rest = (self._rest + chunk).split(b"\n")
        for line in whole:
            if b'"involvedObject"' in line:
                self._relay.note_event(line, moment)


async def _nothing(chunk: bytes, moment: float) -> None:
    """Nothing is noted on this side of the passing on."""


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, before: Note, after: Note) -> None:
    while chunk := await reader.read(CHUNK_BYTES):
        await before(chunk, time.monotonic())
        writer.write(chunk)
        await writer.drain()
        await after(chunk, time.monotonic())
    writer.close()
