"""Ingresses that lead nowhere: a Service, class or certificate by a name that nothing has, corrected to the one meant.

Rules: networking.k8s.io/v1 (a backend is a Service of the Ingress's own namespace, by name and port), and that no event
is emitted for one that is not there. A Service is meant if the name is a slip of its own, and it has every port that
the Ingress asks of it. What an Ingress opens is open to the world: a name that it says twice, in its own name, a label,
a host or a path, is no slip, and what is not clear is told. Of several things that are wrong all are corrected or none:
it is well only with all of them. Which certificate is meant is decided in ``certificates``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from incidents.evidence import Evidence
from incidents.objects import INGRESS_CLASS, SERVICE, Manifest
from incidents.proposals import Diagnosis, Needs, Opinion, SetField, Silent
from incidents.symptoms import Symptom
from playbooks.belonging import said_twice
from playbooks.certificates import is_missed, other_certificate
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
    answers: list[Silent | Needs | Opinion] = []
    if is_missed(evidence):
        answers.append(other_certificate(evidence, told, own=_own_names(evidence)))
    if lost:
        answers.append(_other_service(evidence, lost, services, told))
    if not answers or any(name.startswith(f"{INGRESS_CLASS.kind}/") for name in evidence.snapshot.missing):
        answers.append(_other_class(evidence, told))
    return _all_or_none(answers)


def _all_or_none(answers: Sequence[Silent | Needs | Opinion]) -> Silent | Needs | Opinion:
    """The first that is no opinion; else all of them as one: a proposal has to end what the Ingress is not well for."""
    opinions = [answer for answer in answers if isinstance(answer, Opinion)]
    if len(opinions) < len(answers):
        return next(answer for answer in answers if not isinstance(answer, Opinion))
    first, others = opinions[0], opinions[1:]
    if not others:
        return first
    rests_on = dict.fromkeys(said for one in opinions for said in one.diagnosis.rests_on)
    edits = tuple(edit for one in opinions for edit in one.proposal.edits)
    reason = "; ".join(one.proposal.reason for one in opinions)
    return Opinion(
        msgspec.structs.replace(first.diagnosis, rests_on=tuple(rests_on)),
        msgspec.structs.replace(first.proposal, action=edits, reason=reason),
    )


def _other_service(
    evidence: Evidence, lost: Sequence[Use], services: Sequence[Manifest], told: Diagnosis
) -> Silent | Opinion:
    wrong = lost[0].service
    there = [item for item in services if _may_be_meant(item, lost)]
    meant = nearest(wrong, (item["metadata"]["name"] for item in services))
    fixed = any(not use.path for use in lost)
    if len({use.service for use in lost}) > 1 or fixed or meant is None or named(there, meant) is None:
        return Silent("there is no one Service that can have been meant", told)
    if word := said_twice(wrong, meant, _own_names(evidence) | _addresses(evidence.snapshot.workload)):
        return Silent(f"it says {word} twice, which is no slip of {meant}", told)
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


def _own_names(evidence: Evidence) -> set[str]:
    """What the Ingress is called, by its name and by its labels."""
    labels = evidence.snapshot.workload.get("metadata", {}).get("labels") or {}
    return {evidence.subject.name, *(str(value) for value in labels.values())}


def _addresses(ingress: Manifest) -> set[str]:
    """The words of the hosts and paths that it serves: what is to be reached by them spells what they lead to."""
    rules = (ingress.get("spec") or {}).get("rules") or ()
    hosts = [str(rule.get("host") or "") for rule in rules]
    paths = [str(one.get("path") or "") for rule in rules for one in (rule.get("http") or {}).get("paths") or ()]
    words = {word for text in (*hosts, *paths) for word in re.findall(r"[A-Za-z0-9-]+", text)}
    return words | {part for word in words for part in word.split("-")}
