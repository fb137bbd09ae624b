"""Passing a request on to the server behind an APIService, and its answer back.

The user goes along in `X-Remote-*` headers, the credentials do not; headers of that name that the client has sent are
dropped (`NewRequestForProxy` of kube-aggregator, Kubernetes v1.36). Large answers are streamed in the pieces in which
they come, so that their size costs no memory. Connections are not upgraded to other protocols.
"""

from collections.abc import Mapping
from typing import Self
from urllib.parse import quote

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

from simulator.apiserver.aggregation_backend import BackendError, Connections, Place, Sent
from simulator.apiserver.authentication import Identity
from simulator.apiserver.call import Answer
from simulator.apiserver.objects import Object
from simulator.apiserver.paths import is_true

_TEXT = "text/plain; charset=utf-8"
_READ_SECONDS = 60.0  # as long as a real server waits for anything but a watch
_LARGEST_WHOLE_BYTES = 256 * 1024
_OF_THE_CONNECTION = frozenset(
    [
        "connection",
        "content-length",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ]
)
_FROM_US_ALONE = ("authorization", "impersonate-", "x-forwarded-", "x-remote-")
_ELSEWHERE = "the backend attempted to redirect this request, which is not permitted"


def unavailable() -> Answer:
    """What is answered while the condition says that the server cannot be used."""
    return Answer(b"service unavailable\n", 503, content_type=_TEXT)


async def pass_on(
    connections: Connections, place: Place, spec: Object, *, request: web.Request, path: str, who: Identity, body: bytes
) -> Answer:
    """The other server's answer, or 503 in its place, or 502 for a redirect."""
    waits = is_true(request.query.get("watch")) or is_true(request.query.get("follow"))
    headers = _headers(request, path, place)
    headers.extend(_user(who))
    sent = Sent(path, request.method, request.query, headers, body, None if waits else _READ_SECONDS)
    try:
        response = await connections.open(place, sent, spec)
    except BackendError as error:
        return Answer(f"error trying to reach service: {error}\n".encode(), 503, content_type=_TEXT)
    if 300 <= response.status < 400 and response.headers.get("Location"):
        response.close()
        return Answer(_ELSEWHERE.encode(), 502, content_type=_TEXT)
    return await _answer(response, whole=request.method == "HEAD")


async def _answer(response: aiohttp.ClientResponse, *, whole: bool) -> Answer:
    kept = {name: text for name, text in response.headers.items() if name.lower() not in _OF_THE_CONNECTION}
    content_type = next((kept.pop(name) for name in list(kept) if name.lower() == "content-type"), "text/plain")
    length = response.content_length
    if not whole and (length is None or length > _LARGEST_WHOLE_BYTES):
        return Answer(code=response.status, content_type=content_type, headers=kept, chunks=_Pieces(response))
    async with response:
        try:
            body = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            said = f"error trying to reach service: {error or 'EOF'}\n"
            return Answer(said.encode(), 503, content_type=_TEXT)
    return Answer(body, response.status, content_type=content_type, headers=kept)


class _Pieces:
    """The body of an answer as it comes. `aclose` lets go of the connection, begun or not."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            piece = await self._response.content.readany()
        except (aiohttp.ClientError, TimeoutError):  # it went away in the middle: what there is ends here
            piece = b""
        if not piece:
            raise StopAsyncIteration
        return piece

    async def aclose(self) -> None:
        self._response.close()


def _headers(request: web.Request, path: str, place: Place) -> CIMultiDict[str]:
    headers: CIMultiDict[str] = CIMultiDict()
    for name, text in request.headers.items():
        lower = name.lower()
        if lower not in _OF_THE_CONNECTION and not lower.startswith(_FROM_US_ALONE):
            headers.add(name, text)
    headers["X-Forwarded-For"] = request.remote or ""
    headers["X-Forwarded-Host"] = place.authority
    headers["X-Forwarded-Proto"] = place.scheme
    headers["X-Forwarded-Uri"] = quote(path)
    return headers


def _user(who: Identity) -> CIMultiDict[str]:
    headers: CIMultiDict[str] = CIMultiDict([("X-Remote-User", who.name)])
    if who.uid:
        headers["X-Remote-Uid"] = who.uid
    for group in who.groups:
        headers.add("X-Remote-Group", group)
    extra = who.shown().get("extra")
    for key, values in extra.items() if isinstance(extra, Mapping) else ():
        for one in values:
            headers.add(f"X-Remote-Extra-{quote(key, safe='').lower()}", one)
    return headers
