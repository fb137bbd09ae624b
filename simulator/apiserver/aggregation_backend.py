"""Where the server behind an APIService is, and one request to it, with errors in Go's words.

Follows `spec.service` as the service resolver of kube-aggregator does: an ExternalName service leads to its name at the
APIService's own port, everything else to its cluster IP. Only loopback can be reached from here, so that cluster IPs
and other hosts lead nowhere. A real API server always speaks TLS; here a service whose port says `appProtocol: http` is
spoken to without. Bodies are passed on as they are, still compressed; redirects are not followed.
"""

import asyncio
import ssl
from base64 import b64decode
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from multidict import CIMultiDict, MultiMapping
from yarl import URL

from simulator.apiserver.objects import Object, at, items_at

_CONNECT_SECONDS = 5.0
_LOOPBACK = {"localhost": "127.0.0.1", "127.0.0.1": "127.0.0.1", "::1": "::1"}
_CONNECTIONS_PER_HOST = 64
_OWN_HEADERS = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")  # those that the client would add by itself


class BackendError(Exception):
    """The server behind an APIService did not answer; the message is that of a Go client."""


@dataclass(frozen=True)
class Place:
    """Where a server is. `server_name` is what its certificate has to be made out to."""

    host: str
    port: int
    server_name: str
    scheme: str = "https"

    @property
    def authority(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}"


@dataclass(frozen=True)
class Sent:
    """A request to pass on. `read_seconds` bounds every wait for the answer's next bytes; None waits forever."""

    path: str
    method: str = "GET"
    query: MultiMapping[str] = field(default_factory=CIMultiDict)
    headers: CIMultiDict[str] = field(default_factory=CIMultiDict)
    body: bytes = b""
    read_seconds: float | None = None


def place_of(service: Object, reference: Object) -> Place:
    """Where `reference` (an APIService's `spec.service`) leads to by way of the Service that it names."""
    port = int(reference["port"])
    name = f"{reference['name']}.{reference['namespace']}.svc"
    external = at(service, "spec.type") == "ExternalName"
    host = str(at(service, "spec.externalName" if external else "spec.clusterIP") or "")
    plain = any(one.get("port") == port and one.get("appProtocol") == "http" for one in items_at(service, "spec.ports"))
    return Place(host, port, name, "http" if plain else "https")


class Connections:
    """Keeps connections to other servers open; `close` ends them. To be used on one event loop."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._contexts: dict[str, ssl.SSLContext] = {}

    async def open(self, place: Place, sent: Sent, spec: Object) -> aiohttp.ClientResponse:
        """The head of the answer; the caller closes it. `spec` is the APIService's. Raises BackendError."""
        dialled = _LOOPBACK.get(place.host)
        if dialled is None:
            raise BackendError(f"dial tcp {place.authority}: connect: no route to host")
        url = URL.build(scheme=place.scheme, host=dialled, port=place.port, path=sent.path, query=sent.query)
        sent.headers["Host"] = place.authority
        secure = place.scheme == "https"
        try:
            return await self._client().request(
                sent.method,
                url,
                headers=sent.headers,
                data=sent.body or None,
                allow_redirects=False,
                skip_auto_headers=_OWN_HEADERS,
                ssl=self._trust(spec) if secure else False,
                server_hostname=place.server_name if secure else None,
                timeout=aiohttp.ClientTimeout(sock_connect=_CONNECT_SECONDS, sock_read=sent.read_seconds),
            )
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:  # ValueError: an unusable CA bundle
            raise BackendError(go_words(error, place)) from error

    def _trust(self, spec: Object) -> ssl.SSLContext | bool:
        """What to check of a certificate: nothing, or that the bundle's authorities (else the system's) signed it."""
        if spec.get("insecureSkipTLSVerify"):
            return False
        bundle = str(spec.get("caBundle") or "")
        if bundle not in self._contexts:
            data = b64decode(bundle).decode("ascii") if bundle else None
            self._contexts[bundle] = ssl.create_default_context(cadata=data)
        return self._contexts[bundle]

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, limit_per_host=_CONNECTIONS_PER_HOST)
            timeout = aiohttp.ClientTimeout(sock_connect=_CONNECT_SECONDS)
            self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False)
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


def go_words(error: BaseException, place: Place) -> str:
    """What a Go client says of a failed request."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        reason = getattr(error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error, "reason", "")
        return f"tls: failed to verify certificate: x509: {_certificate_words(error) or reason or 'unusable'}"
    if isinstance(error, aiohttp.ClientConnectorError):
        why = "connection refused" if isinstance(error.os_error, ConnectionRefusedError) else str(error.os_error)
        return f"dial tcp {_LOOPBACK.get(place.host, place.host)}:{place.port}: connect: {why}"
    if isinstance(error, TimeoutError | asyncio.TimeoutError):
        return "context deadline exceeded"
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError | ConnectionError):
        return "EOF"
    return str(error) or type(error).__name__


def _certificate_words(error: Any) -> str:
    """The reason for which a certificate was refused, as far as it is known."""
    found: Any = getattr(error, "certificate_error", None) or getattr(error, "os_error", None)
    return str(getattr(found, "verify_message", "") or "")
