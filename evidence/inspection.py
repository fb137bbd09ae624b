"""Looking further into one case: the evidence from another side first, and a few more requests where it is silent.

Whoever asks names no namespace: everything is of the subject's own. Objects of the whole cluster are read only if the
subject refers to them. Every answer is masked as the collector masks, and bounded; what cannot be read is said in
the answer, because whoever asks, a model, has to go on with that. Nothing here writes, and Secrets and ConfigMaps
are never read: their names and keys come from the spec and from what the kubelet said.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Iterable, Iterator
from typing import Any

from evidence.brief import events, fitting, history, states
from evidence.collector import LOG_BYTES, LOG_LINES
from evidence.field_schemas import FieldSchemas
from evidence.redaction import mask_manifest, mask_text
from incidents.evidence import Evidence
from incidents.objects import (
    AUTOSCALER,
    CLAIM,
    NODE,
    POD,
    QUOTA,
    REPLICA_SET,
    SERVICE,
    STORAGE_CLASS,
    Kind,
    Manifest,
    is_name,
)
from incidents.pointers import ABSENT, PathNotFound, resolve, value_at
from incidents.signals import clean
from tools.cluster.errors import ClusterError
from tools.cluster.reader import Reader

REQUESTS = 6  # beyond the evidence, for one case
ANSWER_BYTES = 3_000
_NAMES = 30  # of a list
_IN_NAMESPACE = (SERVICE, CLAIM, AUTOSCALER, QUOTA)
_REFERRED_TO = (NODE, STORAGE_CLASS)
_HELD = (POD, REPLICA_SET)
_KINDS = {kind.kind.lower(): kind for kind in (*_IN_NAMESPACE, *_REFERRED_TO, *_HELD)}


class Inspection:
    """One case, looked into. It answers text, at most ``ANSWER_BYTES`` of it, and raises nothing about the cluster."""

    def __init__(self, evidence: Evidence, reader: Reader, schemas: FieldSchemas, *, requests: int = REQUESTS) -> None:
        self._evidence = evidence
        self._reader = reader
        self._schemas = schemas
        self._left = requests

    async def manifest(self, path: str = "") -> str:
        """The subject's manifest at a field path, as JSON."""
        workload = self._evidence.snapshot.workload
        try:
            found = value_at(workload, resolve(workload, path if path != "/" else ""))
        except PathNotFound as error:
            return clean(error, 300)
        return f"{path} is not set." if found is ABSENT else _shown(found)

    async def states(self) -> str:
        """What fails and how the containers are."""
        return _lines(states(self._evidence))

    async def events(self) -> str:
        """The events about the subject and what it owns."""
        return _lines(events(self._evidence)) or "There are no events."

    async def logs(self, container: str, *, previous: bool = False) -> str:
        """The end of one container's log: of the run before this one if ``previous``."""
        for one in self._evidence.logs:
            if (one.container, one.previous) == (container, previous):
                return _tail(one.text)
        pod = self._pod_with(container)
        if pod is None:
            return f"No pod of the workload has a container {clean(container, 80)!r}."
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        reading = self._reader.logs(
            namespace, name, container, previous=previous, lines=LOG_LINES, limit_bytes=LOG_BYTES
        )
        text = await self._within_budget(reading)
        return text if isinstance(text, Silence) else _tail(mask_text(text)) or "The log is empty."

    async def history(self) -> str:
        """The rollout history, newest first."""
        return _lines(history(self._evidence)) or "It has no rollout history."

    async def related(self, kind: str, name: str = "") -> str:
        """An object beside the subject, or the names of those of a kind where no name is given."""
        known = _KINDS.get(kind.lower())
        if known is None:
            return f"Only these kinds can be looked at: {', '.join(sorted(one.kind for one in _KINDS.values()))}."
        held = {item["metadata"]["name"]: item for item in self._held(known)}
        if name in held:
            return _shown(mask_manifest(dict(held[name])))
        if name and not is_name(name):  # it becomes part of a path
            return f"{clean(name, 80)!r} is no name of an object."
        namespace = self._evidence.subject.namespace
        if known in _IN_NAMESPACE and not name:
            found = await self._within_budget(self._reader.list(known, namespace))
            return found if isinstance(found, Silence) else _named(known, (one["metadata"]["name"] for one in found))
        referred = held.keys() | self._referred_to(known)
        if not name or (known not in _IN_NAMESPACE and name not in referred):
            return _named(known, referred)
        one = await self._within_budget(self._reader.get(known, namespace if known.namespaced else "", name))
        return one if isinstance(one, Silence) else _shown(mask_manifest(one))

    async def key_names(self) -> str:
        """The ConfigMaps and Secrets that the pods refer to, with the keys they want, and which are missing."""
        lines = list(_references(self._evidence.template.get("spec", {})))
        lines += [f"missing: {one}" for one in self._evidence.snapshot.missing]
        lines += [one for one in states(self._evidence) if "config" in one.lower() or "secret" in one.lower()]
        return _lines(lines) or "The pods refer to no ConfigMap and to no Secret."

    async def schema(self, path: str) -> str:
        """What the API server says of a field of the subject's kind."""
        subject = self._evidence.subject
        try:
            asked = self._schemas.describe(subject.api_version, subject.kind, path)
            return str(await self._within_budget(asked))
        except PathNotFound as error:
            return clean(error, 300)

    async def _within_budget(self, asked: Awaitable[Any]) -> Any:
        """What was read, or the reason why it was not, as a Silence."""
        if self._left < 1:
            if hasattr(asked, "close"):
                asked.close()  # it is never begun
            return Silence("Nothing more can be read about this case; answer from what there is.")
        self._left -= 1
        try:
            return await asked
        except ClusterError as error:
            return Silence(f"It cannot be read: {clean(error, 200)}")

    def _held(self, kind: Kind) -> Iterable[Manifest]:
        snapshot = self._evidence.snapshot
        return (
            item
            for item in (*snapshot.pods, *snapshot.replica_sets, *snapshot.related)
            if item.get("kind") == kind.kind
        )

    def _referred_to(self, kind: Kind) -> set[str]:
        """Names of objects of the whole cluster that the subject's pods or claims name."""
        snapshot = self._evidence.snapshot
        if kind == NODE:
            return {str(pod["spec"]["nodeName"]) for pod in snapshot.pods if pod.get("spec", {}).get("nodeName")}
        if kind == STORAGE_CLASS:
            claims = [item for item in snapshot.related if item.get("kind") == CLAIM.kind]
            return {
                str(one["spec"]["storageClassName"]) for one in claims if one.get("spec", {}).get("storageClassName")
            }
        return set()

    def _pod_with(self, container: str) -> dict[str, Any] | None:
        for pod in (*self._evidence.snapshot.current_pods, *self._evidence.snapshot.live_pods):
            spec = pod.get("spec", {})
            if any(
                one.get("name") == container for key in ("containers", "initContainers") for one in spec.get(key) or ()
            ):
                return pod
        return None


class Silence(str):
    """A text that stands where something could not be read."""

    __slots__ = ()


def _references(spec: Manifest) -> Iterator[str]:
    """Every ConfigMap and Secret that a pod template names, and the keys."""
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        name = container.get("name")
        for source in container.get("envFrom") or ():
            for field in ("configMapRef", "secretRef"):
                if field in source:
                    yield f"container {name}: all keys of {field.removesuffix('Ref')} {source[field].get('name')}"
        for variable in container.get("env") or ():
            for field, wanted in (variable.get("valueFrom") or {}).items():
                if field in ("configMapKeyRef", "secretKeyRef"):
                    place = f"{field.removesuffix('KeyRef')} {wanted.get('name')}"
                    yield f"container {name}: {variable.get('name')} from key {wanted.get('key')} of {place}"
    for volume in spec.get("volumes") or ():
        for field, key in (("configMap", "name"), ("secret", "secretName")):
            if field in volume:
                keys = ", ".join(str(item.get("key")) for item in volume[field].get("items") or ()) or "all keys"
                yield f"volume {volume.get('name')}: {keys} of {field} {volume[field].get(key)}"


def _shown(value: object) -> str:
    """A part of a manifest as bounded JSON, its metadata and status cut down to what tells something."""
    if isinstance(value, dict) and isinstance(value.get("metadata"), dict):
        kept = {key: value["metadata"].get(key) for key in ("name", "namespace", "labels", "annotations")}
        value = {**value, "metadata": {key: item for key, item in kept.items() if item}}
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return _bounded(" ".join(clean(text, 2 * ANSWER_BYTES).split()))


def _named(kind: Kind, names: Iterable[str]) -> str:
    found = sorted(names)
    return f"{kind.kind}: {', '.join(found[:_NAMES])}" if found else f"There is no {kind.kind} here."


def _lines(lines: Iterable[str]) -> str:
    return "\n".join(fitting(lines, ANSWER_BYTES))


def _tail(text: str) -> str:
    """The end of a text, from the beginning of a line."""
    lines: list[str] = []
    room = ANSWER_BYTES
    for line in reversed(text.rstrip().splitlines()):
        cleaned = clean(line, 400)
        room -= len(cleaned.encode()) + 1
        if room < 0:
            break
        lines.append(cleaned)
    return "\n".join(reversed(lines))


def _bounded(text: str) -> str:
    encoded = text.encode()
    if len(encoded) <= ANSWER_BYTES:
        return text
    return encoded[: ANSWER_BYTES - 24].decode(errors="ignore") + " … (ask for a part)"
