"""What the cluster assigns to an object that somebody else has created: a node, a volume, a token, labels. Pure.

An object that is deleted and created again gets other ones, and nobody has chosen them.
"""

_FIELDS = {"Pod": ("/spec/nodeName",), "PersistentVolumeClaim": ("/spec/volumeName",)}
_CLAIM_ANNOTATIONS = tuple(
    f"/metadata/annotations/{prefix}"
    for prefix in ("pv.kubernetes.io~1", "volume.kubernetes.io~1", "volume.beta.kubernetes.io~1storage-provisioner")
)
_TOKEN = "/kube-api-access-"  # noqa: S105 - the name of a volume, as admission begins it


def assigned(kind: str, pointer: str) -> bool:
    """Whether the cluster gives an object of that kind what stands at a pointer, its list items named."""
    if kind == "Pod" and _TOKEN in pointer and pointer.startswith("/spec/"):
        return "/volumeMounts/" in pointer or pointer.startswith(f"/spec/volumes{_TOKEN}")
    if kind == "Job":
        return pointer.endswith(("~1controller-uid", "/controller-uid"))
    if kind == "PersistentVolumeClaim" and pointer.startswith(_CLAIM_ANNOTATIONS):
        return True
    return pointer in _FIELDS.get(kind, ())
