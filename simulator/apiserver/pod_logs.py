"""Logs of a pod: passed through from the kubelet of its node, as the real API server does.

The kubelet is found by the node's InternalIP and daemonEndpoints; it speaks https with a certificate
that nobody checks, or plain http where the node carries the annotation `simulator/kubelet-scheme:
http`.
"""

from collections.abc import AsyncIterator

import aiohttp

from simulator.apiserver import status_errors
from simulator.apiserver.call import Answer, Call
from simulator.apiserver.kinds import NODE, POD
from simulator.apiserver.log_options import check_log_options
from simulator.apiserver.objects import Object, at, items_at
from simulator.apiserver.resources import Resources

SCHEME_ANNOTATION = "simulator/kubelet-scheme"
_PASSED_ON = (
    "follow", "limitBytes", "previous", "sinceSeconds", "sinceTime", "tailLines", "timestamps",
)  # fmt: skip
_CONNECT_SECONDS = 5.0
_LARGEST_ERROR_BYTES = 10_000


class PodLogs:
    """Reads logs from kubelets; `close` ends its connections."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._session: aiohttp.ClientSession | None = None

    async def read(self, call: Call) -> Answer:
        """Streams the log. Raises StatusError: 400 for the container, 404 for the pod, 500 if the kubelet is away."""
        pod = self._resources.get(POD, call.target.namespace, call.target.name)
        check_log_options(call.target.name, call.query)
        container = _container(pod, call.target.name, call.query.get("container", ""))
        if not at(pod, "spec.nodeName"):
            return Answer(code=204, content_type="text/plain")
        url = self._url(pod, container)
        query = {key: call.query[key] for key in _PASSED_ON if key in call.query}
        try:
            response = await self._client().get(url, params=query)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise status_errors.internal(f'Get "{url}": {error}') from error
        if response.status != 200:
            raise await _refusal(response, call.target.name)
        return Answer(content_type="text/plain", chunks=_body(response))

    def _url(self, pod: Object, container: str) -> str:
        node = self._resources.get(NODE, "", str(at(pod, "spec.nodeName")))
        addresses = {one.get("type"): one.get("address") for one in items_at(node, "status.addresses")}
        port = at(node, "status.daemonEndpoints.kubeletEndpoint.Port")
        if not addresses.get("InternalIP") or not port:
            raise status_errors.internal(f"no kubelet address is known of node {at(pod, 'spec.nodeName')}")
        scheme = (at(node, "metadata.annotations") or {}).get(SCHEME_ANNOTATION, "https")
        meta = pod["metadata"]
        host = f"{scheme}://{addresses['InternalIP']}:{port}"
        return f"{host}/containerLogs/{meta['namespace']}/{meta['name']}/{container}"

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS)
            connector = aiohttp.TCPConnector(ssl=False)  # as the real server, which checks no kubelet by default
            self._session = aiohttp.ClientSession(timeout=timeout, connector=connector)
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


def _container(pod: Object, name: str, asked: str) -> str:
    plain = [str(one["name"]) for one in items_at(pod, "spec.containers")]
    initial = [str(one["name"]) for one in items_at(pod, "spec.initContainers")]
    if asked:
        if asked not in plain + initial:
            raise status_errors.bad_request(f"container {asked} is not valid for pod {name}")
        return asked
    if len(plain) == 1 and not initial:
        return plain[0]
    also = f" or one of the init containers: [{' '.join(initial)}]" if initial else ""
    raise status_errors.bad_request(
        f"a container name must be specified for pod {name}, choose one of: [{' '.join(plain)}]{also}"
    )


async def _refusal(response: aiohttp.ClientResponse, name: str) -> status_errors.StatusError:
    """The kubelet's refusal in the words of `GenericHttpResponseChecker`."""
    async with response:
        text = (await response.content.read(_LARGEST_ERROR_BYTES)).decode(errors="replace").strip()
    if response.status == 400:
        return status_errors.bad_request(text)
    if response.status == 404:
        message = f"the server could not find the requested resource ( pods/log {name})"
        details = {
            "name": name,
            "kind": "pods/log",
            "causes": [{"reason": "UnexpectedServerResponse", "message": text}],
        }
        return status_errors.StatusError(404, "NotFound", message, details=details)
    return status_errors.internal(text)


async def _body(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    async with response:
        try:
            async for chunk in response.content.iter_any():
                yield chunk
        except aiohttp.ClientError:
            return  # the kubelet went away in the middle: the log ends here
