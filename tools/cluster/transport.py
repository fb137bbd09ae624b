"""One connection to one API server: credentials and TLS by the official client, bodies as raw JSON.

Only ``ApiClient.call_api`` and the configuration loaders of ``kubernetes.aio`` are used: touching one of its
API classes loads every model, and typed models drop fields they do not know.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from ssl import SSLError
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import orjson
import stamina
import structlog

from tools.cluster.errors import (
    Busy,
    ClusterError,
    Misconfigured,
    ServerFailed,
    Unauthorized,
    Unreachable,
    error_from,
)
from tools.cluster.kubeconfig import REMEDY, default_paths, look_through
from tools.cluster.spelling import spelled
from tools.telemetry import Telemetry

if TYPE_CHECKING:
    from kubernetes.aio.client.api_client import ApiClient
    from kubernetes.aio.client.configuration import Configuration

REQUEST_SECONDS = 20.0
READ_ATTEMPTS = 4
NO_ANSWER = "none"  # in place of a status code, in what is counted
RENEW_SECONDS = 10.0  # between two readings of the credentials
RETIRED_KEPT = 2  # older clients whose streams may still be open
_ERRNO = re.compile(r"\[Errno (\d+)\]")
Query = Mapping[str, str | int]
Reopen = Callable[[], Awaitable["ApiClient"]]

log = structlog.get_logger(__name__)


class Transport:
    """Sends requests to one API server. Nothing but the interfaces of this package is built on it.

    ``reopen`` makes a client from the credentials as they are now; None where they cannot have changed.
    """

    def __init__(
        self,
        client: ApiClient,
        *,
        user_agent: str,
        reopen: Reopen | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._client = client
        self._user_agent = user_agent
        self._reopen = reopen
        self._telemetry = telemetry or Telemetry()
        self._retired: list[ApiClient] = []  # answers may still come through them
        self._renewing = asyncio.Lock()
        self._renewed_at = -RENEW_SECONDS

    @property
    def server(self) -> str:
        """The API server's address."""
        return str(self._client.configuration.host)

    @property
    def _address(self) -> str:
        return urlsplit(self.server).netloc.rpartition("@")[2]

    @property
    def user_agent(self) -> str:
        """What requests call themselves."""
        return self._user_agent

    async def aclose(self) -> None:
        """Close the connections."""
        for client in (self._client, *self._retired):
            await client.close()

    async def renew(self) -> bool:
        """Read the credentials again from where they came; whether they have changed.

        Asked too often, the answer is no: a server that refuses everything is no reason to read a file in a circle.
        """
        moment = asyncio.get_running_loop().time
        async with self._renewing:
            if self._reopen is None or moment() - self._renewed_at < RENEW_SECONDS:
                return False
            self._renewed_at = moment()
            try:
                fresh = await self._reopen()
            except Misconfigured as error:
                log.warning("credentials.unread", error=str(error))
                return False
            if _same(fresh, self._client):
                await fresh.close()
                return False
            self._retired.append(self._client)
            self._client = fresh
            while len(self._retired) > RETIRED_KEPT:
                await self._retired.pop(0).close()
            log.info("credentials.renewed", server=self._address)
            return True

    async def read(self, path: str, query: Query | None = None) -> bytes:
        """GET a path; repeated with back-off when the server is busy or away. Raises ClusterError."""
        async for attempt in stamina.retry_context(on=_worth_repeating, attempts=READ_ATTEMPTS, wait_max=5.0):
            with attempt:
                return await self.send("GET", path, query=query)
        raise Unreachable("the API server did not answer")  # stamina re-raises the last error before this

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Any = None,
        content_type: str = "application/json",
        user_agent: str | None = None,
    ) -> bytes:
        """One request and its whole answer. Raises ClusterError for anything but a success.

        A request that was refused for its credentials was not looked at: it is sent again with new ones, if there are.
        """
        named = {"Content-Type": content_type, "User-Agent": user_agent or self._user_agent}
        used = self._client
        try:
            return await self._send(method, path, query, headers=dict(named), body=body)
        except Unauthorized:
            await self.renew()
            if self._client is used:  # else another request has renewed them, if not this one
                raise
        return await self._send(method, path, query, headers=dict(named), body=body)

    async def _send(self, method: str, path: str, query: Query | None, *, headers: dict[str, str], body: Any) -> bytes:
        timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
        async with self._respond(method, path, query, headers=headers, body=body, timeout=timeout) as response:
            return await response.read()

    @asynccontextmanager
    async def stream(self, path: str, query: Query, *, silence_seconds: float) -> AsyncIterator[AsyncIterator[bytes]]:
        """A GET whose answer is read as it comes; ``silence_seconds`` without a byte is an error."""
        headers = {"User-Agent": self._user_agent}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=REQUEST_SECONDS, sock_read=silence_seconds)
        async with self._respond("GET", path, query, headers=headers, timeout=timeout) as response:
            yield response.content.iter_any()

    @asynccontextmanager
    async def _respond(
        self,
        method: str,
        path: str,
        query: Query | None,
        *,
        headers: dict[str, str],
        timeout: aiohttp.ClientTimeout,
        body: Any = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        url = self.server + path + ("?" + urlencode({k: str(v) for k, v in query.items()}) if query else "")
        await self._client.update_params_for_auth(headers, [], ["BearerToken"], path, method, None)
        try:
            answer = await self._client.call_api(
                method, url, header_params=headers, body=body, _request_timeout=timeout
            )
            response: aiohttp.ClientResponse = answer.response
            self._telemetry.api_requests.labels(method, str(response.status)).inc()
            async with response:
                if response.status >= 400:
                    raise error_from(response.status, await response.read(), response.headers.get("Retry-After"))
                yield response
        except TimeoutError as error:
            self._telemetry.api_requests.labels(method, NO_ANSWER).inc()
            raise Unreachable(f"the API server at {self._address} did not answer in time") from error
        except aiohttp.ClientError as error:
            self._telemetry.api_requests.labels(method, NO_ANSWER).inc()
            raise Unreachable(f"the API server at {self._address} cannot be reached: {_cause(error)}") from error


def _same(one: ApiClient, other: ApiClient) -> bool:
    fields = ("host", "api_key", "username", "password", "cert_file", "key_file", "ssl_ca_cert", "verify_ssl")
    return all(getattr(one.configuration, field) == getattr(other.configuration, field) for field in fields)


def _worth_repeating(error: Exception) -> bool | float:
    if isinstance(error, Busy):
        return min(error.retry_after_seconds, 30.0)
    return isinstance(error, Unreachable | ServerFailed)


async def connect(
    *,
    user_agent: str,
    kubeconfig: Path | Mapping[str, Any] | None = None,
    context: str | None = None,
    in_cluster: bool = False,
    telemetry: Telemetry | None = None,
) -> Transport:
    """Open a transport from a kubeconfig (file or content) or from the pod's own service account.

    Raises Misconfigured, naming the file and the remedy.
    """
    source = _Source(kubeconfig=kubeconfig, context=context, in_cluster=in_cluster)
    reopen = None if isinstance(kubeconfig, Mapping) and not in_cluster else source.open
    return Transport(await source.open(), user_agent=user_agent, reopen=reopen, telemetry=telemetry)


@dataclass(frozen=True, kw_only=True)
class _Source:
    """Where the credentials come from."""

    kubeconfig: Path | Mapping[str, Any] | None
    context: str | None
    in_cluster: bool

    async def open(self) -> ApiClient:
        """A client with the credentials as they are now. Raises Misconfigured."""
        import yaml
        from kubernetes.aio import config as loaders  # 0.4 s that `--help` does not need
        from kubernetes.aio.client.api_client import ApiClient
        from kubernetes.aio.client.configuration import Configuration

        # What it tells of is the error that follows.
        logging.getLogger("kubernetes.aio.config").setLevel(logging.CRITICAL)
        configuration = Configuration()
        configuration.retries = None  # repeated here, where Retry-After and the kind of request are known
        configuration.connection_pool_maxsize = 32
        # aiohttp would look for a proxy and read ~/.netrc anew, in other threads, before each request.
        configuration.client_session_kwargs = {"trust_env": False, "middlewares": (spelled,)}
        given = None if self.in_cluster else self._given()
        where = "the pod's service account" if given is None else given if isinstance(given, str) else "the kubeconfig"
        try:
            if given is None:
                loaders.load_incluster_config(client_configuration=configuration)
            else:
                plugin = look_through(given, self.context)
                await self._load(loaders, given, configuration)
                if plugin and not (configuration.api_key or configuration.cert_file):
                    raise Misconfigured(f"{where}: exec.command: {plugin!r} has given no credentials; try it by hand")
            configuration.proxy = configuration.proxy or _proxy_for(str(configuration.host))
            return ApiClient(configuration)
        except SSLError as error:
            raise Misconfigured(
                f"{where}: a certificate or its key in it cannot be used: {_first_line(error)}; {REMEDY}"
            ) from error
        except (loaders.ConfigException, yaml.YAMLError, OSError, KeyError, TypeError, ValueError) as error:
            raise Misconfigured(f"{where} cannot be used: {_first_line(error)}; {REMEDY}") from error

    def _given(self) -> str | Mapping[str, Any]:
        return self.kubeconfig if isinstance(self.kubeconfig, Mapping) else str(self.kubeconfig or default_paths())

    async def _load(self, loaders: Any, given: str | Mapping[str, Any], configuration: Configuration) -> None:
        if isinstance(given, str):
            await loaders.load_kube_config(given, self.context, configuration, False)
            return
        await loaders.load_kube_config_from_dict(dict(given), context=self.context, client_configuration=configuration)


def _proxy_for(server: str) -> str | None:
    """The proxy that the environment names for an address; the kubeconfig's ``proxy-url`` goes before it."""
    address = urlsplit(server)
    return None if proxy_bypass(address.hostname or "") else getproxies().get(address.scheme)


def _cause(error: aiohttp.ClientError) -> str:
    """Why there is no connection, in words."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return f"its certificate is not trusted ({_first_line(error.certificate_error)})"
        case aiohttp.ClientConnectorDNSError():
            return "its name is not known here"
        case aiohttp.ClientConnectorError() if found := _ERRNO.search(str(error.os_error)):
            return os.strerror(int(found[1]))  # the same for each of the name's addresses, or the first one's
        case aiohttp.ServerDisconnectedError():
            return "it has closed the connection"
        case aiohttp.InvalidURL():
            return "its address is no URL"
    return "the connection failed"


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def parse_object(body: bytes) -> dict[str, Any]:
    """A JSON object from an answer. Raises ClusterError when it is none."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ClusterError("the API server's answer is not JSON") from error
    if not isinstance(parsed, dict):
        raise ClusterError("the API server's answer is not a JSON object")
    return parsed
