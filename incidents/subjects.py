"""What an incident is about, and how the owners above an object lead to it.

The subject is the topmost owner of a kind we know. An owner is believed only if the object it names exists
with that uid, in the same namespace, and its selector matches what it is said to own: an owner reference is
text that anybody who may create a pod can write.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from incidents.objects import (
    AROUND_WORKLOADS,
    WORKLOADS,
    ClusterId,
    Manifest,
    ObjectRef,
    Uid,
    controller_of,
    named,
    reference,
    selects,
)

_PASSED_THROUGH = frozenset({"ReplicaSet"})  # owners on the way up that are never a subject themselves
_WITHOUT_SELECTOR = frozenset({"CronJob"})  # a CronJob marks its Jobs by owner reference alone


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What an incident is about; ``manager`` names an unknown controller above it, if there is one.

    ``was``: the uid under which its incident was opened, where a change has made the object anew since.
    """

    cluster: ClusterId
    api_version: str
    kind: str
    namespace: str
    name: str
    uid: Uid
    manager: str = ""
    was: Uid = Uid("")

    @property
    def ref(self) -> ObjectRef:
        """The subject as an object reference."""
        return ObjectRef(
            api_version=self.api_version,
            kind=self.kind,
            namespace=self.namespace,
            name=self.name,
            uid=self.uid,
        )

    @property
    def is_workload(self) -> bool:
        """Whether it runs pods; what is none of those is handed to a person and never changed."""
        return self.kind in WORKLOADS

    @property
    def key(self) -> str:
        """What makes two signals meet in one incident: cluster and uid, never the name."""
        return f"{self.cluster}/{self.uid}"

    @property
    def lease(self) -> str:
        """The store's lease that a run on this subject holds: the same from the incident's beginning to its end."""
        return f"subject/{self.cluster}/{self.was or self.uid}"

    def made_anew(self, uid: Uid) -> Subject:
        """The same subject once its object has been created again, with that uid."""
        return self if uid == self.uid else msgspec.structs.replace(self, uid=uid, was=self.was or self.uid)

    def __str__(self) -> str:
        return named(self.kind, self.name, self.namespace)


def owns(owner: Manifest, owned: Manifest) -> bool:
    """Whether ``owner`` may be believed to own ``owned``: same uid, same namespace, matching selector."""
    claim = controller_of(owned)
    if claim is None or claim.get("uid") != owner.get("metadata", {}).get("uid"):
        return False
    if owner.get("metadata", {}).get("namespace") != owned.get("metadata", {}).get("namespace"):
        return False
    if owner.get("kind") in _WITHOUT_SELECTOR:
        return True
    return selects(owner.get("spec", {}).get("selector"), owned.get("metadata", {}).get("labels"))


def subject_of(chain: Sequence[Manifest], *, cluster: ClusterId, manager: str = "") -> Subject | None:
    """The subject of a chain of believed objects, lowest first; None if none of them is a workload.

    ``manager`` is what stands above the last of them and was not followed.
    """
    for manifest in reversed(chain):
        ref = reference(manifest)
        if ref.kind in WORKLOADS and ref.kind not in _PASSED_THROUGH:
            return subject_at(ref, cluster=cluster, manager=manager)
    return None


def subject_around(manifest: Manifest, *, cluster: ClusterId) -> Subject | None:
    """An object that workloads use, as the subject of its own trouble; None if it is of no such kind."""
    ref = reference(manifest)
    return subject_at(ref, cluster=cluster) if ref.kind in AROUND_WORKLOADS else None


def subject_at(ref: ObjectRef, *, cluster: ClusterId, manager: str = "") -> Subject:
    """The subject that is this object."""
    return Subject(
        cluster=cluster,
        api_version=ref.api_version,
        kind=ref.kind,
        namespace=ref.namespace,
        name=ref.name,
        uid=ref.uid,
        manager=manager,
    )
