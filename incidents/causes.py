"""Cause before symptom: which node, quota, StorageClass, webhook or workload explains what was found at a subject.

Read off the live objects alone: what an event says is text that whoever may create events writes, and a cause
reaches beyond the namespace it was named in. A cause is believed only of an object that exists and, for a
node, is in trouble itself.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

import msgspec

from incidents.health import Finding, Health, State
from incidents.object_health import KNOWN_BY_EFFECT, node_ready
from incidents.objects import (
    CLAIM,
    DAEMON_SET,
    DEPLOYMENT,
    MUTATING_WEBHOOK,
    NODE,
    QUOTA,
    SERVICE,
    STATEFUL_SET,
    STORAGE_CLASS,
    VALIDATING_WEBHOOK,
    Kind,
    Manifest,
    Uid,
    reference,
)
from incidents.signals import Signal, Source, clean
from incidents.snapshot import Snapshot, is_ready
from incidents.subjects import Subject
from incidents.symptoms import Symptom

EXPLAINS = "it explains "  # how it is said what a cause is to blame for
NODES_NAMED = 3  # nodes looked at for one subject: more than that at once is no accident of one of them
# A pod that does not say what it takes ("failed quota: q: must specify") fails by itself: the quota may be empty.
_QUOTA = re.compile(r"exceeded quota: ([a-z0-9][a-z0-9.-]{0,252})[,:]")
_WEBHOOK = re.compile(r'failed calling webhook "([a-z0-9][a-z0-9.-]{0,252})"')
_FOR_WANT_OF_ANOTHER = frozenset({Symptom.CRASH_LOOP, Symptom.NOT_READY, Symptom.ROLLOUT_STUCK})
_SYMPTOMS = {
    NODE.kind: Symptom.NODE_NOT_READY,
    QUOTA.kind: Symptom.QUOTA_EXHAUSTED,
    STORAGE_CLASS.kind: Symptom.CLAIM_PENDING,
    VALIDATING_WEBHOOK.kind: Symptom.WEBHOOK_FAILING,
    MUTATING_WEBHOOK.kind: Symptom.WEBHOOK_FAILING,
}


class Named(msgspec.Struct, frozen=True):
    """Something that a finding points at. A webhook is named by its own name, not by that of its configuration."""

    kind: Kind
    namespace: str
    name: str
    because: str


def causes_named(snapshot: Snapshot, health: Health) -> list[Named]:
    """What may explain the trouble of a subject, the likeliest first."""
    namespace = str(snapshot.workload["metadata"].get("namespace", ""))
    found: list[Named] = []
    for finding in health.findings:
        if finding.symptom is Symptom.CREATE_FORBIDDEN:  # the API server's own words; others quote what strangers write
            found += [Named(QUOTA, namespace, name, finding.detail) for name in _QUOTA.findall(finding.detail)]
            for name in _WEBHOOK.findall(finding.detail):
                found += [Named(kind, "", name, finding.detail) for kind in (VALIDATING_WEBHOOK, MUTATING_WEBHOOK)]
        if finding.symptom is Symptom.CLAIM_PENDING:
            found += [Named(STORAGE_CLASS, "", name, finding.detail) for name in _classes(snapshot)]
    nodes = dict.fromkeys(name for pod in snapshot.pods if (name := stranded_on(pod)))
    found += [Named(NODE, "", name, f"its pods run on {name}") for name in list(nodes)[:NODES_NAMED]]
    return list(dict.fromkeys(found))


def has_trouble_of_its_own(snapshot: Snapshot, health: Health) -> bool:
    """Whether something fails that nothing outside the subject can explain: a container that crashes, an image.

    What is short of a quota or has lost a node may be broken besides, and that would be hidden under the cause.
    """
    stranded = {pod["metadata"]["name"] for pod in snapshot.pods if stranded_on(pod)}
    waits = bool(stranded) or Symptom.CLAIM_PENDING in health.symptoms  # for a node, or for a volume
    return any(
        finding.pod and finding.pod not in stranded and not (waits and finding.symptom is Symptom.UNSCHEDULABLE)
        for finding in health.findings
    )


def is_down(workload: Manifest) -> bool:
    """Whether a workload that serves others should have pods and has none that is ready."""
    spec, status = workload.get("spec", {}), workload.get("status", {})
    if workload.get("kind") == DAEMON_SET.kind:
        return bool(status.get("desiredNumberScheduled")) and not status.get("numberReady")
    serves = workload.get("kind") in (DEPLOYMENT.kind, STATEFUL_SET.kind)
    return serves and spec.get("replicas", 1) != 0 and not status.get("readyReplicas")


def may_be_explained_by(cause: Subject, snapshot: Snapshot, health: Health) -> bool:
    """Whether what fails now can still be the cause's doing: its name is among those that the trouble points at.

    What cannot do without another workload crashes, or is not ready; it does nothing else for that.
    """
    if cause.is_workload or cause.kind == SERVICE.kind:
        return health.symptoms <= _FOR_WANT_OF_ANOTHER
    if has_trouble_of_its_own(snapshot, health):
        return False
    by_other_name = (VALIDATING_WEBHOOK.kind, MUTATING_WEBHOOK.kind)  # named by its webhooks and not by itself
    return any(
        named.kind.kind == cause.kind and (cause.kind in by_other_name or named.name == cause.name)
        for named in causes_named(snapshot, health)
    )


def explains(manifest: Manifest, named: Named) -> bool:
    """Whether the object that was read is what was named, and may be believed to be the cause."""
    if named.kind in (VALIDATING_WEBHOOK, MUTATING_WEBHOOK):
        return any(webhook.get("name") == named.name for webhook in manifest.get("webhooks") or ())
    if manifest.get("metadata", {}).get("name") != named.name:
        return False
    return not node_ready(manifest) if named.kind == NODE else True


def with_effects(health: Health, kind: str, explained: Sequence[Subject]) -> Health:
    """The health of a cause in the light of what it explains.

    A quota, a StorageClass, a webhook shows trouble in nothing but its effects: it fails for as long as it has any.
    """
    symptom = _SYMPTOMS.get(kind)
    if symptom is None or not explained or (kind not in KNOWN_BY_EFFECT and health.state is not State.FAILING):
        return health
    effects = tuple(Finding(symptom, f"{EXPLAINS}{subject}") for subject in explained)
    return msgspec.structs.replace(health, state=State.FAILING, findings=(*health.findings, *effects), until=None)


def stranded_on(pod: Manifest) -> str:
    """The node of a pod that is not Ready although its containers were when last heard of; empty for any other.

    A pod of which its node's kubelet has never said anything (no ``startTime``) waits for that node too.
    """
    status = pod.get("status", {})
    statuses = status.get("containerStatuses") or ()
    unheard = not statuses and not status.get("startTime") and status.get("phase", "Pending") == "Pending"
    if is_ready(pod) or not (unheard or (statuses and all(one.get("ready") for one in statuses))):
        return ""
    return str(pod.get("spec", {}).get("nodeName") or "")


def cause_signal(cause: Manifest, explained: Subject, because: str, now: datetime) -> Signal:
    """The signal about a cause that speaks of one subject it explains; the same subject again counts nothing."""
    ref = reference(cause)
    return Signal(
        about=ref,
        reason="Explains",
        symptom=_SYMPTOMS.get(ref.kind, Symptom.OTHER),
        message=clean(f"{EXPLAINS}{explained}: {because}"),
        first_seen=now,
        last_seen=now,
        source=Source.SWEEP,
        event_uid=Uid(f"explains/{explained.uid}"),
    )


def _classes(snapshot: Snapshot) -> list[str]:
    """The StorageClasses that were read beside a claim."""
    claims = [item for item in (snapshot.workload, *snapshot.related) if item.get("kind") == CLAIM.kind]
    wanted = {str(claim.get("spec", {}).get("storageClassName")) for claim in claims}
    return [
        item["metadata"]["name"]
        for item in snapshot.related
        if item.get("kind") == STORAGE_CLASS.kind and item["metadata"]["name"] in wanted
    ]
