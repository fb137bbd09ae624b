"""Pods that had to make room for pods of a higher priority: who pushed them out, with which class and value.

Rules: pkg/scheduler/framework/preemption (``Preempted by pod UID on node NODE``, said of the pod that goes) and the
PriorityClass of the API reference. The scheduler does as it was told, so that nothing is proposed: whose work comes
first, and whether more nodes are bought, is for people. The event names a pod; that it ranks higher is read from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from incidents.evidence import Evidence, Want, WantKind
from incidents.incident import Round
from incidents.moving import priority_of
from incidents.objects import POD, Manifest, controller_of
from incidents.proposals import Diagnosis, Needs, Silent
from incidents.snapshot import TEMPLATE_HASH, is_over
from incidents.symptoms import Symptom
from playbooks.edits import wanting
from playbooks.unplaced import SHORT_OF

FAMILY = "priority"
SYMPTOMS = (Symptom.UNSCHEDULABLE,)
SUBJECTS = ("Deployment", "StatefulSet", "DaemonSet", "Job", "Pod")

_SAID = re.compile(r"^(?P<victim>\S+) Preempted by pod (?P<by>\S+)(?: on node (?P<node>\S+))?")
_SURE = 0.93  # it explains why there is no room, which "no node has room" does not
_NAMED = 3  # pods that pushed it out; more would be a wall of text


def consider(evidence: Evidence, rounds: Sequence[Round]) -> Silent | Needs:
    """Who took the room of its pods; silent where nobody did, or whoever did is no more."""
    said = next((one.detail for one in evidence.health.findings if one.symptom is Symptom.UNSCHEDULABLE), "")
    if not SHORT_OF.search(said) and "Too many pods" not in said:
        return Silent("no pod of it waits for room")
    want = Want(WantKind.PREEMPTED, evidence.subject.namespace)
    if not evidence.asked(want):
        return Needs((want,))
    pushed = list(_pushed_out(evidence, evidence.answers[want.key]))
    if not pushed:
        return Silent("no pod of it was pushed out")
    if needs := wanting(evidence, POD.kind):
        return needs
    own = max(priority_of(pod) for pod in evidence.snapshot.current_pods) if evidence.snapshot.current_pods else 0
    higher = {
        pod["metadata"]["uid"]: pod for pod in evidence.listed(POD.kind) or () if priority_of(pod) > own and _stays(pod)
    }
    by = dict.fromkeys(found["by"] for found in reversed(pushed) if found["by"] in higher)
    if not by:
        return Silent("whoever pushed its pods out is gone, or of another namespace")
    told = list(dict.fromkeys(_in_words(higher[uid]) for uid in by))[:_NAMED]
    cause = f"pods of a higher priority pushed its pods out: {'; '.join(told)}; {_own(evidence, own)}"
    newest = next(found for found in reversed(pushed) if found["by"] in by)
    rests_on = (f"Pod/{newest['victim']} Preempted: {newest.string.partition(' ')[2]}", said[:240])
    told_of = Diagnosis(family="scheduling", cause=cause[:400], confidence=_SURE, rests_on=rests_on)
    return Silent("whose work comes first, and whether there are to be more nodes, is for people", told_of)


def _pushed_out(evidence: Evidence, lines: Sequence[str]) -> Iterator[re.Match[str]]:
    """What the scheduler said of pods of this subject: gone by now, they are known by their owner's name."""
    owners = [evidence.subject.name, *(one["metadata"]["name"] for one in evidence.snapshot.replica_sets)]
    for line in lines:
        found = _SAID.match(line)
        if found and (found["victim"] == evidence.subject.name or found["victim"].rpartition("-")[0] in owners):
            yield found


def _stays(pod: Manifest) -> bool:
    return not is_over(pod) and not pod["metadata"].get("deletionTimestamp")


def _in_words(pod: Manifest) -> str:
    kind, name = _owner(pod)
    place = pod.get("spec", {}).get("nodeName")
    at = f" on node {place}" if place else ""
    return f"{kind} {name}{at} has {_class(pod)}"


def _owner(pod: Manifest) -> tuple[str, str]:
    """Whose pod it is, as people know it: a ReplicaSet that carries its template's hash is a Deployment's."""
    owner = controller_of(pod) or {"kind": POD.kind, "name": pod["metadata"]["name"]}
    made, _, last = str(owner.get("name")).rpartition("-")
    if owner.get("kind") == "ReplicaSet" and made and last == (pod["metadata"].get("labels") or {}).get(TEMPLATE_HASH):
        return "Deployment", made
    return str(owner.get("kind")), str(owner.get("name"))


def _class(pod: Manifest) -> str:
    name = pod.get("spec", {}).get("priorityClassName")
    return f"PriorityClass {name} ({priority_of(pod)})" if name else f"priority {priority_of(pod)}"


def _own(evidence: Evidence, own: int) -> str:
    """What its own pods have. A template names the class; the value was given to the pods."""
    name = evidence.pod_spec.get("priorityClassName")
    return f"its own have PriorityClass {name} ({own})" if name else f"its own have none ({own})"
