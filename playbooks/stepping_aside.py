"""Rollouts that first want one pod more than there is room for: one of the old pods may step aside instead.

Rule: pkg/controller/deployment/util (ResolveFenceposts: a percentage of unavailable pods is rounded down, so that the
usual 25 % of up to three replicas is none). Nothing is wrong with the revision, and putting the old one back would
repeat itself at the next rollout. For a moment one pod fewer serves, which whoever wrote the strategy may not have
wanted: it is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from incidents.evidence import Evidence
from incidents.objects import DEPLOYMENT, POD, Manifest, selects
from incidents.proposals import Opinion, Risk, SetField
from incidents.quantities import UnreadableQuantity
from incidents.snapshot import is_ready, observed
from incidents.symptoms import Symptom
from playbooks.amounts import Unsaid, taken
from playbooks.by_hand import all_names, body, by_hand
from playbooks.confidence import SUGGESTED
from playbooks.edits import opinion
from playbooks.raising import one_pod
from playbooks.unplaced import SHORT_OF

_FREED = ("anti-affinity rules", "free ports", "Too many pods")  # what an old pod that goes leaves to the new one
_PLACED_BY = (
    "nodeSelector",
    "nodeName",
    "affinity",
    "tolerations",
    "topologySpreadConstraints",
    "schedulerName",
    "priorityClassName",
)


def one_fewer(workload: Manifest) -> SetField | None:
    """The edit by which one old pod may go before a new one comes; None where that is so, or the rollout is another."""
    spec, status = workload.get("spec", {}), workload.get("status", {})
    strategy, desired = spec.get("strategy") or {}, int(spec.get("replicas", 1))
    rolling = strategy.get("rollingUpdate") or {}
    rolls = workload.get("kind") == DEPLOYMENT.kind and strategy.get("type", "RollingUpdate") == "RollingUpdate"
    serves = observed(workload) and int(status.get("availableReplicas", 0)) >= desired > 0
    if not rolls or spec.get("paused") or not serves or _whole(rolling.get("maxUnavailable"), desired) != 0:
        return None
    if str(rolling.get("maxSurge")) in ("0", "0%"):
        return None  # where both come to nothing, one may go
    path = "/spec/strategy/rollingUpdate/maxUnavailable"
    return SetField(path=path, expected=rolling["maxUnavailable"], value=1)


def on_the_nodes(evidence: Evidence, family: str) -> Opinion | None:
    """The opinion where no node takes the pod that a rollout wants beside those that serve, and one that goes would do.

    An old pod leaves its node's room to a new one that is placed by the same rules and asks for no more.
    """
    said = [found.detail for found in evidence.health.findings if found.symptom is Symptom.UNSCHEDULABLE]
    edit = one_fewer(evidence.snapshot.workload)
    old = next((one for one in evidence.other_revisions if one.ready), None)
    if not said or edit is None or old is None or any(map(is_ready, evidence.snapshot.current_pods)):
        return None
    if not _fits_where(old.template.get("spec", {}), evidence.pod_spec, said[0]):
        return None
    name = evidence.subject.name
    return opinion(
        evidence,
        edit,
        family=family,
        cause=f"no node has room for the one pod more that the rollout of {name} wants before any other goes",
        rests_on=(said[0][:240], f"all replicas of revision {old.number} are available"),
        ends=Symptom.UNSCHEDULABLE,
        reason=_meaning(name),
        confidence=SUGGESTED,
        risk=Risk.MEDIUM,
    )


def within_a_quota(evidence: Evidence, refused: Sequence[Manifest]) -> tuple[str, ...]:
    """The command where a quota refuses the one workload the pod it wants more, and one that goes would make room.

    A command and no proposal: a quota is in no trouble but that of others, and says nothing of how a rollout goes on.
    """
    if len(refused) != 1 or (edit := one_fewer(refused[0])) is None:
        return ()
    quota, workload = evidence.snapshot.workload, refused[0]
    name, namespace = workload["metadata"].get("name"), evidence.subject.namespace
    old = [pod for pod in evidence.listed(POD.kind) or () if _of(workload, pod) and is_ready(pod)]
    try:
        keys = quota.get("spec", {}).get("hard") or {}
        fits = bool(old) and all(_leaves_room(quota, key, pod, workload) for key in keys for pod in old)
    except (Unsaid, UnreadableQuantity):
        return ()
    if not fits or not all_names((name, namespace)):
        return ()
    test = {"op": "test", "path": edit.path, "value": edit.expected}
    operations = [test, {"op": "replace", "path": edit.path, "value": edit.value}]
    return by_hand(
        f"or within the quota: {_meaning(str(name))}",
        *("patch", "deployment", str(name), "--type=json", "-p", body(operations)),
        namespace=namespace,
    )


def _meaning(name: str) -> str:
    return f"let the rollout of {name} take away one pod before the new one is ready; so long one fewer serves"


def _whole(text: object, desired: int) -> int | None:
    """How many pods an amount or a percentage is, rounded down; None for what is neither."""
    if isinstance(text, int):
        return text
    share = str(text).removesuffix("%")
    return desired * int(share) // 100 if str(text).endswith("%") and share.isdecimal() else None


def _fits_where(old: Mapping[str, Any], new: Mapping[str, Any], said: str) -> bool:
    """Whether a new pod fits where an old one goes, as far as the scheduler's reasons go."""
    short = {match["what"] for match in SHORT_OF.finditer(said)}
    if any(old.get(field) != new.get(field) for field in _PLACED_BY) or not (short or any(w in said for w in _FREED)):
        return False
    try:
        return _ports(old) == _ports(new) and all(
            taken(new, f"requests.{what}") <= taken(old, f"requests.{what}") for what in short
        )
    except Unsaid:
        return False


def _ports(spec: Mapping[str, Any]) -> set[object]:
    return {port.get("hostPort") for one in spec.get("containers") or () for port in one.get("ports") or ()}


def _leaves_room(quota: Manifest, key: str, pod: Manifest, workload: Manifest) -> bool:
    """Whether a pod that goes leaves as much under a key as a new one of the workload takes."""
    as_workload = {"spec": {"template": {"spec": pod["spec"]}}}
    return one_pod(as_workload, key, "") >= one_pod(workload, key, str(quota["metadata"].get("name")))


def _of(workload: Manifest, pod: Manifest) -> bool:
    selector = workload["spec"].get("selector")
    return bool(selector) and selects(selector, pod["metadata"].get("labels") or {})
