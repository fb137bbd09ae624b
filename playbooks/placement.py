"""Where pods may be placed, beyond labels of nodes: beside other pods, spread over a topology, and by their size.

Rules: pkg/scheduler/framework/plugins/interpodaffinity, podtopologyspread (a node without the key is no domain of a
constraint that must hold) and noderesources. Asked by the family of scheduling; what leads to no one correction is told
there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from incidents.evidence import Evidence
from incidents.objects import Manifest
from incidents.proposals import Needs, Opinion, RollBack, SetField
from incidents.quantities import UnreadableQuantity, parse_bytes, parse_millis
from incidents.snapshot import pod_template
from incidents.symptoms import Symptom
from playbooks.confidence import CERTAIN, ONLY_ONE_FITS, SEEN_WELL
from playbooks.edits import opinion, wanting
from playbooks.last_good import basis, good_container, may_roll_back
from playbooks.neighbours import nearest

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet")


def labels_of(manifest: Manifest) -> dict[str, str]:
    """The labels of an object, never None."""
    labels: dict[str, str] = manifest["metadata"].get("labels") or {}
    return labels


def selected(node: Manifest, pod_spec: Manifest) -> bool:
    """Whether a node has the labels that a pod's ``nodeSelector`` asks for."""
    return bool((pod_spec.get("nodeSelector") or {}).items() <= labels_of(node).items())


def escaped(key: str) -> str:
    """A key as a segment of a path."""
    return key.replace("~", "~0").replace("/", "~1")


def beside(evidence: Evidence, said: str, family: str) -> Opinion | Needs | None:
    """The one label value by which its pods want to be beside others, where no pod has it and one is like it."""
    affinity = (evidence.pod_spec.get("affinity") or {}).get("podAffinity") or {}
    terms = list(affinity.get(REQUIRED) or ())
    if "pod affinity rules" not in said or len(terms) != 1:
        return None
    term, wanted = terms[0], (terms[0].get("labelSelector") or {}).get("matchLabels") or {}
    elsewhere = term.get("namespaces") or term.get("namespaceSelector")
    if len(wanted) != 1 or elsewhere or (term.get("labelSelector") or {}).get("matchExpressions"):
        return None
    if needs := wanting(evidence, "Pod", *_WORKLOADS):
        return needs
    ((key, wrong),) = wanted.items()
    there = {labels_of(pod)[key] for pod in evidence.listed("Pod") or () if key in labels_of(pod)}
    meant = nearest(str(wrong), there) if wrong not in {*there, *_values(evidence, key)} else None
    if meant is None or any(evidence.listed(kind) is None for kind in ("Pod", *_WORKLOADS)):
        return None  # those that it wants to be beside may have no pods just now
    path = f"/affinity/podAffinity/{REQUIRED}/0/labelSelector/matchLabels/{escaped(key)}"
    return opinion(
        evidence,
        SetField(path=evidence.pod_path + path, expected=wrong, value=meant),
        family=family,
        cause=f"it has to be beside pods with {key}={wrong}, and there are none",
        rests_on=(said[:240], f"pods here have {key}={meant}, and no other value is like it"),
        ends=Symptom.UNSCHEDULABLE,
        reason=f"be beside pods with {key}={meant} in place of {wrong}",
        confidence=CERTAIN,
    )


def _values(evidence: Evidence, key: str) -> set[str]:
    """What the pods of any workload here would have under a label, were there any."""
    templates = (pod_template(item) for kind in _WORKLOADS for item in evidence.listed(kind) or ())
    labels = ((template.get("metadata") or {}).get("labels") or {} for template in templates)
    return {str(one[key]) for one in labels if key in one}


def keeps_data(evidence: Evidence) -> bool:
    """Whether its pods keep something that outlasts them: where those are is then more than a wish."""
    if evidence.subject.kind == "StatefulSet":
        return True
    lasting = ("persistentVolumeClaim", "hostPath", "ephemeral", "csi", "nfs", "iscsi")
    return any(volume.get(kind) for volume in evidence.pod_spec.get("volumes") or () for kind in lasting)


def spread(evidence: Evidence, nodes: Sequence[Manifest], said: str, family: str) -> Opinion | None:
    """A spread over a key that no node has: the one key like it, else spread where that is possible."""
    constraints: list[dict[str, Any]] = list(evidence.pod_spec.get("topologySpreadConstraints") or ())
    unmet = [
        (index, one)
        for index, one in enumerate(constraints)
        if one.get("whenUnsatisfiable") == "DoNotSchedule"
        and not any(one.get("topologyKey") in labels_of(node) for node in nodes)
    ]
    if "topology spread constraints" not in said or len(unmet) != 1 or not nodes:
        return None
    index, constraint = unmet[0]
    key, place = str(constraint.get("topologyKey")), f"{evidence.pod_path}/topologySpreadConstraints/{index}"
    shared = set.intersection(*(set(labels_of(node)) for node in nodes))
    meant = nearest(key, shared)
    if meant is not None:
        edit = SetField(path=f"{place}/topologyKey", expected=key, value=meant)
        reason = f"spread over {meant} in place of {key}"
    elif keeps_data(evidence):
        return None
    else:
        edit = SetField(path=f"{place}/whenUnsatisfiable", expected="DoNotSchedule", value="ScheduleAnyway")
        reason = f"spread over {key} where that is possible, in place of requiring it"
    return opinion(
        evidence,
        edit,
        family=family,
        cause=f"it has to be spread over {key}, and no node has that label",
        rests_on=(said[:240], f"none of {len(nodes)} nodes has the label {key}"),
        ends=Symptom.UNSCHEDULABLE,
        reason=reason,
        confidence=ONLY_ONE_FITS if meant is None else CERTAIN,
    )


def too_large(evidence: Evidence, nodes: Sequence[Manifest], what: str, *, said: str, family: str) -> Opinion | None:
    """A request beyond every node that the last good revision did not make: that revision is put back.

    The amounts of before could be set by themselves; but a limit is never lowered by an edit, and a revision is known
    to work as a whole.
    """
    good = evidence.last_good
    if good is None or not may_roll_back(evidence):
        return None
    read = parse_millis if what == "cpu" else parse_bytes
    try:
        most = max(
            (read((node.get("status", {}).get("allocatable") or {}).get(what, "0")) for node in nodes), default=0
        )
        grown = [
            (container, now)
            for container in evidence.containers
            if (now := _asked(container, what)) is not None
            and read(now) > most
            and read(_asked(good_container(evidence, str(container.get("name"))) or {}, what) or "0") <= most
        ]
    except UnreadableQuantity:
        return None
    if not grown:
        return None
    asking = ", ".join(f"{container.get('name')} asks for {now} {what}" for container, now in grown)
    return opinion(
        evidence,
        action=RollBack(replica_set=good.name, digest=good.digest),
        family=family,
        cause=f"{asking}, more than any node has",
        rests_on=(said[:240], f"{basis(good)}, and asks for less"),
        ends=Symptom.UNSCHEDULABLE,
        reason=f"roll back to revision {good.number}, the last one known to work",
        confidence=SEEN_WELL,
    )


def _asked(container: Manifest, what: str) -> str | None:
    amount = ((container.get("resources") or {}).get("requests") or {}).get(what)
    return str(amount) if amount is not None else None
