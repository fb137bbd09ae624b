"""Which pods may be asked to leave their node: those that somebody makes anew elsewhere, and that leave nothing behind.

Stricter than `kubectl drain` is by default: a Job's pod would begin its work again, so it stays too. Rules of what is
critical: pkg/apis/scheduling (SystemCriticalPriority), of what is no pod of the API server: pkg/kubelet/types.
"""

from __future__ import annotations

from incidents.objects import REPLICA_SET, STATEFUL_SET, Manifest, Uid, controller_of
from incidents.snapshot import is_over, is_ready

MOST = 10  # pods that one change may ask to leave
CRITICAL = 2_000_000_000  # the least priority of what the cluster itself cannot be without
MADE_ANEW = {kind.kind: kind for kind in (REPLICA_SET, STATEFUL_SET)}  # controllers whose pods somebody else replaces
MIRROR = "kubernetes.io/config.mirror"  # a static pod's; the kubelet makes it from a file


def stays(pod: Manifest) -> str:
    """Why a pod is not asked to leave its node; empty where it may be."""
    metadata, spec = pod["metadata"], pod.get("spec", {})
    owner = controller_of(pod)
    if metadata.get("deletionTimestamp") or is_over(pod):
        return "it is over"
    if owner is None or owner.get("kind") not in MADE_ANEW or MIRROR in (metadata.get("annotations") or {}):
        return "nothing makes it anew elsewhere"
    if priority_of(pod) >= CRITICAL or str(metadata.get("namespace", "")).startswith("kube-"):
        return "the cluster needs it"
    if any(volume.get("emptyDir") is not None for volume in spec.get("volumes") or ()):
        return "it keeps data on the node"
    return ""


def priority_of(pod: Manifest) -> int:
    """The priority that admission has given a pod."""
    return int(pod.get("spec", {}).get("priority") or 0)


def owner_uid(pod: Manifest) -> Uid:
    """The uid of the controller that makes a pod anew; empty where there is none."""
    return Uid(str((controller_of(pod) or {}).get("uid", "")))


def spared(owner: Manifest, pod: Manifest) -> bool:
    """Whether a controller has all the ready pods it wants, but for this one: then one may go."""
    wanted = int(owner.get("spec", {}).get("replicas", 1))
    return int(owner.get("status", {}).get("readyReplicas", 0)) >= wanted - (not is_ready(pod))
