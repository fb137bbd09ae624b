"""Containers that end by themselves: what they lack, wired where one place fits, else told with their last words.

Rules: pkg/kubelet/kuberuntime (``CrashLoopBackOff``, ``lastState.terminated``); what a program lacks stands in its own
log. A required variable is wired from the one ConfigMap of this program that has a key of that name. A service it
cannot reach is followed to the workload behind it, which is the one to mend. A bug is for whoever wrote the program.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from incidents.causes import is_down
from incidents.evidence import Evidence
from incidents.incident import Round
from incidents.objects import TEMPLATED, Manifest, reference
from incidents.proposals import Diagnosis, Needs, Opinion, SetField, Silent
from incidents.snapshot import pod_template
from incidents.symptoms import Symptom
from playbooks.belonging import is_ours
from playbooks.confidence import ONLY_ONE_FITS
from playbooks.edits import opinion, wanting
from playbooks.last_good import never_well, serves_now
from playbooks.last_words import KILLED, digest, killed_by_probe, last_end, lines_of, matching
from playbooks.waking import waking

FAMILY = "crash"
SYMPTOMS = (Symptom.CRASH_LOOP,)
SUBJECTS = (*TEMPLATED, "Pod")

_KNOWN = 0.9  # the container itself says what it lacks
_ITS_OWN = 0.85  # it ends by itself, and says nothing that anybody here could act on
_VARIABLES = (
    re.compile(
        r"environment variable '?\"?(?P<name>[A-Z][A-Z0-9_]{2,})'?\"? (?:is )?(?:not set|missing|required|empty)"
    ),
    re.compile(r"\b(?P<name>[A-Z][A-Z0-9]*_[A-Z0-9_]+)\b:? (?:is not set|not set|must be set|is required|is missing)"),
    re.compile(r"missing (?:required )?(?:environment )?variable:? '?\"?(?P<name>[A-Z][A-Z0-9_]{2,})"),
    re.compile(r"KeyError: '(?P<name>[A-Z][A-Z0-9_]{2,})'"),
)
_AWAY = re.compile(
    r"refused|unreachable|cannot reach|can't reach|could not connect|no such host|ECONNREFUSED|ENOTFOUND"
    r"|connection timed out|i/o timeout|no route to host|no endpoints",
    re.IGNORECASE,
)
_PLACE = re.compile(r"(?<![\w.:/-])(?:[a-z]+://)?(?P<host>[a-z][a-z0-9-]{0,62}(?:\.[a-z0-9.-]+)?):(?P<port>\d{2,5})\b")
_FILE = re.compile(
    r"open '?\"?(?P<path>/[\w./-]+)'?\"?: no such file|No such file or directory: '(?P<other>/[\w./-]+)'"
)
_BEHIND = ("Deployment", "StatefulSet", "DaemonSet")
# Said of what a program gets along without: a line with these words is no reason for its end.
_GETS_ALONG = re.compile(
    r"\b(?:default\w*|optional|using|ignor\w+|disabl\w+|skip\w+|deprecated|falling back)\b", re.IGNORECASE
)


def consider(evidence: Evidence, rounds: Sequence[Round]) -> Silent | Needs | Opinion:
    """An opinion on the first container that ends by itself again and again."""
    name = _crashing(evidence)
    if name is None:
        return Silent("no container ends by itself")
    for way in (_variable, _upstream, _file):
        if (answer := way(evidence, name)) is not None:
            return answer
    return Silent("what it says of its end names nothing that can be mended here", _of_its_own(evidence, name))


def _crashing(evidence: Evidence) -> str | None:
    """The container that crashes of its own accord: not for its memory, not for a probe, and no init container."""
    inits = {one.get("name") for one in evidence.init_containers if one.get("restartPolicy") != "Always"}
    for found in evidence.health.findings:
        name = found.container
        if found.symptom is not Symptom.CRASH_LOOP or not name or name in inits:
            continue
        if evidence.container(name) is None or killed_by_probe(evidence, name):
            continue
        if last_end(evidence, name).get("exitCode") not in KILLED:
            return name
    return None


def _told(evidence: Evidence, name: str, cause: str, confidence: float, *rests_on: str) -> Diagnosis:
    return Diagnosis(family=FAMILY, cause=cause, confidence=confidence, rests_on=(*rests_on, _how(evidence, name)))


def _how(evidence: Evidence, name: str) -> str:
    end = last_end(evidence, name)
    code = end.get("exitCode")
    return f"container {name} of {evidence.subject} ends" + (f" with exit code {code}" if code is not None else "")


def _of_its_own(evidence: Evidence, name: str) -> Diagnosis:
    said = digest(evidence, name)
    cause = f"{_how(evidence, name)}" + (f" and says: {said[0]}" if said else " and says nothing")
    return _told(evidence, name, cause, _ITS_OWN, *said)


def _variable(evidence: Evidence, name: str) -> Silent | Needs | Opinion | None:
    found = (one for pattern in _VARIABLES for one in matching(evidence, name, pattern))
    said = next((one for one in found if not _GETS_ALONG.search(one[0])), None)
    if said is None:
        return None
    line, variable = said[0], said[1]["name"]
    cause = f"container {name} needs the variable {variable}, which it is not given"
    told = _told(evidence, name, cause, _KNOWN, line)
    container = evidence.container(name) or {}
    taken = {(one.get("configMapRef") or {}).get("name") for one in container.get("envFrom") or ()}
    if any(one.get("name") == variable for one in container.get("env") or ()):
        return Silent(f"{variable} is given to it, and is not what it wants", told)
    if not never_well(evidence) or evidence.subject.kind not in TEMPLATED:
        return Silent("it was well before without a change of its own", told)
    if serves_now(evidence):
        return Silent("a pod of it is ready just now: it may have what it lacked", told)
    if needs := wanting(evidence, "ConfigMap", *_BEHIND):
        return needs
    others = [one for kind in _BEHIND for one in evidence.listed(kind) or ()]
    holding = [one for one in evidence.listed("ConfigMap") or () if variable in (one.get("data") or {})]
    if any(one["metadata"]["name"] in taken for one in holding):
        return Silent(f"{variable} is given to it with a whole ConfigMap, and is not what it wants", told)
    if len(holding) != 1 or not is_ours(evidence, holding[0], others):
        names = ", ".join(sorted(one["metadata"]["name"] for one in holding))
        why = (
            f"these have it, and nobody knows which is meant: {names}" if holding else "no ConfigMap here has that key"
        )
        return Silent(f"{variable}: {why}", told)
    return _wired(evidence, name, variable, holding[0]["metadata"]["name"], told)


def _wired(evidence: Evidence, name: str, variable: str, source: str, told: Diagnosis) -> Opinion:
    value = {"name": variable, "valueFrom": {"configMapKeyRef": {"name": source, "key": variable}}}
    return opinion(
        evidence,
        SetField(path=f"{evidence.container_path(name)}/env[{variable}]", expected=None, value=value),
        family=FAMILY,
        cause=told.cause,
        rests_on=(*told.rests_on, f"ConfigMap {source} belongs to it, and is the only one here with that key"),
        ends=Symptom.CRASH_LOOP,
        reason=f"give {name} {variable} from ConfigMap {source}",
        confidence=ONLY_ONE_FITS,
    )


def _upstream(evidence: Evidence, name: str) -> Silent | Needs | Opinion | None:
    found = next(_unreached(evidence, name), None)
    if found is None:
        return None
    line, host, port = found
    if needs := wanting(evidence, "Service", *_BEHIND):
        return msgspec.structs.replace(needs, first=True)  # a roll back would be no help where another is down
    cause = f"container {name} cannot reach {host}:{port}"
    services = {one["metadata"]["name"]: one for one in evidence.listed("Service") or ()}
    if host not in services:
        return Silent(f"there is no Service {host} here", _told(evidence, name, cause, _KNOWN, line))
    behind = list(_workloads_behind(evidence, services[host]))
    state = "; ".join(_state(one) for one in behind) or "no workload has the labels that it selects"
    wanted = [one for one in behind if one.get("spec", {}).get("replicas", 1)]
    if any(not is_down(one) for one in wanted):
        told = _told(evidence, name, f"{cause}, although {state}", _KNOWN, line)
        return Silent("which of the two is wrong is for a person to say", told)
    told = _told(
        evidence, name, f"{cause}: {state}", 0.93, line, f"Service {host} has no endpoints that answer: {state}"
    )
    if not wanted and (answer := waking(evidence, behind, told, Symptom.CRASH_LOOP)) is not None:
        return msgspec.structs.replace(answer, first=True) if isinstance(answer, Needs) else answer
    if wanted and len(wanted) == len(behind):  # what somebody has scaled to zero is in no trouble of its own
        told = msgspec.structs.replace(told, blames=reference(wanted[0]))
    return Silent(f"what it needs has to be mended first: {state}", told)


def _unreached(evidence: Evidence, name: str) -> Any:
    """Lines that say that something does not answer, each with the first host and port that it names."""
    for line in lines_of(evidence, name):
        if _AWAY.search(line) and (place := _PLACE.search(line)):
            host, _, rest = place["host"].partition(".")
            if not rest or rest.split(".")[0] == evidence.subject.namespace:
                yield line[:200], host, place["port"]


def _workloads_behind(evidence: Evidence, service: Manifest) -> Any:
    selector = service.get("spec", {}).get("selector") or {}
    for kind in _BEHIND:
        for one in evidence.listed(kind) or ():
            labels = (pod_template(one).get("metadata") or {}).get("labels") or {}
            if selector and all(labels.get(key) == value for key, value in selector.items()):
                yield one


def _state(workload: Manifest) -> str:
    name = f"{str(workload.get('kind', '')).lower()}/{workload['metadata']['name']}"
    wanted = workload.get("spec", {}).get("replicas", 1)
    if wanted == 0:
        return f"{name} is scaled to zero replicas"
    return f"{name} has {workload.get('status', {}).get('readyReplicas', 0)} of {wanted} replicas ready"


def _file(evidence: Evidence, name: str) -> Silent | None:
    found = next(matching(evidence, name, _FILE), None)
    if found is None:
        return None
    path = found[1]["path"] or found[1]["other"]
    told = _told(evidence, name, f"container {name} needs the file {path}, which is not there", _KNOWN, found[0])
    return Silent("nothing here says where that file should come from", told)
