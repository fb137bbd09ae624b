"""Whether a program reaches a Service: by name, through its EndpointSlices, to a process that listens there.

What kube-proxy and the cluster's DNS would do with the same objects; no packet is sent. The answer is the error that
the program would see.
"""

from collections.abc import Callable
from typing import Any

from simulator.api_client import ApiClient, ApiError
from simulator.resources import ENDPOINT_SLICES, SERVICES

Listens = Callable[[str, int], bool]
_SERVICE_LABEL = "kubernetes.io/service-name"
_DNS = "10.96.0.10:53"


class Network:
    """One cluster's; ``listens(ip, port)`` says whether a process answers there."""

    def __init__(self, client: ApiClient, listens: Listens) -> None:
        self._client = client
        self._listens = listens

    async def reach(self, namespace: str, host: str, port: int) -> str | None:
        """None when a connection would be answered, else what dialling says."""
        name, _, rest = host.partition(".")
        home = rest.partition(".")[0] or namespace
        try:
            service = await self._client.get(SERVICES, name, home)
        except ApiError as error:
            return f"dial tcp: lookup {host} on {_DNS}: " + (
                "no such host" if error.code == 404 else "server misbehaving"
            )
        spec = service["spec"]
        known = next((item for item in spec.get("ports") or () if item["port"] == port), None)
        where = f"{spec.get('clusterIP', '')}:{port}"
        if known is None:
            return f"dial tcp {where}: i/o timeout"
        if await self._answers(home, name, known):
            return None
        return f"dial tcp {where}: connect: connection refused"

    async def _answers(self, namespace: str, name: str, service_port: dict[str, Any]) -> bool:
        try:
            slices = await self._client.list(ENDPOINT_SLICES, namespace, label_selector=f"{_SERVICE_LABEL}={name}")
        except ApiError:
            return False
        return any(self._open(item, service_port.get("name", "")) for item in slices["items"])

    def _open(self, part: dict[str, Any], port_name: str) -> bool:
        ports = [item["port"] for item in part.get("ports") or () if (item.get("name") or "") == port_name]
        ready = [
            address
            for endpoint in part.get("endpoints") or ()
            if (endpoint.get("conditions") or {}).get("ready", True)
            for address in endpoint["addresses"]
        ]
        return any(self._listens(address, port) for address in ready for port in ports)
