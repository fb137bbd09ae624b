"""Ingresses that lead nowhere: a Service or a class by a name that nothing has, corrected to the one that was meant.

Rules: networking.k8s.io/v1 (a backend is a Service of the Ingress's own namespace, by name and port), and that no event
is emitted for one that is not there. A Service is meant if the name is a slip of its own, and it has every port that
the Ingress asks of it. What an Ingress opens is open to the world: a name that it says twice is no slip, and what is
not clear is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from incidents.evidence import Evidence
from incidents.objects import INGRESS_CLASS, SERVICE, Manifest
from incidents.proposals import Diagnosis, Needs, Opinion, SetField, Silent
from incidents.symptoms import Symptom
from playbooks.confidence import CERTAIN
from playbooks.edits import named, opinion, wanting
from playbooks.neighbours import nearest


class Use(msgspec.Struct, frozen=True):
    """Where an Ingress names a Service, and the port it asks for: a name, a number or nothing."""

    path: str
    service: str
    port: str | int | None


def of_ingress(evidence: Evidence, family: str) -> Silent | Needs | Opinion:
    """An opinion on the first name that leads nowhere."""
    said = [found.detail for found in evidence.health.findings if found.symptom is Symptom.SELECTS_NOTHING]
    if not said:
        return Silent("the Ingress leads somewhere")
    if needs := wanting(evidence, SERVICE.kind, INGRESS_CLASS.kind):
        return needs
    told = Diagnosis(
        family=family, cause=f"Ingress {evidence.subject.name}: {'; '.join(said)}", confidence=0.9, rests_on=tuple(said)
    )
    services = evidence.listed(SERVICE.kind)
    if services is None:
        return Silent("the Services of its namespace cannot be read", told)
    lost = [use for use in _uses(evidence.snapshot.workload) if named(services, use.service) is None]
    if lost:
        return _other_service(evidence, lost, services, told)
    return _other_class(evidence, told)


def _other_service(
    evidence: Evidence, lost: Sequence[Use], services: Sequence[Manifest], told: Diagnosis
) -> Silent | Opinion:
    wrong = lost[0].service
    there = [item for item in services if _may_be_meant(item, lost)]
    said_twice = wrong in {evidence.subject.name, *_own_labels(evidence)}
    meant = nearest(wrong, (item["metadata"]["name"] for item in services)) if not said_twice else None
    fixed = any(not use.path for use in lost)
    if len({use.service for use in lost}) > 1 or fixed or meant is None or named(there, meant) is None:
        return Silent("there is no one Service that can have been meant", told)
    return opinion(
        evidence,
        *(SetField(path=use.path, expected=wrong, value=meant) for use in lost),
        family=told.family,
        cause=told.cause,
        rests_on=(*told.rests_on, f"Service {meant} is the one with a name like it, and has the port"),
        ends=Symptom.SELECTS_NOTHING,
        reason=f"send to Service {meant} in place of {wrong}",
        confidence=CERTAIN,
    )


def _other_class(evidence: Evidence, told: Diagnosis) -> Silent | Opinion:
    wrong = (evidence.snapshot.workload.get("spec") or {}).get("ingressClassName")
    classes = evidence.listed(INGRESS_CLASS.kind)
    meant = nearest(wrong, (item["metadata"]["name"] for item in classes)) if wrong and classes is not None else None
    if meant is None or named(classes, str(wrong)) is not None:
        return Silent("there is no one IngressClass that can have been meant", told)
    return opinion(
        evidence,
        SetField(path="/spec/ingressClassName", expected=wrong, value=meant),
        family=told.family,
        cause=told.cause,
        rests_on=(*told.rests_on, f"IngressClass {meant} is the one with a name like it"),
        ends=Symptom.SELECTS_NOTHING,
        reason=f"be of the class {meant} in place of {wrong}",
        confidence=CERTAIN,
    )


def _uses(ingress: Manifest) -> Iterator[Use]:
    spec = ingress.get("spec") or {}
    for index, rule in enumerate(spec.get("rules") or ()):
        for number, path in enumerate((rule.get("http") or {}).get("paths") or ()):
            yield from _use(path.get("backend"), f"/spec/rules/{index}/http/paths/{number}/backend/service/name")
    yield from _use(spec.get("defaultBackend"), "")  # what answers for all the rest is not changed


def _use(backend: Manifest | None, path: str) -> Iterator[Use]:
    service = (backend or {}).get("service") or {}
    port = service.get("port") or {}
    if service.get("name"):
        yield Use(path, str(service["name"]), port.get("name") or port.get("number"))


def _may_be_meant(service: Manifest, lost: Sequence[Use]) -> bool:
    spec = service.get("spec") or {}
    ports = {known for item in spec.get("ports") or () for known in (item.get("port"), item.get("name"))}
    leaving = service["metadata"].get("deletionTimestamp")
    return not leaving and spec.get("type") != "ExternalName" and all(use.port in ports for use in lost)


def _own_labels(evidence: Evidence) -> list[str]:
    labels = evidence.snapshot.workload.get("metadata", {}).get("labels") or {}
    return [str(value) for value in labels.values()]
