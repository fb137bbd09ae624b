"""The simulator's client over a connection made from a kubeconfig, whatever that says of credentials and TLS.

Scenarios are set up through ``simulator.api_client``, which knows tokens only; a person's cluster may want client
certificates or a program that fetches a token. So requests go over our own transport. For ``cluster break`` alone:
workloads that are to be repaired are changed by ``remediation``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulator.api_client import ApiClient, ApiError, Body, Connection
from tools.cluster.errors import ClusterError, Forbidden, Misconfigured, Unauthorized, Unreachable
from tools.cluster.transport import Transport, parse_object


class ThroughTransport(ApiClient):
    """Everything but watches. Raises ApiError as its base does, and what has to do with the connection as it comes."""

    def __init__(self, transport: Transport) -> None:
        super().__init__(Connection(transport.server))
        self._transport = transport

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Body | None = None,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        try:
            answer = await self._transport.send(method, path, query=query, body=body, content_type=content_type)
        except (Forbidden, Misconfigured, Unauthorized, Unreachable):
            raise
        except ClusterError as error:
            raise ApiError(error.code, error.reason, str(error)) from error
        return parse_object(answer)
