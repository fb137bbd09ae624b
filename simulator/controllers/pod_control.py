"""The writes that controllers of pods share: create, delete, adopt, release, each with the real event.

After pkg/controller/controller_utils.go (RealPodControl) and controller_ref_manager.go in Kubernetes v1.36. Pods
are created in batches that double, so that a refusal (a quota, say) is met once and not a hundred times.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from simulator.api_client import ApiClient, ApiError
from simulator.controllers.controller import Caches, ControllerContext, controller_reference, is_deleting
from simulator.controllers.selecting import matches
from simulator.event_recorder import EventSource, reference_to
from simulator.informer import Informer, Object, ObjectKey, controller_of, key_of
from simulator.resources import PODS


class Orphans:
    """The pods that no controller owns, by namespace, so that looking for some to adopt costs nothing."""

    def __init__(self, pods: Informer) -> None:
        self._pods = pods
        self._keys: dict[str, set[ObjectKey]] = {}
        pods.on_change(self._changed)

    def of(self, namespace: str) -> list[Object]:
        """The orphans of one namespace."""
        found = (self._pods.get(*key) for key in sorted(self._keys.get(namespace, ())))
        return [pod for pod in found if pod is not None]

    def _changed(self, old: Object | None, new: Object | None) -> None:
        pod = new if new is not None else old
        if pod is None:
            return
        key = key_of(pod)
        if new is not None and controller_of(new) is None:
            self._keys.setdefault(key[0], set()).add(key)
        else:
            self._keys.get(key[0], set()).discard(key)


class PodControl:
    """Writes pods on behalf of one controller and keeps the cache in step."""

    def __init__(self, context: ControllerContext, source: EventSource) -> None:
        self._client: ApiClient = context.client
        self._recorder = context.recorder
        self._pods = context.caches.of(PODS)
        self._orphans = orphans_of(context.caches)
        self._source = source

    def owned_by(self, owner: Object) -> list[Object]:
        """The pods that ``owner`` controls, as cached."""
        uid = owner["metadata"]["uid"]
        return [pod for pod in self._pods.owned_by(uid) if _controlled_by(pod, uid)]

    async def claim(
        self, owner: Object, *, finalizer: str = "", takes: Callable[[Object], bool] = bool
    ) -> list[Object]:
        """The owner's pods, after letting go of those that no longer match and adopting orphans that do.

        ``takes`` narrows what may be adopted. An owner that is being deleted only releases.
        """
        selector = owner["spec"].get("selector")
        kept = []
        for pod in self.owned_by(owner):
            if matches(selector, pod["metadata"].get("labels")) or is_deleting(owner):
                kept.append(pod)
            elif not is_deleting(pod):
                await self._release(owner, pod, finalizer)
        if is_deleting(owner):
            return kept
        for pod in self._orphans.of(owner["metadata"]["namespace"]):
            fits = matches(selector, pod["metadata"].get("labels")) and takes(pod)
            if fits and not is_deleting(pod):
                kept += await self._adopt(owner, pod, finalizer)
        return kept

    async def create_all(self, owner: Object, bodies: list[Object]) -> list[Object]:
        """Create pods in doubling batches; the first batch with a refusal is the last. Raises ApiError."""
        created: list[Object] = []
        batch = 1
        while bodies:
            now, bodies = bodies[:batch], bodies[batch:]
            results = await asyncio.gather(*(self.create(owner, body) for body in now), return_exceptions=True)
            for result in results:
                if isinstance(result, BaseException):
                    raise result
                created.append(result)
            batch *= 2
        return created

    async def create(self, owner: Object, body: Object) -> Object:
        """Create one pod. Raises ApiError, after a FailedCreate event unless the namespace is going."""
        involved = reference_to(owner)
        try:
            created = await self._client.create(PODS, body)
        except ApiError as error:
            if not is_namespace_ending(error):
                self._recorder.warning(self._source, involved, "FailedCreate", f"Error creating: {error.message}")
            raise
        self._pods.observe(created)
        self._recorder.normal(self._source, involved, "SuccessfulCreate", f"Created pod: {created['metadata']['name']}")
        return created

    async def delete(self, owner: Object, pod: Object) -> None:
        """Delete one pod; one that is gone is fine. Raises ApiError, after a FailedDelete event."""
        metadata, involved = pod["metadata"], reference_to(owner)
        try:
            answer = await self._client.delete(PODS, metadata["name"], metadata["namespace"], uid=metadata["uid"])
        except ApiError as error:
            if error.code == 404:
                self._pods.forget(pod)
                return
            self._recorder.warning(self._source, involved, "FailedDelete", f"Error deleting: {error.message}")
            raise
        if lingers(answer):
            self._pods.observe(answer)
        else:
            self._pods.forget(pod)
        self._recorder.normal(self._source, involved, "SuccessfulDelete", f"Deleted pod: {metadata['name']}")

    async def patch(self, pod: Object, metadata: Mapping[str, Any]) -> Object | None:
        """Merge something into a pod's metadata; None when the pod is gone."""
        meta = pod["metadata"]
        body = {"metadata": {"uid": meta["uid"], **metadata}}
        try:
            answer = await self._client.patch(PODS, meta["name"], body, meta["namespace"])
        except ApiError as error:
            if error.code not in (404, 422):  # 422: another pod has the name by now, and its uid differs
                raise
            self._pods.forget(pod)
            return None
        self._pods.observe(answer)
        return answer

    async def _adopt(self, owner: Object, pod: Object, finalizer: str) -> list[Object]:
        metadata = pod["metadata"]
        references = [*(metadata.get("ownerReferences") or ()), controller_reference(owner)]
        change: dict[str, Any] = {"ownerReferences": references}
        if finalizer and finalizer not in (metadata.get("finalizers") or ()):
            change["finalizers"] = [*(metadata.get("finalizers") or ()), finalizer]
        adopted = await self.patch(pod, change)
        return [adopted] if adopted is not None else []

    async def _release(self, owner: Object, pod: Object, finalizer: str) -> None:
        metadata = pod["metadata"]
        uid = owner["metadata"]["uid"]
        references = [item for item in metadata["ownerReferences"] if item["uid"] != uid]
        change: dict[str, Any] = {"ownerReferences": references or None}
        if finalizer:
            change["finalizers"] = [item for item in metadata.get("finalizers") or () if item != finalizer] or None
        await self.patch(pod, change)


def orphans_of(caches: Caches) -> Orphans:
    """The one register of orphaned pods of these caches."""
    if not isinstance(caches.orphans, Orphans):
        caches.orphans = Orphans(caches.of(PODS))
    return caches.orphans


def pod_from(owner: Object, template: Object) -> Object:
    """The pod that a template describes, controlled by ``owner`` and named after it by the server."""
    metadata = owner["metadata"]
    described = template.get("metadata") or {}
    meta: dict[str, Any] = {
        "generateName": f"{metadata['name']}-",
        "namespace": metadata["namespace"],
        "labels": described.get("labels") or {},
        "ownerReferences": [controller_reference(owner)],
    }
    for field in ("annotations", "finalizers"):
        if described.get(field):
            meta[field] = described[field]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": template["spec"]}


def lingers(answer: Object) -> bool:
    """Whether a pod that was just deleted stays for its kubelet or a finalizer."""
    if answer.get("kind") != "Pod" or not is_deleting(answer):
        return False
    return bool(answer["spec"].get("nodeName") or answer["metadata"].get("finalizers"))


def is_namespace_ending(error: ApiError) -> bool:
    """Whether a creation failed because its namespace is being deleted: every other one will as well."""
    return error.reason == "Forbidden" and "is being terminated" in error.message


def _controlled_by(pod: Object, uid: str) -> bool:
    references: list[Object] = pod["metadata"].get("ownerReferences") or []
    if len(references) == 1:  # asked of all pods of an owner whenever one of them changes
        return bool(references[0]["uid"] == uid and references[0].get("controller"))
    reference = controller_of(pod)
    return reference is not None and bool(reference["uid"] == uid)
