"""Lists of whole clusters, page by page, with each object decoded to the fields that judging its health needs.

A page is taken apart into the bytes of its items, and each is decoded by itself: one odd object costs that object
and not the list, and what nobody asks for is never built. The results are plain mappings, as everywhere.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, NotRequired, TypedDict

import msgspec
import structlog

from incidents.objects import (
    AUTOSCALER,
    CLAIM,
    CRON_JOB,
    DAEMON_SET,
    DEPLOYMENT,
    INGRESS,
    INGRESS_CLASS,
    JOB,
    NODE,
    POD,
    REPLICA_SET,
    SERVICE,
    STATEFUL_SET,
    STORAGE_CLASS,
    Kind,
)
from tools.cluster.errors import ClusterError
from tools.cluster.reader import PAGE, Reader, as_object

log = structlog.get_logger(__name__)


class _Owner(TypedDict):
    apiVersion: str
    kind: str
    name: str
    uid: str
    controller: NotRequired[bool | None]


class _Metadata(TypedDict):
    name: str
    uid: str
    namespace: NotRequired[str | None]
    labels: NotRequired[dict[str, str] | None]
    generation: NotRequired[int | None]
    creationTimestamp: NotRequired[str | None]
    deletionTimestamp: NotRequired[str | None]
    ownerReferences: NotRequired[list[_Owner] | None]


class _Condition(TypedDict):
    type: str
    status: str
    reason: NotRequired[str | None]
    message: NotRequired[str | None]
    lastUpdateTime: NotRequired[str | None]
    lastTransitionTime: NotRequired[str | None]


class _Ended(TypedDict):
    reason: NotRequired[str | None]
    exitCode: NotRequired[int | None]
    finishedAt: NotRequired[str | None]


class _Waits(TypedDict):
    reason: NotRequired[str | None]
    message: NotRequired[str | None]


class _Runs(TypedDict):
    startedAt: NotRequired[str | None]


class _ContainerState(TypedDict):
    waiting: NotRequired[_Waits | None]
    terminated: NotRequired[_Ended | None]
    running: NotRequired[_Runs | None]


class _ContainerStatus(TypedDict):
    name: str
    ready: NotRequired[bool | None]
    restartCount: NotRequired[int | None]
    state: NotRequired[_ContainerState | None]
    lastState: NotRequired[_ContainerState | None]


class _Container(TypedDict):
    name: str
    image: NotRequired[str | None]
    restartPolicy: NotRequired[str | None]


class _MountedClaim(TypedDict):
    claimName: str


class _Volume(TypedDict):
    persistentVolumeClaim: NotRequired[_MountedClaim | None]


class _PodSpec(TypedDict):
    nodeName: NotRequired[str | None]
    containers: NotRequired[list[_Container] | None]
    initContainers: NotRequired[list[_Container] | None]
    volumes: NotRequired[list[_Volume] | None]


class _PodStatus(TypedDict):
    phase: NotRequired[str | None]
    reason: NotRequired[str | None]
    message: NotRequired[str | None]
    conditions: NotRequired[list[_Condition] | None]
    initContainerStatuses: NotRequired[list[_ContainerStatus] | None]
    containerStatuses: NotRequired[list[_ContainerStatus] | None]


class _Pod(TypedDict):
    metadata: _Metadata
    spec: NotRequired[_PodSpec | None]
    status: NotRequired[_PodStatus | None]


class _WorkloadSpec(TypedDict):
    replicas: NotRequired[int | None]
    parallelism: NotRequired[int | None]
    suspend: NotRequired[bool | None]
    paused: NotRequired[bool | None]
    updateStrategy: NotRequired[dict[str, Any] | None]
    schedule: NotRequired[str | None]
    timeZone: NotRequired[str | None]
    concurrencyPolicy: NotRequired[str | None]
    progressDeadlineSeconds: NotRequired[int | None]
    selector: NotRequired[dict[str, Any] | None]
    template: NotRequired[msgspec.Raw]


class _WorkloadStatus(TypedDict):
    observedGeneration: NotRequired[int | None]
    replicas: NotRequired[int | None]
    updatedReplicas: NotRequired[int | None]
    readyReplicas: NotRequired[int | None]
    availableReplicas: NotRequired[int | None]
    currentRevision: NotRequired[str | None]
    updateRevision: NotRequired[str | None]
    desiredNumberScheduled: NotRequired[int | None]
    numberAvailable: NotRequired[int | None]
    updatedNumberScheduled: NotRequired[int | None]
    active: NotRequired[Any]  # a number of a Job, references of a CronJob
    startTime: NotRequired[str | None]
    lastScheduleTime: NotRequired[str | None]
    conditions: NotRequired[list[_Condition] | None]


class _Workload(TypedDict):
    metadata: _Metadata
    spec: NotRequired[_WorkloadSpec | None]
    status: NotRequired[_WorkloadStatus | None]


class _ServiceSpec(TypedDict):
    selector: NotRequired[dict[str, str] | None]
    type: NotRequired[str | None]


class _Service(TypedDict):
    metadata: _Metadata
    spec: NotRequired[_ServiceSpec | None]


class _BackendService(TypedDict):
    name: str


class _Backend(TypedDict):
    service: NotRequired[_BackendService | None]


class _IngressPath(TypedDict):
    backend: NotRequired[_Backend | None]


class _Http(TypedDict):
    paths: NotRequired[list[_IngressPath] | None]


class _IngressRule(TypedDict):
    http: NotRequired[_Http | None]


class _IngressTls(TypedDict):
    hosts: NotRequired[list[str] | None]
    secretName: NotRequired[str | None]


class _IngressSpec(TypedDict):
    ingressClassName: NotRequired[str | None]
    tls: NotRequired[list[_IngressTls] | None]
    defaultBackend: NotRequired[_Backend | None]
    rules: NotRequired[list[_IngressRule] | None]


class _Addresses(TypedDict):
    ingress: NotRequired[list[dict[str, Any]] | None]


class _IngressStatus(TypedDict):
    loadBalancer: NotRequired[_Addresses | None]


class _IngressMetadata(_Metadata):
    annotations: NotRequired[dict[str, str] | None]


class _Ingress(TypedDict):
    metadata: _IngressMetadata
    spec: NotRequired[_IngressSpec | None]
    status: NotRequired[_IngressStatus | None]


class _IngressClass(TypedDict):
    metadata: _Metadata


class _ClaimSpec(TypedDict):
    storageClassName: NotRequired[str | None]


class _ClaimStatus(TypedDict):
    phase: NotRequired[str | None]
    conditions: NotRequired[list[_Condition] | None]


class _Claim(TypedDict):
    metadata: _Metadata
    spec: NotRequired[_ClaimSpec | None]
    status: NotRequired[_ClaimStatus | None]


class _Conditions(TypedDict):
    conditions: NotRequired[list[_Condition] | None]


class _Autoscaler(TypedDict):
    metadata: _Metadata
    status: NotRequired[_Conditions | None]


class _Images(TypedDict):
    names: NotRequired[list[str] | None]


class _NodeStatus(TypedDict):
    conditions: NotRequired[list[_Condition] | None]
    images: NotRequired[list[_Images] | None]


class _Node(TypedDict):
    metadata: _Metadata
    status: NotRequired[_NodeStatus | None]


class _StorageClass(TypedDict):
    metadata: _Metadata
    volumeBindingMode: NotRequired[str | None]


class _Page(msgspec.Struct):
    metadata: dict[str, Any] = {}
    items: list[msgspec.Raw] | None = None


_DECODERS: dict[Kind, msgspec.json.Decoder[Any]] = {
    POD: msgspec.json.Decoder(_Pod),
    NODE: msgspec.json.Decoder(_Node),
    SERVICE: msgspec.json.Decoder(_Service),
    INGRESS: msgspec.json.Decoder(_Ingress),
    INGRESS_CLASS: msgspec.json.Decoder(_IngressClass),
    CLAIM: msgspec.json.Decoder(_Claim),
    AUTOSCALER: msgspec.json.Decoder(_Autoscaler),
    STORAGE_CLASS: msgspec.json.Decoder(_StorageClass),
    **{
        kind: msgspec.json.Decoder(_Workload)
        for kind in (DEPLOYMENT, REPLICA_SET, STATEFUL_SET, DAEMON_SET, JOB, CRON_JOB)
    },
}
_pages = msgspec.json.Decoder(_Page)


def _warn(kind: Kind, error: str) -> None:
    log.warning("object.unread", kind=kind.kind, error=error)


async def each_trimmed(
    reader: Reader, kind: Kind, namespace: str = "", *, on_odd: Callable[[Kind, str], None] = _warn
) -> AsyncIterator[dict[str, Any]]:
    """Every object of a kind in one namespace or all, trimmed. Raises ClusterError.

    An object that cannot be decoded is left out, and ``on_odd`` is told why.
    A workload's ``spec.template`` stays raw bytes: it is taken apart only where somebody wants it.
    """
    decoder, query = _DECODERS[kind], dict[str, str | int](limit=PAGE)
    while True:
        body = await reader.raw(kind.path(namespace), query)
        try:
            page = _pages.decode(body)
        except msgspec.DecodeError as error:
            raise ClusterError(f"the list of {kind.plural} cannot be read: {error}") from error
        for raw in page.items or ():
            try:
                item: dict[str, Any] = decoder.decode(raw)
            except msgspec.DecodeError as error:
                on_odd(kind, str(error))
                continue
            yield as_object(kind, item)
        token = page.metadata.get("continue")
        if not token:
            return
        query["continue"] = str(token)
