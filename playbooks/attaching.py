"""Volumes that are bound and all the same not there: held by another node, not mounted, not made larger.

Rules: pkg/controller/volume/attachdetach (``Multi-Attach error for volume``: a volume that allows one node is refused
to a second), pkg/kubelet/volumemanager (``unmounted volumes=[...]``) and the resize conditions of a claim. Asked by the
family of storage. What would help takes a volume away from somebody, so that it is told, with the pod that holds it;
where that is the earlier pod of a rollout that may not go before the new one comes, ``Recreate`` is asked for. A volume
that a lost node holds is that node's trouble: no rule may take it from a node that may still write to it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from incidents.evidence import EventLine, Evidence
from incidents.object_health import claims_of, node_ready
from incidents.objects import CLAIM, DEPLOYMENT, NODE, POD, Manifest, reference
from incidents.proposals import Diagnosis, Needs, Opinion, Risk, SetField, Silent
from incidents.snapshot import is_over, is_ready
from incidents.symptoms import Symptom
from playbooks.confidence import SUGGESTED
from playbooks.edits import named, opinion, wanting

_HELD = re.compile(r'Multi-Attach error for volume "(?P<volume>[^"]+)"(?P<by>[^\n]*)')
_UNMOUNTED = re.compile(r"unmounted volumes=\[(?P<names>[^\]]+)\]")
_REASONS = frozenset({"FailedAttachVolume", "FailedMount", "FailedMapVolume", "FailedMountOnFilesystemMismatch"})
_NOT_LARGER = (" cannot be made larger: ", " is not made larger: ")  # incidents/object_health.py
_STUCK = (Symptom.ROLLOUT_STUCK, Symptom.NOT_READY)
_TOLD = 3  # pods that hold a volume; more would be a wall of text


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A pod that waits for a volume, and what the controller that attaches volumes said of it."""

    volume: str
    pod: Manifest
    said: str


def held(evidence: Evidence) -> Held | None:
    """The first pod of the present spec that waits for a claim's volume which another node holds, as it is said."""
    for pod in evidence.snapshot.current_pods:
        if is_ready(pod) or not claims_of(pod):
            continue
        for line in reversed(_lines(evidence, pod)):
            if line.reason == "FailedAttachVolume" and (found := _HELD.search(line.message)):
                return Held(volume=found["volume"], pod=pod, said=line.message[:300])
    return None


def considered(evidence: Evidence, family: str) -> Silent | Needs | Opinion | None:
    """What is known of a volume that another node holds, by the pods that are there; None where none is known to."""
    waiting = held(evidence)
    if waiting is None:
        return None
    if needs := wanting(evidence, CLAIM.kind, POD.kind, NODE.kind):
        return needs
    claims = [one for one in evidence.listed(CLAIM.kind) or () if one["metadata"]["name"] in claims_of(waiting.pod)]
    claim = next((one for one in claims if one.get("spec", {}).get("volumeName") == waiting.volume), None)
    holders = _holders(evidence, waiting.pod, claim) if claim is not None else []
    if claim is None or not holders:
        return None
    cause = _in_words(waiting, claim, holders)
    lost = _lost(evidence, holders)
    if lost is not None:
        cause = f"node {lost['metadata']['name']} is not ready, and no other may have what it holds: {cause}"
        told = Diagnosis(family="node", cause=cause[:500], confidence=0.95, rests_on=(waiting.said,))
        return Silent("a node is mended by people", msgspec.structs.replace(told, blames=reference(lost)))
    told = Diagnosis(family=family, cause=cause[:500], confidence=0.92, rests_on=(waiting.said,))
    return _recreated(evidence, holders, told) or Silent("the program takes a volume from nobody", told)


def _holders(evidence: Evidence, pod: Manifest, claim: Manifest) -> list[Manifest]:
    """The pods that have the claim on another node than the pod's."""
    place, name = pod.get("spec", {}).get("nodeName"), claim["metadata"]["name"]
    return [
        other
        for other in evidence.listed(POD.kind) or ()
        if name in claims_of(other)
        and other.get("spec", {}).get("nodeName") not in (None, "", place)
        and not is_over(other)
    ]


def _in_words(waiting: Held, claim: Manifest, holders: Sequence[Manifest]) -> str:
    pod, modes = waiting.pod, ", ".join(claim.get("spec", {}).get("accessModes") or ())
    by = ", ".join(f"pod {one['metadata']['name']} on node {one['spec']['nodeName']}" for one in holders[:_TOLD])
    return (
        f"volume {waiting.volume} of PersistentVolumeClaim {claim['metadata']['name']} ({modes}) is held by {by};"
        f" pod {pod['metadata']['name']} on node {pod.get('spec', {}).get('nodeName')} cannot have it as well"
    )


def _lost(evidence: Evidence, holders: Sequence[Manifest]) -> Manifest | None:
    nodes = (named(evidence.listed(NODE.kind), str(one["spec"]["nodeName"])) for one in holders)
    return next((node for node in nodes if node is not None and not node_ready(node)), None)


def _recreated(evidence: Evidence, holders: Sequence[Manifest], told: Diagnosis) -> Opinion | None:
    """A rollout of one replica that keeps the old pod until the new one is ready, which waits for what the old one has.

    Not while a holder is going anyway, nor where it is somebody else's; with more replicas, two would want it again.
    """
    spec = evidence.snapshot.workload.get("spec", {})
    strategy = spec.get("strategy") or {}
    ours = {pod["metadata"]["uid"] for pod in evidence.snapshot.live_pods}
    ends = next((one for one in _STUCK if one in evidence.health.symptoms), None)
    rolls = evidence.subject.kind == DEPLOYMENT.kind and strategy.get("type") == "RollingUpdate"
    if ends is None or not rolls or evidence.snapshot.desired != 1:
        return None
    if any(one["metadata"]["uid"] not in ours or one["metadata"].get("deletionTimestamp") for one in holders):
        return None
    return opinion(
        evidence,
        SetField(path="/spec/strategy", expected=strategy, value={"type": "Recreate"}),
        family=told.family,
        cause=told.cause,
        rests_on=(*told.rests_on, "its strategy keeps the old pod until the new one is ready"),
        ends=ends,
        reason="stop the old pod before the new one starts (strategy Recreate); until that is ready, nobody serves",
        confidence=SUGGESTED,
        risk=Risk.MEDIUM,
    )


def _sizes(evidence: Evidence, name: str) -> str:
    """What a claim asks for and what it has, where the claim was read."""
    read = (evidence.snapshot.workload, *evidence.snapshot.related)
    claim = next((one for one in read if one.get("kind") == CLAIM.kind and one["metadata"]["name"] == name), None)
    if claim is None:
        return ""
    asked = ((claim.get("spec", {}).get("resources") or {}).get("requests") or {}).get("storage")
    return f"; it asks for {asked} and has {(claim.get('status', {}).get('capacity') or {}).get('storage')}"


def _lines(evidence: Evidence, pod: Manifest) -> list[EventLine]:
    about = f"Pod/{pod['metadata']['name']}"
    return [line for line in evidence.events if line.about == about and line.reason in _REASONS]


def explained(evidence: Evidence, family: str) -> Diagnosis | None:
    """What is known of a volume that is bound and not there; None where nothing of the kind is said."""
    findings = [one.detail for one in evidence.health.findings if one.symptom is Symptom.CLAIM_PENDING]
    for said in findings:
        if any(words in said for words in _NOT_LARGER):
            cause = f"PersistentVolumeClaim {said}{_sizes(evidence, said.partition(' ')[0])}"
            return Diagnosis(family=family, cause=cause, confidence=0.92, rests_on=(said,))
    waiting = {f"Pod/{pod['metadata']['name']}" for pod in evidence.snapshot.current_pods if not is_ready(pod)}
    lines = [one for one in evidence.events if one.reason in _REASONS and one.about in waiting]
    for line in reversed(lines):  # the newest come last
        if held := _HELD.search(line.message):
            cause = f"volume {held['volume']} of {line.about} is still attached elsewhere: {held['by'].strip(' .')}"
            return Diagnosis(family=family, cause=cause[:300], confidence=0.9, rests_on=(line.message[:300],))
    for line in reversed(lines):
        if names := _UNMOUNTED.search(line.message):
            cause = f"volume {names['names']} of {line.about} is not mounted: {line.message}"
            return Diagnosis(family=family, cause=cause[:300], confidence=0.6, rests_on=(line.message[:300],))
    return None
