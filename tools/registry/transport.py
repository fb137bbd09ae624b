"""Reading from a registry: GET only, a bounded body, no cookies, no proxy, no redirect to anybody else.

Redirects are followed while they stay on the same scheme, host and port; a registry that sends its readers elsewhere
has to be configured under that other name. Bodies are asked for without compression, so that the number of bytes read
is the number of bytes there are.
"""

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urljoin, urlsplit

from tools.registry.addresses import LookUp, checked_addresses, checked_resolver, literal_address
from tools.registry.errors import RegistryError
from tools.registry.settings import RegistrySettings
from tools.scrub import scrub

if TYPE_CHECKING:
    import aiohttp

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 3


@dataclass(frozen=True)
class Reply:
    """One answer, read whole."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON. Raises RegistryError."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise RegistryError(f"{urlsplit(self.url).hostname} answered with something that is not JSON") from error


class Transport:
    """An async context manager that owns the connections."""

    def __init__(self, settings: RegistrySettings, look_up: LookUp) -> None:
        self._settings = settings
        self._look_up = look_up
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        import aiohttp

        trust = ssl.create_default_context(cafile=self._settings.ca_file)
        resolver = checked_resolver(self._settings, self._look_up)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False, ssl=trust, limit=8),
            timeout=aiohttp.ClientTimeout(total=self._settings.request_seconds),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers={"Accept-Encoding": "identity", "User-Agent": "k8s-auto-fixer"},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def get(self, url: str, *, token: str | None = None, accept: str = "application/json") -> Reply:
        """GET `url`, whose host the caller has found permitted. Raises RegistryError."""
        headers = {"Accept": accept} | ({"Authorization": f"Bearer {token}"} if token else {})
        for _ in range(_MOST_REDIRECTS + 1):
            reply = await self._once(url, headers)
            if reply.status not in _REDIRECTS:
                return reply
            url = same_origin(url, reply.headers.get("Location", ""))
        raise RegistryError(f"{urlsplit(url).hostname} redirects without end")

    async def _once(self, url: str, headers: Mapping[str, str]) -> Reply:
        import aiohttp

        if self._session is None:
            raise RegistryError("the registry client is not started: enter it with `async with`")
        host, port = host_and_port(url)
        if literal_address(host) is not None:  # aiohttp asks no resolver about a host that is an address already
            await checked_addresses(self._settings, self._look_up, host, port)
        try:
            async with self._session.get(url, headers=headers, allow_redirects=False) as response:
                return Reply(url, response.status, response.headers, await self._body(response, host))
        except TimeoutError as error:
            raise RegistryError(f"{host} did not answer within {self._settings.request_seconds:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            said = scrub(error, secrets=[headers.get("Authorization")], limit=160)
            raise RegistryError(f"{host} is not reachable: {type(error).__name__} {said}") from error

    async def _body(self, response: "aiohttp.ClientResponse", host: str) -> bytes:
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise RegistryError(f"{host} answered in an encoding that was not asked for")
        body = bytearray()
        async for chunk in response.content.iter_chunked(64 << 10):
            body += chunk
            if len(body) > self._settings.most_page_bytes:
                raise RegistryError(f"{host} answered with more than {self._settings.most_page_bytes} bytes")
        return bytes(body)


def host_and_port(url: str) -> tuple[str, int]:
    """Host and port of an http(s) address, the default port written out. Raises RegistryError."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}[parts.scheme]
    except (ValueError, KeyError) as error:
        raise RegistryError("not an http(s) address") from error
    return parts.hostname or "", port


def same_origin(base: str, target: str) -> str:
    """`target` seen from `base`, if it stays on the same scheme, host and port. Raises RegistryError if not."""
    joined = urljoin(base, target)
    before, after = urlsplit(base), urlsplit(joined)
    stays = before.scheme == after.scheme and host_and_port(base) == host_and_port(joined)
    if not target or not stays or after.username or after.password:
        raise RegistryError(f"{before.hostname} sends its readers to another host, which is not followed")
    return joined
