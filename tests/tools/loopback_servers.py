"""Servers on loopback that speak the protocols of Tavily, Slack and OpenAI, and of an OCI registry.

Each records every request and answers well by default. `script(...)` puts answers in a queue that are given first, one
a request. What they do not do: Tavily's extract and crawl, Slack's Web API and Socket Mode, OpenAI's streaming and
responses API, a registry's manifests and blobs.
"""

import asyncio
import json
import ssl
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web


@dataclass(frozen=True)
class Recorded:
    """One request as it came in."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True)
class Scripted:
    """One answer to give instead of the usual one."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    silent: bool = False
    """Never answer."""


class LoopbackServer:
    """An HTTP server on 127.0.0.1; subclasses say what the usual answer is."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Recorded] = []
        self._scripted: deque[Scripted] = deque()
        self._tls = tls
        self._runner: web.ServerRunner | None = None
        self._silence = asyncio.Event()
        self.port = 0

    @property
    def origin(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def script(self, *answers: Scripted) -> None:
        self._scripted.extend(answers)

    async def __aenter__(self) -> Self:
        self._runner = web.ServerRunner(web.Server(self._handle, access_log=None), shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._tls)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._silence.set()
        assert self._runner is not None
        await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        raw = await request.read()
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            body = raw
        recorded = Recorded(request.method, request.path, dict(request.query), request.headers.copy(), body)
        self.requests.append(recorded)
        answer = self._scripted.popleft() if self._scripted else self.usual(recorded)
        if answer.silent:
            await self._silence.wait()
        if isinstance(answer.body, bytes):
            return web.Response(status=answer.status, body=answer.body, headers=answer.headers)
        if isinstance(answer.body, str):
            return web.Response(status=answer.status, text=answer.body, headers=answer.headers)
        return web.json_response(answer.body, status=answer.status, headers=answer.headers)

    def usual(self, request: Recorded) -> Scripted:
        raise AssertionError(f"no answer for {request}")


class TavilyServer(LoopbackServer):
    """`POST /search`."""

    results: list[dict[str, Any]]

    def __init__(self) -> None:
        super().__init__()
        self.results = [
            {"title": "Fix it", "url": "https://example.com/fix", "content": "Correct the tag.", "score": 0.9}
        ]

    def usual(self, request: Recorded) -> Scripted:
        if (request.method, request.path) != ("POST", "/search"):
            return Scripted(404, {"detail": {"error": "no such path"}})
        return Scripted(200, {"query": request.body["query"], "results": self.results, "response_time": 0.1})


class SlackServer(LoopbackServer):
    """An incoming webhook at `webhook_url`."""

    PATH = "/services/T00000000/B00000000/verysecretpart"

    @property
    def webhook_url(self) -> str:
        return self.origin + self.PATH

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [request.body for request in self.requests]

    def usual(self, request: Recorded) -> Scripted:
        return Scripted(200, "ok") if request.path == self.PATH else Scripted(404, "no_service")


class OpenAIServer(LoopbackServer):
    """`POST /v1/chat/completions`, not streamed. `answers` makes the object a model would give for a request."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: Callable[[dict[str, Any]], Any] = lambda _: {}
        self.finish_reason = "stop"
        self.refusal: str | None = None

    @property
    def base_url(self) -> str:
        return self.origin + "/v1"

    def usual(self, request: Recorded) -> Scripted:
        if request.path != "/v1/chat/completions":
            return Scripted(404, {"error": {"message": "no such path", "type": "invalid_request_error"}})
        answer = self.answers(request.body)
        text = answer if isinstance(answer, str) else json.dumps(answer)
        choice = {"index": 0, "finish_reason": self.finish_reason, "message": self._message(request.body, text)}
        return Scripted(
            200,
            {
                "id": f"chatcmpl-{len(self.requests)}",
                "object": "chat.completion",
                "created": 0,
                "model": request.body["model"],
                "choices": [choice],
                "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
            },
        )

    def _message(self, asked: dict[str, Any], text: str) -> dict[str, Any]:
        if self.refusal is not None:
            return {"role": "assistant", "content": None, "refusal": self.refusal}
        if not asked.get("tools"):
            return {"role": "assistant", "content": text}
        function = {"name": asked["tools"][0]["function"]["name"], "arguments": text}
        call = {"id": "call_1", "type": "function", "function": function}
        return {"role": "assistant", "content": None, "tool_calls": [call]}


class RegistryServer(LoopbackServer):
    """`GET /v2/NAME/tags/list` with n/last pages, and `/token`; `wants_token` turns the 401 on."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls=tls)
        self.tags: dict[str, list[str]] = {"library/nginx": ["1.25", "1.26", "1.27", "1.28", "latest"]}
        self.page = 1_000
        self.wants_token = False
        self.realm: str | None = None

    def usual(self, request: Recorded) -> Scripted:
        if request.path == "/token":
            return Scripted(200, {"token": "anonymous.token"})
        if self.wants_token and request.headers.get("Authorization") != "Bearer anonymous.token":
            realm = self.realm or f"{self.origin}/token"
            challenge = f'Bearer realm="{realm}",service="fake registry",scope="repository:x:pull"'
            return Scripted(401, {"errors": [{"code": "UNAUTHORIZED"}]}, {"WWW-Authenticate": challenge})
        name = request.path.removeprefix("/v2/").removesuffix("/tags/list")
        if name not in self.tags:
            return Scripted(404, {"errors": [{"code": "NAME_UNKNOWN"}]})
        return self._page(name, request.query.get("last"))

    def _page(self, name: str, last: str | None) -> Scripted:
        every = self.tags[name]
        start = every.index(last) + 1 if last else 0
        page = every[start : start + self.page]
        more = start + self.page < len(every)
        link = {"Link": f'</v2/{name}/tags/list?n={self.page}&last={page[-1]}>; rel="next"'} if more else {}
        return Scripted(200, {"name": name, "tags": page}, link)
