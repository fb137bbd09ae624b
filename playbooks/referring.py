"""Where a pod spec names ConfigMaps and Secrets, and which keys it asks of them: env, envFrom, volumes, projected ones.

Fields of core/v1: ``env.valueFrom.{configMapKeyRef,secretKeyRef}``, ``envFrom.{configMapRef,secretRef}``,
``volumes.{configMap,secret,projected.sources}``. What is here is read off the spec; whether it leads anywhere is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from incidents.evidence import Evidence
from incidents.objects import Manifest


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """One place in the pod spec that names a ConfigMap or a Secret, and the ``keys`` that it asks of it.

    ``path`` leads to the name; ``keys`` says where each key stands. ``volume``: whose source it is. ``optional``: a pod
    starts without.
    """

    kind: str
    name: str
    path: str
    keys: dict[str, str] = {}
    volume: str = ""
    optional: bool = False


def references(evidence: Evidence, spec: Manifest | None = None) -> Iterator[Reference]:
    """Every place in a pod spec, the present one by default, that names a ConfigMap or a Secret."""
    spec = evidence.pod_spec if spec is None else spec
    for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
        at = evidence.container_path(str(container.get("name")))
        for variable in container.get("env") or ():
            yield from _from_variable(variable, at)
        for index, source in enumerate(container.get("envFrom") or ()):
            for kind, field in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
                if name := (source.get(field) or {}).get("name"):
                    optional = bool(source[field].get("optional"))
                    yield Reference(kind=kind, name=name, path=f"{at}/envFrom/{index}/{field}/name", optional=optional)
    for volume in spec.get("volumes") or ():
        yield from _from_volume(volume, f"{evidence.pod_path}/volumes[{volume.get('name')}]")


def _from_variable(variable: dict[str, Any], at: str) -> Iterator[Reference]:
    source = variable.get("valueFrom") or {}
    for kind, field in (("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef")):
        if chosen := source.get(field):
            place = f"{at}/env[{variable.get('name')}]/valueFrom/{field}"
            yield Reference(
                kind=kind,
                name=str(chosen.get("name")),
                path=f"{place}/name",
                keys={str(chosen.get("key")): f"{place}/key"},
                optional=bool(chosen.get("optional")),
            )


def _from_volume(volume: dict[str, Any], at: str) -> Iterator[Reference]:
    name = str(volume.get("name"))
    for kind, field, naming in (("ConfigMap", "configMap", "name"), ("Secret", "secret", "secretName")):
        if source := volume.get(field):
            yield _from_source(source, kind=kind, naming=naming, at=f"{at}/{field}", volume=name)
    for index, part in enumerate((volume.get("projected") or {}).get("sources") or ()):
        for kind, field in (("ConfigMap", "configMap"), ("Secret", "secret")):
            if source := part.get(field):
                place = f"{at}/projected/sources/{index}/{field}"
                yield _from_source(source, kind=kind, naming="name", at=place, volume=name)


def _from_source(source: dict[str, Any], *, kind: str, naming: str, at: str, volume: str) -> Reference:
    items = enumerate(source.get("items") or ())
    return Reference(
        kind=kind,
        name=str(source.get(naming)),
        path=f"{at}/{naming}",
        keys={str(item.get("key")): f"{at}/items/{index}/key" for index, item in items},
        volume=volume,
        optional=bool(source.get("optional")),
    )
