"""Whether the server behind an APIService can be used: what its `Available` condition says, and why.

After `pkg/controllers/status/remote` of kube-aggregator, Kubernetes v1.36: the Service has to exist, one of a cluster
IP must listen on the port and have endpoints, and then the server must answer for its group version. That answer is the
list of its resources, which discovery shows.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
from multidict import CIMultiDict

from simulator.apiserver.aggregation_backend import BackendError, Connections, Place, Sent, go_words, place_of
from simulator.apiserver.aggregation_discovery import Document, listed_resources
from simulator.apiserver.kinds import ENDPOINT_SLICE, SERVICE
from simulator.apiserver.objects import Object, at, items_at
from simulator.apiserver.store import Store

_CHECK_SECONDS = 5.0
_LARGEST_LIST_BYTES = 2 * 1024 * 1024
_ASKED_BY = (("X-Remote-User", "system:kube-aggregator"), ("X-Remote-Group", "system:masters"))
_SERVICE_NAME = "kubernetes.io/service-name"


@dataclass(frozen=True)
class Verdict:
    """What the condition says; `resources` are those that the server lists, None if it lists none."""

    available: bool
    reason: str
    message: str
    resources: list[Document] | None = None


class Availability:
    """Judges the specs of APIServices with a service."""

    def __init__(self, store: Store, connections: Connections) -> None:
        self._store = store
        self._connections = connections

    async def judge(self, spec: Object) -> Verdict:
        """Takes five seconds at most."""
        reference = spec["service"]
        service = self.service(reference)
        if service is None:
            return Verdict(False, "ServiceNotFound", f"service/{_where(reference)} is not present")
        if at(service, "spec.type") in (None, "ClusterIP"):
            refused = self._without_endpoints(service, reference)
            if refused is not None:
                return refused
        place = place_of(service, reference)
        path = f"/apis/{spec['group']}/{spec['version']}"
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                return await self._ask(place, path, spec)
        except BackendError as error:
            return _undiscovered(place, path, f'Get "{place.url}{path}": {error}')
        except TimeoutError:
            return _undiscovered(place, path, f'Get "{place.url}{path}": context deadline exceeded')

    def service(self, reference: Object) -> Object | None:
        """The Service that an APIService names."""
        stored = self._store.of(SERVICE).get(reference["namespace"], reference["name"])
        return None if stored is None else stored.body

    def _without_endpoints(self, service: Object, reference: Object) -> Verdict | None:
        """Why nothing would answer at the cluster IP; None if something may."""
        number, where = reference["port"], _where(reference)
        port = next((one for one in items_at(service, "spec.ports") if one.get("port") == number), None)
        if port is None:
            return Verdict(False, "ServicePortError", f"service/{where} is not listening on port {number}")
        slices = [
            stored.body
            for _, stored in self._store.of(ENDPOINT_SLICE).entries(reference["namespace"])
            if (at(stored.body, "metadata.labels") or {}).get(_SERVICE_NAME) == reference["name"]
        ]
        if not slices:
            return Verdict(False, "EndpointsNotFound", f"cannot find endpointslices for service/{where}")
        name = str(port.get("name") or "")
        if not any(_leads_somewhere(one, name) for one in slices):
            said = f'endpointslices for service/{where} have no addresses with port name "{name}"'
            return Verdict(False, "MissingEndpoints", said)
        return None

    async def _ask(self, place: Place, path: str, spec: Object) -> Verdict:
        headers = CIMultiDict([*_ASKED_BY, ("Accept", "application/json"), ("User-Agent", "Go-http-client/1.1")])
        response = await self._connections.open(place, Sent(path, headers=headers), spec)
        async with response:
            if not 200 <= response.status < 300:
                return _undiscovered(place, path, f"bad status from {place.url}{path}: {response.status}")
            resources = listed_resources(await _parsed(response, place))
        return Verdict(True, "Passed", "all checks passed", resources)


async def _parsed(response: aiohttp.ClientResponse, place: Place) -> Any:
    """The JSON of an answer; None for what is too large or not JSON. Raises BackendError."""
    body = b""
    try:
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > _LARGEST_LIST_BYTES:
                return None
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    except aiohttp.ClientError as error:
        raise BackendError(go_words(error, place)) from error


def _leads_somewhere(endpoint_slice: Object, port_name: str) -> bool:
    ready = any(
        (one.get("conditions") or {}).get("ready") is not False for one in items_at(endpoint_slice, "endpoints")
    )
    return ready and any(str(one.get("name") or "") == port_name for one in items_at(endpoint_slice, "ports"))


def _where(reference: Object) -> str:
    return f'{reference["name"]} in "{reference["namespace"]}"'


def _undiscovered(place: Place, path: str, why: str) -> Verdict:
    said = f"failing or missing response from {place.url}{path}: {why}"
    return Verdict(False, "FailedDiscoveryCheck", said)
