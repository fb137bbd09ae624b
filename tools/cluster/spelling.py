"""JSON Patches in the API server's own spelling, without which it would not find equal what is equal.

The server's library compares a string of a `test` operation with the object's byte by byte, as both are spelled in JSON
(`compact` in evanphx/json-patch v4), and the object was spelled by Go's encoder: `&`, `<`, `>`, U+2028 and U+2029 are
escaped, everything else above ASCII stands as it is. The client's library spells otherwise: a test of a shell line such
as `a && b`, or of a word with an umlaut, would fail on every real server, for ever.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the client's library is only loaded where a cluster is talked to
    from aiohttp import ClientHandlerType, ClientRequest, ClientResponse

JSON_PATCH = "application/json-patch+json"
_ESCAPED = str.maketrans({mark: f"\\u{ord(mark):04x}" for mark in "&<>\u2028\u2029"})


def as_the_server_spells(document: str) -> bytes:
    """The same JSON as Go's encoder would write it. None of the characters occurs outside of strings."""
    plain = json.dumps(json.loads(document), ensure_ascii=False, separators=(",", ":"))
    return plain.translate(_ESCAPED).encode()


async def spelled(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """A step of the HTTP client that does so with the body of every JSON Patch."""
    if request.headers.get("Content-Type") == JSON_PATCH:
        sent = request.body if isinstance(request.body, bytes) else await request.body.as_bytes()
        await request.update_body(as_the_server_spells(sent.decode()))
    return await handler(request)
