"""A server behind an APIService, for tests: says what it was asked, over TLS or without."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

GROUP_VERSION_PARTS = 4


@dataclass(frozen=True)
class Asked:
    """One request that reached the backend."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        """Every value of a header, in order."""
        return [value for key, value in self.headers if key.lower() == name.lower()]


@dataclass
class Backend:
    """Where it listens, and what it was asked by users; requests of the aggregation layer itself are not kept."""

    port: int
    asked: list[Asked] = field(default_factory=list)


@contextmanager
def running_backend(context: ssl.SSLContext | None = None) -> Iterator[Backend]:
    """Listens on a free port of loopback; with a TLS context it speaks https.

    A group version is answered with the resource `things`, `.../redirect` with a redirect, `.../teapot` with 418,
    `.../big` with two megabytes in chunks, all else with a Thing.
    """

    class Handler(_Handler):
        seen: ClassVar[list[Asked]] = []
        stopped: ClassVar[threading.Event] = threading.Event()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="backend", daemon=True)
    thread.start()
    try:
        yield Backend(server.server_address[1], Handler.seen)
    finally:
        Handler.stopped.set()
        server.shutdown()
        server.server_close()
        thread.join(5)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 5.0
    seen: ClassVar[list[Asked]]
    stopped: ClassVar[threading.Event]

    def do_GET(self) -> None:
        if self.stopped.is_set():  # a connection that was kept open outlives the listening socket
            self.close_connection = True
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked = Asked(self.command, self.path, self.headers.items(), body)
        if not (asked.all("X-Remote-User") or [""])[0].startswith(("system:kube-aggregator", "system:aggregator")):
            self.seen.append(asked)
        self._answer(self.path.partition("?")[0])

    do_POST = do_GET  # noqa: N815 - as the base class looks for it

    def _answer(self, path: str) -> None:
        parts = path.split("/")
        if path.endswith("/big"):
            self._send_chunks()
        elif path.endswith("/redirect"):
            self._send(302, {}, Location=path.removesuffix("/redirect"))
        elif path.endswith("/teapot"):
            self._send(418, {"kind": "Teapot"})
        elif path.startswith("/apis/") and len(parts) == GROUP_VERSION_PARTS:
            self._send(200, _resources("/".join(parts[2:])))
        elif path in ("/apis", "/openapi/v2", "/openapi/v3"):
            self._send(404, {})
        else:
            self._send(200, {"kind": "Thing", "apiVersion": "/".join(parts[2:4])})

    def _send(self, code: int, body: Any, **headers: str) -> None:
        raw = json.dumps(body).encode()
        self.send_response(code)
        for name, value in {"Content-Type": "application/json", "X-Echo": "yes", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def _send_chunks(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for _ in range(32):
            self.wfile.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the base class calls it
        """Says nothing."""


def _resources(group_version: str) -> Any:
    thing = {"namespaced": True, "kind": "Thing"}
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version,
        "resources": [
            thing | {"name": "things", "singularName": "thing", "verbs": ["get", "list"], "shortNames": ["th"]},
            thing | {"name": "things/status", "singularName": "", "verbs": ["get"]},
        ],
    }
