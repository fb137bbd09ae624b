"""What must still be there, and still at work, after somebody has changed something. Pure.

Data is what nobody can make again: volumes that were bound, and what ConfigMaps and Secrets hold. A workload that has
been stopped is lost to its users as one that was deleted is.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from simulator.safeguards import pod_spec_of

Manifest = Mapping[str, Any]

_HOLDERS = ("ConfigMap", "Secret")
_VOLUMES = ("PersistentVolumeClaim", "PersistentVolume")
_STORED = ("persistentVolumeClaim", "hostPath", "nfs", "csi", "iscsi")
KEPT = frozenset({
    *_HOLDERS, *_VOLUMES, "Deployment", "StatefulSet", "DaemonSet", "CronJob", "Service", "Ingress", "Namespace",
    "Node", "HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy", "ResourceQuota", "LimitRange",
    "ServiceAccount", "Role", "RoleBinding", "StorageClass",
})  # fmt: skip
"""Kinds that do not go by themselves."""


def lost_data(old: Manifest, new: Manifest | None, kind: str) -> list[str]:
    """What of an object's data is gone; ``new`` is None, or another object of its name, when it was deleted."""
    if kind in _VOLUMES:
        return _lost_volume(old, new)
    if new is None:
        return [f"its {len(_held(old))} keys are gone"] if kind in _HOLDERS and _held(old) else []
    if kind in _HOLDERS:
        return [f"key {key} is gone or changed" for key in sorted(_held(old)) if _held(new).get(key) != _held(old)[key]]
    return list(_dropped_volumes(old, new))


def _lost_volume(old: Manifest, new: Manifest | None) -> list[str]:
    bound = (old.get("status") or {}).get("phase") == "Bound"
    if bound and (new is None or new["metadata"].get("uid") != old["metadata"].get("uid")):
        return ["it was bound, and is gone"]
    policies = [(item or {}).get("spec", {}).get("persistentVolumeReclaimPolicy") for item in (old, new)]
    return ["it is deleted with its claim now"] if policies == ["Retain", "Delete"] else []


def _held(obj: Manifest) -> dict[str, Any]:
    return {key: value for part in ("data", "binaryData", "stringData") for key, value in (obj.get(part) or {}).items()}


def _dropped_volumes(old: Manifest, new: Manifest) -> Iterator[str]:
    """Volumes that keep something and that the pods have no more, or have in name only."""
    now = {item["name"]: item for item in pod_spec_of(new).get("volumes") or ()}
    for volume in pod_spec_of(old).get("volumes") or ():
        for source in _STORED:
            if source in volume and source not in now.get(volume["name"], {}):
                yield f"volume {volume['name']} is no {source} any more"
    templates = [[item["metadata"]["name"] for item in _templates(each)] for each in (old, new)]
    for name in sorted(set(templates[0]) - set(templates[1])):
        yield f"claim template {name} is gone"


def _templates(obj: Manifest) -> list[Any]:
    return list((obj.get("spec") or {}).get("volumeClaimTemplates") or ())


def stopped(old: Manifest, new: Manifest) -> Iterator[str]:
    """How a workload has been put to rest without being scaled to zero."""
    before, after = old.get("spec") or {}, new.get("spec") or {}
    for field in ("suspend", "paused"):
        if after.get(field) and not before.get(field):
            yield f"/spec/{field} is on"
    if after.get("maxReplicas") is not None and after.get("maxReplicas") == 0:
        yield "/spec/maxReplicas is 0"
    if before.get("parallelism") and after.get("parallelism") == 0:
        yield "/spec/parallelism is 0"
