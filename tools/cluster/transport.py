"""One connection to one API server: credentials and TLS by the official client, bodies as raw JSON.

Only ``ApiClient.call_api`` and the configuration loaders of ``kubernetes.aio`` are used: touching one of its
API classes loads every model, and typed models drop fields they do not know.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import aiohttp
import orjson
import stamina

from tools.cluster.errors import Busy, ClusterError, Misconfigured, ServerFailed, Unreachable, error_from

if TYPE_CHECKING:
    from kubernetes.aio.client.api_client import ApiClient

REQUEST_SECONDS = 20.0
READ_ATTEMPTS = 4
Query = Mapping[str, str | int]


class Transport:
    """Sends requests to one API server. Nothing but the interfaces of this package is built on it."""

    def __init__(self, client: ApiClient, *, user_agent: str) -> None:
        self._client = client
        self._user_agent = user_agent

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
        await self._client.close()

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
        """One request and its whole answer. Raises ClusterError for anything but a success."""
        headers = {"Content-Type": content_type, "User-Agent": user_agent or self._user_agent}
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
            async with response:
                if response.status >= 400:
                    raise error_from(response.status, await response.read(), response.headers.get("Retry-After"))
                yield response
        except TimeoutError as error:
            raise Unreachable(f"the API server at {self._address} did not answer in time") from error
        except aiohttp.ClientError as error:
            raise Unreachable(f"the API server at {self._address} cannot be reached: {type(error).__name__}") from error


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
) -> Transport:
    """Open a transport from a kubeconfig (file or content) or from the pod's own service account.

    Raises Misconfigured, naming the file and the remedy.
    """
    import yaml
    from kubernetes.aio import config as loaders  # 0.4 s that `--help` does not need
    from kubernetes.aio.client.api_client import ApiClient
    from kubernetes.aio.client.configuration import Configuration

    configuration = Configuration()
    configuration.retries = None  # repeated here, where Retry-After and the kind of request are known
    configuration.connection_pool_maxsize = 32
    try:
        if in_cluster:
            loaders.load_incluster_config(client_configuration=configuration)
        elif isinstance(kubeconfig, Mapping):
            await loaders.load_kube_config_from_dict(
                dict(kubeconfig), context=context, client_configuration=configuration
            )
        else:
            path = str(kubeconfig) if kubeconfig is not None else None
            await loaders.load_kube_config(path, context, configuration, False)
    except (loaders.ConfigException, yaml.YAMLError, OSError, KeyError, TypeError, ValueError) as error:
        where = (
            "the pod's service account"
            if in_cluster
            else kubeconfig
            if isinstance(kubeconfig, Path)
            else "the kubeconfig"
        )
        raise Misconfigured(
            f"{where} cannot be used: {_first_line(error)}; pass --kubeconfig FILE and --context NAME"
        ) from error
    return Transport(ApiClient(configuration), user_agent=user_agent)


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
