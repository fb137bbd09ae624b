"""Services that lead nowhere: a selector that matches nothing, or a port that is not there, mended at the Service.

Rules: pkg/controller/endpointslice, which emits no event for an empty match; pkg/api/v1/service (a targetPort by name
is looked up in each pod). A workload is meant if one change of one label makes the Service select it, it carries the
port that the Service sends to, and there is no other of which that is true. Which port is meant is decided in
``service_ports``. Who sends to the Service is not changed: where such a workload fails, and its log or its
settings name the Service as the place it sends to, the Service is what is mended for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from incidents.evidence import Evidence
from incidents.incident import Round
from incidents.objects import INGRESS, POD, SERVICE, Manifest, reference
from incidents.proposals import Diagnosis, Needs, Opinion, SetField, Silent
from incidents.snapshot import is_over, is_ready, pod_template
from incidents.symptoms import Symptom
from playbooks.confidence import ONLY_ONE_FITS, SUGGESTED
from playbooks.edits import opinion, wanting
from playbooks.neighbours import nearest
from playbooks.routes import of_ingress
from playbooks.service_ports import carries, is_asked, leading_nowhere, port_meant, unknown_port

FAMILY = "service"
SYMPTOMS = (
    Symptom.SELECTS_NOTHING,
    Symptom.NOT_READY,
    Symptom.ROLLOUT_STUCK,
    Symptom.PROBE_FAILING,
    Symptom.CRASH_LOOP,
)
SUBJECTS = (SERVICE.kind, INGRESS.kind, "Deployment", "StatefulSet", "DaemonSet")

_WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet")
_HOST = re.compile(r"(?://|@)[a-z0-9]|(?<![\w.-])[a-z0-9][a-z0-9.-]*:\d{2,5}(?!\d)")
_BARE = re.compile(r"//(?P<name>[a-z][a-z0-9-]*[a-z0-9])(?=[:/\s\"']|$)")
_ABSENT = 0.75  # surer than that a probe fails, less than what the program says itself
_REFUSED = re.compile(r"connection refused|ECONNREFUSED|connect failed|actively refused", re.IGNORECASE)


class Fit(msgspec.Struct, frozen=True, kw_only=True):
    """A workload that the Service would select if one label of its selector were another."""

    workload: str
    key: str
    wrong: str
    right: str


def consider(evidence: Evidence, rounds: Sequence[Round]) -> Silent | Needs | Opinion:
    """An opinion on a Service that leads nowhere: the subject itself, or one that a failing workload sends to."""
    if evidence.subject.kind == INGRESS.kind:
        return of_ingress(evidence, FAMILY)
    if evidence.subject.kind != SERVICE.kind:
        return _behind(evidence)
    if Symptom.SELECTS_NOTHING not in evidence.health.symptoms:
        return Silent("the Service selects something")
    if needs := wanting(evidence, *_WORKLOADS, POD.kind):
        return needs
    return _selector(evidence, evidence.snapshot.workload, evidence.health.findings[0].detail)


def _behind(evidence: Evidence) -> Silent | Needs | Opinion:
    """On a workload that fails: the first Service it sends to that leads nowhere."""
    ours = {finding.symptom for finding in evidence.health.findings}
    if not ours & set(SYMPTOMS):
        return Silent("nothing here fails that a Service could explain")
    governing = str(evidence.snapshot.workload.get("spec", {}).get("serviceName") or "")
    if governing and (line := _own_name_not_found(evidence, governing)):
        return wanting(evidence, SERVICE.kind) or _ungoverned(evidence, governing, line)
    if not any(_HOST.search(text) for text, _ in _texts(evidence)):
        return Silent("it names no host that it sends to")
    if needs := wanting(evidence, SERVICE.kind):
        return needs
    used = [(item, said) for item in evidence.listed(SERVICE.kind) or () if (said := _sends_to(evidence, item))]
    if not used:
        return _none_there(evidence)
    if needs := wanting(evidence, *_WORKLOADS, POD.kind):
        return needs
    for service, said in used:
        spec = service.get("spec", {})
        if not spec.get("selector") or spec.get("type") == "ExternalName" or _on_its_way_out(service):
            continue  # somebody keeps its endpoints by hand, or it has none
        selected = [item for item in _workloads(evidence) if _matches(spec["selector"], _labels(item))]
        answer = _port(evidence, service, selected, said) if selected else _selector(evidence, service, said)
        if not selected and isinstance(answer, Silent) and answer.diagnosis is not None:
            answer = Silent(answer.because, msgspec.structs.replace(answer.diagnosis, blames=reference(service)))
        if not isinstance(answer, Silent) or answer.diagnosis is not None:
            return answer
    return Silent("the Services it sends to lead somewhere")


def _on_its_way_out(service: Manifest) -> bool:
    return bool(service["metadata"].get("deletionTimestamp"))


def _sends_to(evidence: Evidence, service: Manifest) -> str:
    """Where the workload names the Service as a host: in its log, its arguments or its plain variables."""
    place = _place(evidence, service)
    return next((said for text, said in _texts(evidence) if place.search(text)), "")


def _place(evidence: Evidence, service: Manifest) -> re.Pattern[str]:
    name, namespace = re.escape(service["metadata"]["name"]), re.escape(evidence.subject.namespace)
    host = rf"{name}(?:\.{namespace}(?:\.svc(?:\.[a-z0-9.-]+)?)?)?"
    ports = "|".join(str(item.get("port")) for item in service.get("spec", {}).get("ports") or ())
    return re.compile(rf"(?://|@){host}(?![\w.-])|(?<![\w.-]){host}:(?:{ports})(?!\d)")


def _texts(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """Where a workload may name a host, each with words that say which place it is."""
    for excerpt in evidence.logs:
        for line in excerpt.text.splitlines():
            yield line, f"its log says {line.strip()[:160]!r}"
    for container in (*evidence.containers, *evidence.init_containers):
        name = container.get("name")
        for word in (*(container.get("command") or ()), *(container.get("args") or ())):
            yield str(word), f"container {name} is started with {str(word)[:120]}"
        for variable in container.get("env") or ():
            yield str(variable.get("value") or ""), f"variable {variable.get('name')} of container {name} names it"


def _own_name_not_found(evidence: Evidence, governing: str) -> str:
    """Where a StatefulSet's program looks one of its own pods up, by the Service that gives them names, in vain."""
    wanted = re.compile(rf"lookup [a-z0-9-]+-\d+\.{re.escape(governing)}(?![\w-])[^\n]{{0,160}}?no such host")
    return next((text for text, _ in _texts(evidence) if wanted.search(text)), "")


def _ungoverned(evidence: Evidence, governing: str, line: str) -> Silent:
    there = evidence.listed(SERVICE.kind)
    if there is None or any(item["metadata"]["name"] == governing for item in there):
        return Silent("the Service that gives its pods names is there, or cannot be read")
    meant = nearest(governing, (item["metadata"]["name"] for item in there))
    like = f"; {meant} is the one like it" if meant else ""
    cause = f"its pods get their names from Service {governing} (serviceName), which does not exist{like}"
    told = Diagnosis(family=FAMILY, cause=cause, confidence=0.95, rests_on=(f"its log says {line.strip()[:160]!r}",))
    return Silent("serviceName can never be changed: the Service is for a person to make", told)


def _none_there(evidence: Evidence) -> Silent:
    """On a workload that names no Service there is: perhaps one that somebody has deleted. A bare name is no other."""
    because = "it names no Service of its namespace as the place it sends to"
    there = evidence.listed(SERVICE.kind)
    asked = ((match, said) for text, said in _texts(evidence) for match in _BARE.finditer(text))
    found = next(((match["name"], said) for match, said in asked if match["name"] != "localhost"), None)
    if there is None or found is None:
        return Silent(because)
    name, said = found
    meant = nearest(name, (item["metadata"]["name"] for item in there))
    like = f"; {meant} is the one like it" if meant else ""
    cause = f"it sends to {name}, and there is no Service {name} in its namespace{like}"
    return Silent(because, Diagnosis(family=FAMILY, cause=cause, confidence=_ABSENT, rests_on=(said,)))


def _selector(evidence: Evidence, service: Manifest, said: str) -> Silent | Opinion:
    """A Service that selects nothing, corrected to the one workload that is meant."""
    selector = service.get("spec", {}).get("selector") or {}
    wanted = ", ".join(f"{key}={value}" for key, value in sorted(selector.items()))
    cause = f"Service {service['metadata']['name']} selects nothing: no workload has the labels {wanted}"
    told = Diagnosis(family=FAMILY, cause=cause, confidence=0.9, rests_on=(said,))
    if _unread(evidence):
        return Silent("not all that it could select can be read", told)
    if any(_matches(selector, pod["metadata"].get("labels") or {}) for pod in evidence.listed(POD.kind) or ()):
        return Silent("the Service selects pods of no workload")
    fits = list(_fits(evidence, service, selector))
    if len(fits) != 1:
        names = ", ".join(sorted({fit.workload for fit in fits}))
        because = f"several workloads could be meant: {names}" if fits else "no one workload can be meant"
        return Silent(because, told)
    fit = fits[0]
    part = fit.key.replace("~", "~0").replace("/", "~1")
    return _mended(
        evidence,
        service,
        SetField(path=f"/spec/selector/{part}", expected=fit.wrong, value=fit.right),
        cause=cause,
        rests_on=(said, f"{fit.workload} has {fit.key}={fit.right}, carries the port, and is the only one like it"),
        reason=f"select {fit.key}={fit.right} in place of {fit.wrong}",
    )


def _mended(
    evidence: Evidence, service: Manifest, edit: SetField, *, cause: str, rests_on: tuple[str, ...], reason: str,
    confidence: float = ONLY_ONE_FITS,
) -> Opinion:  # fmt: skip
    known = evidence.health.symptoms
    return opinion(
        evidence,
        edit,
        family=FAMILY,
        cause=cause,
        rests_on=rests_on,
        ends=next((symptom for symptom in SYMPTOMS if symptom in known), Symptom.NOT_READY),
        reason=f"let Service {service['metadata']['name']} {reason}",
        confidence=confidence,
        target=reference({"apiVersion": SERVICE.api_version, "kind": SERVICE.kind, **service}),
    )


def _port(evidence: Evidence, service: Manifest, selected: Sequence[Manifest], said: str) -> Silent | Opinion:
    """A Service whose targetPort is none of the ports of the one workload it selects."""
    pods = [pod for pod in evidence.listed(POD.kind) or () if _matches(service["spec"]["selector"], _own_labels(pod))]
    lines = [text for text, _ in _texts(evidence) if _place(evidence, service).search(text)]
    if (asked := unknown_port(service, lines)) is not None:
        return Silent("which of the two ports is meant is for a person to say", _other_port(service, asked, said))
    nowhere = leading_nowhere(service, [*selected, *pods])
    if len(nowhere) != 1:
        return Silent("its ports are there" if not nowhere else "more than one of its ports leads nowhere")
    index, item = nowhere[0]
    refused = next((line for line in lines if _REFUSED.search(line)), "") if any(map(is_ready, pods)) else ""
    if not is_asked(service, item, lines):
        return Silent("what leads nowhere is not the port that it sends to")
    old, by_name = item.get("targetPort", item.get("port")), isinstance(item.get("targetPort"), str)
    name, target = service["metadata"]["name"], selected[0]["metadata"]["name"]
    cause = f"Service {name} sends to port {old}, which {target} does not have"
    rests_on = tuple(dict.fromkeys((said, f"its log says {refused.strip()[:160]!r}" if refused else said)))
    meant, witnessed = port_meant(selected[0], item) if len(selected) == 1 else (None, False)
    if meant is None or item.get("protocol", "TCP") != "TCP" or not (by_name or refused) or _unread(evidence):
        return Silent(
            "no one port can be meant", Diagnosis(family=FAMILY, cause=cause, confidence=0.9, rests_on=rests_on)
        )
    place = f"ports[{item['name']}]" if item.get("name") else f"ports/{index}"
    return _mended(
        evidence,
        service,
        SetField(path=f"/spec/{place}/targetPort", expected=item.get("targetPort"), value=meant),
        cause=cause,
        rests_on=(*rests_on, f"{target} declares port {meant}, and no other is meant"),
        reason=f"send to port {meant} in place of {old}",
        confidence=ONLY_ONE_FITS if witnessed else SUGGESTED,
    )


def _other_port(service: Manifest, asked: int, said: str) -> Diagnosis:
    there = ", ".join(str(item.get("port")) for item in service.get("spec", {}).get("ports") or ())
    name = service["metadata"]["name"]
    cause = f"it sends to port {asked} of Service {name}, which has only {there}"
    return Diagnosis(family=FAMILY, cause=cause, confidence=0.9, rests_on=(said,))


def _unread(evidence: Evidence) -> bool:
    return any(evidence.listed(kind) is None for kind in (*_WORKLOADS, POD.kind))


def _workloads(evidence: Evidence) -> list[Manifest]:
    return [item for kind in _WORKLOADS for item in evidence.listed(kind) or () if not _on_its_way_out(item)]


def _fits(evidence: Evidence, service: Manifest, selector: Manifest) -> Iterator[Fit]:
    """Every workload that one other label would make it select, if all that it would select then is that one's.

    A value that the Service carries elsewhere, as its name or in a label of its own, is no slip: it is what is meant.
    """
    said_twice = {str(service["metadata"]["name"]), *map(str, _own_labels(service).values())}
    for key, wrong in selector.items():
        others = {name: value for name, value in selector.items() if name != key}
        near = [item for item in _workloads(evidence) if _matches(others, _labels(item)) and key in _labels(item)]
        meant = nearest(str(wrong), {_labels(item)[key] for item in near}) if str(wrong) not in said_twice else None
        chosen = [item for item in near if _labels(item)[key] == meant]
        if not all(carries(service, item) for item in chosen):
            continue  # it would send to some that do not have the port
        for item in chosen:
            if not _strangers(evidence, {**selector, key: meant}, item):
                name = f"{item['kind'].lower()}/{item['metadata']['name']}"
                yield Fit(workload=name, key=key, wrong=str(wrong), right=str(meant))


def _strangers(evidence: Evidence, selector: Manifest, workload: Manifest) -> bool:
    """Whether there are pods that the selector would match and that are none of the workload's: a Job's, a bare one."""
    matched = [
        pod for pod in evidence.listed(POD.kind) or () if _matches(selector, _own_labels(pod)) and not is_over(pod)
    ]
    return any(not _matches(_labels(workload), _own_labels(pod)) for pod in matched)


def _own_labels(manifest: Manifest) -> dict[str, str]:
    labels: dict[str, str] = manifest["metadata"].get("labels") or {}
    return labels


def _labels(workload: Manifest) -> dict[str, str]:
    labels: dict[str, str] = (pod_template(workload).get("metadata") or {}).get("labels") or {}
    return labels


def _matches(selector: Manifest, labels: Manifest) -> bool:
    return all(labels.get(key) == value for key, value in selector.items())
