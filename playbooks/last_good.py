"""What the last good revision had in place of what fails now: the most certain value there is.

Asked only where the present revision has never been well; what was well before and fails now was broken from elsewhere,
and an older template would not mend it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

from incidents.evidence import Evidence, Revision
from incidents.objects import STATEFUL_SET, Manifest
from incidents.ordering import of_present_revision
from incidents.pod_health import DATED_SECONDS, RESTART_MEMORY_SECONDS, container_statuses, has_begun, timestamp
from incidents.pointers import ABSENT, PathNotFound, resolve, value_at
from incidents.snapshot import is_ready
from playbooks.been_well import known_well, ran_for_long

ROLLED_BACK = ("Deployment", "DaemonSet", STATEFUL_SET.kind)
OUTLIVED_SECONDS = 30.0  # no two runs last equally long: so much longer than the last one is no chance


def never_well(evidence: Evidence) -> bool:
    """Whether the present revision has never been well, as far as is known and its pods tell."""
    return not (known_well(evidence) or ran_for_long(evidence))


def serves_now(evidence: Evidence) -> bool:
    """Whether a pod of the present revision is Ready, and not only between two crashes.

    What crashed at its start, for want of something that has come since, is not known to work yet; but whatever takes
    it back now ends what serves. Without a readiness probe a pod is Ready in every run of a crash loop, so that it
    counts once its containers have outlived their last runs: the answer must not hang on the moment of the look.
    """
    pods = (pod for item in evidence.present_sets for pod in evidence.snapshot.pods_of(item) if is_ready(pod))
    return any(all(_outlived(evidence, one) for one in container_statuses(pod)) for pod in pods)


def _outlived(evidence: Evidence, status: Manifest) -> bool:
    """Whether a container has run for longer than before its last end, or has had no end that tells anything now."""
    began = timestamp(((status.get("state") or {}).get("running") or {}).get("startedAt"))
    last = (status.get("lastState") or {}).get("terminated") or {}
    ended = timestamp(last.get("finishedAt"))
    if not status.get("restartCount") or began is None or ended is None:
        return True
    if evidence.taken_at - ended > timedelta(seconds=RESTART_MEMORY_SECONDS / evidence.speed):
        return True
    before = ended - (timestamp(last.get("startedAt")) or ended)
    more = timedelta(seconds=OUTLIVED_SECONDS / evidence.speed + DATED_SECONDS)
    return evidence.taken_at - began > before + more


def may_roll_back(evidence: Evidence) -> bool:
    """Whether the last good revision can be put back as a whole without loosening what the present one secures.

    Never while a pod of the present one serves (``serves_now``).
    A security setting that came with the present revision may be the very thing that somebody wanted. And what outlasts
    its pods may have been brought into a later form by the present one already, which an earlier one cannot read.
    """
    good = evidence.last_good
    if good is None or evidence.subject.kind not in ROLLED_BACK or not never_well(evidence):
        return False
    if serves_now(evidence):
        return False
    if may_have_written(evidence):
        return False
    return _security(good.template.get("spec", {})) == _security(evidence.pod_spec)


def may_have_written(evidence: Evidence) -> str:
    """What the present revision may have written to, in a form that the last good one cannot read; empty for nothing.

    As far as its pods tell. Only another program writes in another form, so that another setting of the same image does
    not count; but of a StatefulSet with claims of its own any change does, for those are what it is there for.
    """
    pods = of_present_revision(evidence.snapshot)
    seen = (*pods, *evidence.snapshot.current_failed_pods)
    claims = evidence.snapshot.workload.get("spec", {}).get("volumeClaimTemplates")
    if claims and (not pods or any(has_begun(pod) for pod in seen)):
        return "its claims"
    begun = _begun(seen)
    return next((what for name, what in _writing(evidence) if not pods or name in begun), "")


def _begun(pods: Iterable[Manifest]) -> set[str]:
    """The names of the containers that were ever started in one of the pods."""
    statuses = (one for pod in pods for one in container_statuses(pod))
    return {str(one.get("name")) for one in statuses if has_begun({"status": {"containerStatuses": [one]}})}


def _writing(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """Containers with another image than in the last good revision, and what they write to that it had as well."""
    good = evidence.last_good
    before = [_source(one) for one in good.template.get("spec", {}).get("volumes") or ()] if good is not None else []
    volumes = (one for one in evidence.pod_spec.get("volumes") or () if _outlasts(one) and _source(one) in before)
    shared = {str(one.get("name")): _in_words(one) for one in volumes}
    for container in (*evidence.init_containers, *evidence.containers):
        name = str(container.get("name"))
        if (good_container(evidence, name) or {}).get("image") == container.get("image"):
            continue
        mounts = (*(container.get("volumeMounts") or ()), *(container.get("volumeDevices") or ()))
        into = (str(one.get("name")) for one in mounts if not one.get("readOnly"))
        yield from ((name, shared[one]) for one in into if one in shared)


# Volumes that begin anew with every pod, or that nobody writes to (pkg/apis/core/types.go, VolumeSource).
_FLEETING = {"emptyDir", "ephemeral", "configMap", "secret", "downwardAPI", "projected", "image", "gitRepo"}
_NO_FILES = ("Socket", "CharDevice")  # types of a hostPath
_HOW = ("readOnly", "type", "fsType")  # it is mounted, and not where it is


def _source(volume: Manifest) -> tuple[str, Manifest]:
    """Where what is in a volume is kept: the kind of its source, and which one it is."""
    kind = next((key for key in volume if key != "name"), "")
    return kind, {key: value for key, value in (volume.get(kind) or {}).items() if key not in _HOW}


def _outlasts(volume: Manifest) -> bool:
    """Whether what is written to a volume is still there after its pod; not of one that is only read."""
    kind, _ = _source(volume)
    said = volume.get(kind) or {}
    return kind not in _FLEETING and not said.get("readOnly") and said.get("type") not in _NO_FILES


def _in_words(volume: Manifest) -> str:
    kind, source = _source(volume)
    claim = source.get("claimName")
    return f"PersistentVolumeClaim {claim}" if claim else f"volume {volume.get('name')} ({kind})"


_SECURING = ("securityContext", "hostNetwork", "hostPID", "hostIPC", "hostUsers", "runtimeClassName")


def _security(spec: Manifest) -> list[object]:
    """What a pod spec says of who its containers are and what of the node they reach."""
    containers = (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))
    token = spec.get("automountServiceAccountToken")
    from_node = [one.get("hostPath") for one in spec.get("volumes") or () if one.get("hostPath")]
    own = [(one.get("name"), said) for one in containers if (said := one.get("securityContext"))]
    return [*(spec.get(field) or {} for field in _SECURING), token, from_node, own]


def good_container(evidence: Evidence, name: str) -> dict[str, Any] | None:
    """The container of that name in the last good revision; None without one."""
    spec = evidence.last_good.template.get("spec", {}) if evidence.last_good is not None else {}
    found = (
        one for one in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())) if one.get("name") == name
    )
    return next(found, None)


def good_value(evidence: Evidence, path: str) -> Any:
    """What stands at a path below the pod spec (``/nodeSelector``) in the last good revision; None without one."""
    if evidence.last_good is None:
        return None
    spec = evidence.last_good.template.get("spec", {})
    try:
        found = value_at(spec, resolve(spec, path))
    except PathNotFound:
        return None
    return None if found is ABSENT else found


def basis(good: Revision) -> str:
    """Why a revision counts as good, in words."""
    how = f"has {good.ready} ready pods now" if good.ready else "was seen well before"
    return f"revision {good.number} {how}"
