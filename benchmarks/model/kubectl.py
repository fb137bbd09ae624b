"""Tools as the simplest agent has them: kubectl's verbs, and what the API server gives, as YAML and uncut."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import yaml

from incidents.objects import (
    CLAIM,
    CRON_JOB,
    DAEMON_SET,
    DEPLOYMENT,
    EVENT,
    JOB,
    NODE,
    POD,
    REPLICA_SET,
    SERVICE,
    STATEFUL_SET,
    Kind,
)
from simulator.api_client import ApiClient, ApiError, Resource
from tools.cluster.errors import ClusterError
from tools.cluster.reader import Reader

_KINDS = (CLAIM, CRON_JOB, DAEMON_SET, DEPLOYMENT, EVENT, JOB, NODE, POD, REPLICA_SET, SERVICE, STATEFUL_SET)
_BY_WORD = {word: kind for kind in _KINDS for word in (kind.kind.lower(), kind.plural)}
Tool = Callable[..., Awaitable[str]]


def reading(reader: Reader) -> Sequence[Tool]:
    """The tools that read."""

    async def kubectl_get(kind: str, namespace: str, name: str = "") -> str:
        """kubectl get KIND [NAME] -n NAMESPACE -o yaml"""
        return await _said(lambda: _get(reader, kind, namespace, name))

    async def kubectl_events(namespace: str) -> str:
        """kubectl get events -n NAMESPACE -o yaml"""
        return await _said(lambda: _get(reader, "events", namespace, ""))

    async def kubectl_logs(namespace: str, pod: str, previous: bool = False) -> str:
        """kubectl logs POD -n NAMESPACE [--previous]"""

        async def read() -> str:
            query: dict[str, str | int] = {"previous": "true"} if previous else {}
            return (await reader.raw(POD.path(namespace, pod, subresource="log"), query)).decode(errors="replace")

        return await _said(read)

    return kubectl_get, kubectl_events, kubectl_logs


def writing(admin: ApiClient) -> Sequence[Tool]:
    """The tool that writes."""

    async def kubectl_patch(kind: str, namespace: str, name: str, patch: str) -> str:
        """kubectl patch KIND NAME -n NAMESPACE -p PATCH"""
        found = _BY_WORD.get(kind.lower())
        if found is None:
            return f'error: the server doesn\'t have a resource type "{kind}"'
        group, _, version = found.api_version.rpartition("/")
        try:
            resource = Resource(group, version, found.plural, found.kind)
            return _yaml(await admin.patch(resource, name, json.loads(patch), namespace))
        except (ApiError, ValueError) as error:
            return f"error: {error}"

    return (kubectl_patch,)


async def _get(reader: Reader, word: str, namespace: str, name: str) -> str:
    kind = _BY_WORD.get(word.lower())
    if kind is None:
        return f'error: the server doesn\'t have a resource type "{word}"'
    return _yaml(await reader.page(_path(kind, namespace, name), {}))


def _path(kind: Kind, namespace: str, name: str) -> str:
    return kind.path(namespace, name) if kind.namespaced else kind.path("", name)


def _yaml(value: dict[str, Any]) -> str:
    return yaml.safe_dump(value, sort_keys=True, allow_unicode=True)


async def _said(read: Callable[[], Awaitable[str]]) -> str:
    try:
        return await read()
    except ClusterError as error:
        return f"error: {error}"
