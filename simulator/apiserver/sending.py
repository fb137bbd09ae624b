"""Putting answers on the wire: whole ones, streams, and those that a fault cuts short."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from aiohttp import web

from simulator.apiserver.call import Answer


class Sender:
    """Knows the open streams, to end or to cut them."""

    def __init__(self) -> None:
        self._open: dict[asyncio.Task[Any], web.Request] = {}

    def __len__(self) -> int:
        """How many watches and logs are being sent."""
        return len(self._open)

    def end_streams(self) -> None:
        """Ends all streams in order."""
        for stream in self._open:
            stream.cancel()

    def cut_streams(self) -> int:
        """Cuts the connections of all streams; how many there were."""
        dropped = list(self._open.values())
        for request in dropped:
            _cut(request)
        return len(dropped)

    async def send(self, request: web.Request, answer: Answer, faults: set[str]) -> web.StreamResponse:
        """Answers a request; `faults` are the forms of faults that it meets."""
        if faults & {"cut_before", "cut_after"}:
            _cut(request)
        if answer.chunks is not None:
            chunks = _first_chunk(request, answer.chunks) if "half" in faults else answer.chunks
            return await self._send_stream(request, answer, chunks)
        headers = answer.headers | {"Content-Type": answer.content_type}
        response = web.Response(body=answer.body, status=answer.code, headers=headers)
        return await _send_half(request, response, answer.body) if "half" in faults else response

    async def _send_stream(
        self, request: web.Request, answer: Answer, chunks: AsyncIterator[bytes]
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=answer.code, headers=answer.headers)
        response.content_type = answer.content_type
        response.enable_chunked_encoding()
        task = asyncio.current_task()
        try:
            await response.prepare(request)
            if task is not None:
                self._open[task] = request
            await _stream(response, chunks)
        except (ConnectionError, asyncio.CancelledError):
            pass  # the client has gone, or the server is stopping: the stream simply ends
        finally:
            if task is not None:
                self._open.pop(task, None)
        return response


def _cut(request: web.Request) -> None:
    """Ends the connection without a word."""
    if request.transport is not None:
        request.transport.abort()


async def _send_half(request: web.Request, whole: web.Response, body: bytes) -> web.StreamResponse:
    """The head of an answer and the first half of its body; then the connection ends."""
    response = web.StreamResponse(status=whole.status, headers=whole.headers)
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response


async def _first_chunk(request: web.Request, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Of a stream the first half is its first chunk."""
    async for chunk in chunks:
        yield chunk
        if request.transport is not None:
            request.transport.close()  # what was written still goes out
        return


async def _stream(response: web.StreamResponse, chunks: AsyncIterator[bytes]) -> None:
    async with aclosing(chunks) as open_chunks:  # type: ignore[type-var]  # every iterator here is a generator
        async for chunk in open_chunks:
            await response.write(chunk)
    await response.write_eof()
