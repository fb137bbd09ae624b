"""Answers to what playbooks ask for beyond the usual: tags and images, and lists of what stands beside the subject.

What cannot be read (not granted, not there, too much) is named in ``unread`` and answered with nothing, so that nobody
asks again. What the program has not been granted is not asked for at all: a refused request is noise in the API
server's audit log.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from evidence.image_index import ImageIndex
from evidence.redaction import mask_manifest, mask_text
from evidence.surroundings import selector_text
from incidents.evidence import Evidence, Want, WantKind
from incidents.images import ImageReferenceError, parse_image
from incidents.objects import EVENT, LISTED, NODE, POD, POD_METRICS, SECRET, is_name
from incidents.quantities import format_bytes, format_millis, parse_bytes, parse_millis
from incidents.signals import clean
from incidents.snapshot import is_ready
from tools.cluster.errors import ODD_OBJECT, ClusterError, Forbidden
from tools.cluster.listing import list_beside
from tools.cluster.reader import Reader
from tools.registry import RegistryClient, RegistryError

_FACT, _FACTS = 300, 60  # characters and lines of what an image says of itself: it is text from outside
PODS_MEASURED = 60  # whose usage is told, with all of their containers
REFUSED_SECONDS = 600.0  # real seconds for which a refusal of metrics holds: a role may be granted meanwhile
NO_METRICS = "the metrics of its pods may not be read there (see deploy/rbac.yaml)"
NOT_GRANTED = "its keys are read only with the optional role (setting read_secret_keys)"


class Answers:
    """Reads them. ``registry``: None means that nobody is asked; ``images``: the index of a sweep, if there is one."""

    def __init__(
        self,
        reader: Reader,
        *,
        registry: RegistryClient | None = None,
        images: ImageIndex | None = None,
    ) -> None:
        self._reader = reader
        self._registry = registry
        self._images = images
        self._refused = frozenset() if reader.secret_keys else frozenset({SECRET.kind})
        self._unmetered: dict[str, datetime] = {}  # namespaces, and when their metrics were refused

    async def answer(self, evidence: Evidence, wants: Sequence[Want]) -> Evidence:
        """The same evidence with answers; an empty one where there is none."""
        answers, objects, unread = dict(evidence.answers), dict(evidence.objects), list(evidence.unread)
        for want in wants:
            answers[want.key] = ()
            try:
                if want.kind is WantKind.OBJECTS:
                    objects[want.name] = await self._objects(evidence, want.name)
                else:
                    answers[want.key] = tuple(await self._texts(evidence, want))
            except (ClusterError, ImageReferenceError, RegistryError) as error:
                unread.append(f"{want.key}: {clean(error, 200)}")
        return msgspec.structs.replace(evidence, answers=answers, objects=objects, unread=tuple(unread))

    async def _objects(self, evidence: Evidence, name: str) -> tuple[dict[str, object], ...]:
        if name in self._refused:
            raise ClusterError(NOT_GRANTED)
        if name not in LISTED:
            raise ClusterError("no playbook may ask for this kind")
        on_it = name == POD.kind and evidence.subject.kind == NODE.kind
        fields = f"spec.nodeName={evidence.subject.name}" if on_it else ""
        found = await list_beside(self._reader, LISTED[name], evidence.subject.namespace, fields=fields)
        return tuple(mask_manifest(item) for item in found)

    async def _texts(self, evidence: Evidence, want: Want) -> Collection[str]:
        match want.kind:
            case WantKind.KNOWN_IMAGES:
                return await self._known_images(want.name)
            case WantKind.PREEMPTED:
                return await self._preempted(want.name)
            case WantKind.USAGE:
                return await self._usage(evidence, want.name)
            case WantKind.IMAGE_TAGS if self._registry is not None:
                return await self._registry.tags(want.name)
            case WantKind.IMAGE_CONFIG if self._registry is not None:
                return described(await self._registry.config(want.name))
        return []

    async def _preempted(self, namespace: str) -> list[str]:
        """Each pod that the scheduler has taken off a node for another one, by name, with its words; the newest last.

        Such a pod is gone, so that its events are found by their reason.
        """
        events = await self._reader.list(EVENT, namespace, fields="reason=Preempted")
        events.sort(key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))
        told = ((event.get("involvedObject") or {}, event.get("message")) for event in events[-_FACTS:])
        return [mask_text(clean(f"{about.get('name')} {message}", _FACT)) for about, message in told]

    async def _usage(self, evidence: Evidence, namespace: str) -> list[str]:
        """What each running container of the subject's pods uses: ``POD CONTAINER cpu=250m memory=64Mi``.

        Where metrics are refused they are not asked for again for a while. What is no measurement is left out.
        """
        selector = evidence.snapshot.workload.get("spec", {}).get("selector")
        labels = selector_text(selector) if isinstance(selector, Mapping) else ""
        if self._is_unmetered(namespace, evidence.taken_at):
            raise ClusterError(NO_METRICS)
        if not labels:
            raise ClusterError("its pods are selected by no labels")
        wanted = {pod["metadata"]["name"]: is_ready(pod) for pod in evidence.snapshot.pods}
        try:
            measured = await self._reader.list(POD_METRICS, namespace, labels=labels)
        except Forbidden as error:
            self._unmetered[namespace] = evidence.taken_at
            raise ClusterError(NO_METRICS) from error
        except ODD_OBJECT as error:
            raise ClusterError(f"what the metrics API answers is no list of measurements: {error}") from error
        by_pod = [lines for pod in measured if (lines := used(pod, wanted))]
        by_pod.sort(key=lambda lines: wanted[lines[0].partition(" ")[0]])  # those that fail come first
        return [line for lines in by_pod[:PODS_MEASURED] for line in lines]

    def _is_unmetered(self, namespace: str, now: datetime) -> bool:
        refused = self._unmetered.get(namespace)
        return refused is not None and abs((now - refused).total_seconds()) < REFUSED_SECONDS

    async def _known_images(self, repository: str) -> list[str]:
        """Images of one repository that nodes hold or pods run: other namespaces lend tags, never a repository."""
        indexed = await self._images.of(repository) if self._images is not None else None
        if indexed is not None:
            return indexed
        wanted = parse_image(repository)
        found: set[str] = set()
        async for node in self._reader.each(NODE):
            for image in node.get("status", {}).get("images") or ():
                found.update(_of_repository(image.get("names") or (), wanted.registry, wanted.repository))
        async for pod in self._reader.each(POD, fields="status.phase=Running"):
            images = (item.get("image", "") for item in pod.get("spec", {}).get("containers") or ())
            found.update(_of_repository(images, wanted.registry, wanted.repository))
        return sorted(found)


def used(measured: Mapping[str, Any], wanted: Collection[str]) -> list[str]:
    """What the containers of one pod use, a line each; nothing of a pod that is not wanted, or is no measurement."""
    lines = []
    try:
        name = measured["metadata"]["name"]
        for one in measured["containers"] if name in wanted else ():
            cpu, memory = parse_millis(one["usage"]["cpu"]), parse_bytes(one["usage"]["memory"])
            if is_name(one["name"]) and cpu >= 0 and memory >= 0:
                lines.append(f"{name} {one['name']} cpu={format_millis(cpu)} memory={format_bytes(memory)}")
    except ODD_OBJECT:
        return []
    return lines


def described(config: Mapping[str, Any]) -> list[str]:
    """What an image says of itself, a line a fact: ``entrypoint=/app/web``, ``port=8080/tcp``, ``user=1000``.

    The variables an image sets are left out: some carry secrets.
    """
    run = config.get("config")
    run = run if isinstance(run, Mapping) else {}
    facts = [(key.lower(), word) for key in ("Entrypoint", "Cmd") for word in _words(run.get(key))]
    ports = run.get("ExposedPorts")
    facts += [("port", str(port)) for port in sorted(map(str, ports if isinstance(ports, Mapping) else ()))]
    facts += [("user", run["User"])] if run.get("User") else []
    facts += [("platform", f"{config.get('os')}/{config.get('architecture')}")]
    return [f"{name}={clean(value, _FACT)}" for name, value in facts[:_FACTS]]


def _words(value: object) -> list[str]:
    return [str(word) for word in value] if isinstance(value, list) else []


def _of_repository(images: Iterable[str], registry: str, repository: str) -> list[str]:
    kept = []
    for text in images:
        try:
            image = parse_image(text)
        except ImageReferenceError:
            continue
        if (image.registry, image.repository) == (registry, repository):
            kept.append(str(image))
    return kept
