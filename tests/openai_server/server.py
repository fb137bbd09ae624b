"""The server: takes a request, asks its script or cassette what to say, and says it well or badly."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Self

from aiohttp import web

from tests.openai_server import wire
from tests.openai_server.asked import Asked
from tests.openai_server.cassette import Cassette, Recorder, Taken
from tests.openai_server.saying import Message, message_of
from tests.openai_server.script import Misbehaviour, Policy, Step

_LARGEST_REQUEST = 16 * 1024 * 1024
_REFUSED_FORMS: dict[Misbehaviour, tuple[Callable[[Asked], bool], str]] = {
    Misbehaviour.NO_SCHEMAS: (lambda asked: bool(asked.form), "response_format of type json_schema is not supported"),
    Misbehaviour.NO_TOOLS: (lambda asked: bool(asked.tools), "this model does not support tools"),
    Misbehaviour.NO_TEMPERATURE: (
        lambda asked: asked.body.get("temperature") is not None,
        "Unsupported value: 'temperature' does not support 0 with this model",
    ),
}


class ModelServer:
    """Runs while its block does. `asked` is every request in order, answered or not."""

    def __init__(self, says: Policy | Cassette | Recorder, *, port: int = 0) -> None:
        self.says = says
        self.asked: list[Asked] = []
        self.heard = asyncio.Event()  # set with the first request
        self._port = port
        self._over = asyncio.Event()
        self._runner: web.AppRunner | None = None

    @property
    def base_url(self) -> str:
        """What OPENAI_BASE_URL is set to."""
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def request_bytes(self) -> int:
        """Of all requests together."""
        return sum(asked.bytes for asked in self.asked)

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=_LARGEST_REQUEST)
        for path in ("/v1/chat/completions", "/v1/responses"):
            app.router.add_post(path, self._answer)
        app.router.add_get("/v1/models", self._models)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._over.set()
        assert self._runner is not None
        await self._runner.cleanup()
        if isinstance(self.says, Recorder):
            await self.says.aclose()

    async def _models(self, _: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": "test", "object": "model", "owned_by": "tests"}]})

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        try:
            body = json.loads(raw)
        except ValueError:
            return web.json_response(wire.error("the request is not JSON", "invalid_request_error"), status=400)
        key = request.headers.get("Authorization", "").removeprefix("Bearer ")
        asked = Asked(request.path, body, len(raw), key)
        self.asked.append(asked)
        self.heard.set()
        if isinstance(self.says, Recorder):
            return _played(await self.says.take(asked))
        if isinstance(self.says, Cassette):
            taken = self.says.play(asked)
            return (
                _played(taken) if taken is not None else _nothing_to_say("the cassette has no answer to this request")
            )
        step = self.says(asked)
        if step is None:
            return _nothing_to_say("the script has no answer to this request")
        return await self._play(step, asked, request)

    async def _play(self, step: Step, asked: Asked, request: web.Request) -> web.StreamResponse:
        if (spoilt := self._spoilt(step, asked)) is not None:
            return spoilt
        message = message_of(step, asked)
        match step.misbehave:
            case Misbehaviour.STALL:
                await self._over.wait()
                return _error(503, "the server has ended", "server_error")
            case Misbehaviour.OTHER_FORMAT:
                return web.json_response(wire.other_providers(message, asked))
            case Misbehaviour.HALF_STREAM:
                return await self._half(message, asked, request)
        if asked.stream:
            return await self._streamed(message, asked, request)
        return web.json_response(wire.whole(message, asked, len(self.asked)))

    def _spoilt(self, step: Step, asked: Asked) -> web.Response | None:
        """An answer that is an error from the start."""
        match step.misbehave:
            case Misbehaviour.TOO_MANY_REQUESTS:
                wait = max(step.retry_after, 0.001)  # clients take 0 for none, and wait as they like
                headers = {"Retry-After": f"{wait:g}", "retry-after-ms": f"{wait * 1000:g}"}
                return _error(429, "rate limit reached", "rate_limit_exceeded", headers)
            case Misbehaviour.SERVER_ERROR:
                return _error(500, "the server had an error", "server_error", {"retry-after-ms": "1"})
            case Misbehaviour.BAD_KEY:
                return _error(401, f"Incorrect API key provided: {asked.key}", "invalid_api_key")
            case Misbehaviour.NOT_JSON:
                return web.Response(text="<html><body>Bad gateway</body></html>", content_type="text/html")
        refused = _REFUSED_FORMS.get(step.misbehave) if step.misbehave else None
        if refused is not None and refused[0](asked):
            return _error(400, refused[1], "invalid_request_error")
        return None

    async def _streamed(self, message: Message, asked: Asked, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for piece in wire.pieces(message, asked, len(self.asked)):
            await response.write(piece.encode())
        await response.write_eof()
        return response

    async def _half(self, message: Message, asked: Asked, request: web.Request) -> web.StreamResponse:
        """The first half, and then the connection is gone."""
        if asked.stream:
            data = "".join(wire.pieces(message, asked, len(self.asked))).encode()
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        else:
            data = json.dumps(wire.whole(message, asked, len(self.asked))).encode()
            response = web.StreamResponse(
                headers={"Content-Type": "application/json", "Content-Length": str(len(data))}
            )
        await response.prepare(request)
        await response.write(data[: len(data) // 2])
        if request.transport is not None:
            request.transport.close()
        return response


def _played(taken: Taken) -> web.Response:
    return web.Response(status=taken.status, body=taken.body.encode(), headers={"Content-Type": taken.content_type})


def _nothing_to_say(why: str) -> web.Response:
    return _error(404, why, "script_ended")  # no client repeats a 404


def _error(status: int, text: str, code: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response(wire.error(text, code), status=status, headers=headers)
