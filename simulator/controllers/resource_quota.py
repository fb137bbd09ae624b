"""The status of ResourceQuotas: what is used is counted anew when a quota changes or something is deleted.

After pkg/controller/resourcequota in Kubernetes v1.36. Admission adds what is created; this takes off what is gone, so
it looks at deletions, at pods that end, and at everything once in five minutes.
"""

from simulator.controllers.controller import Controller, ControllerContext, is_deleting
from simulator.controllers.pods import is_terminal
from simulator.controllers.quota_usage import plural_of, usage
from simulator.controllers.workload_kinds import CLAIMS, QUOTAS
from simulator.informer import Object, key_of
from simulator.resources import CONFIG_MAPS, PODS, SERVICES

_RESYNC_SECONDS = 300.0
_WATCHED = (PODS, SERVICES, CLAIMS, CONFIG_MAPS)


class ResourceQuotaController(Controller):
    """ResourceQuota → its status."""

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context)
        self._quotas = self.caches.of(QUOTAS)
        self.watch_own(self._quotas)
        for resource in _WATCHED:
            self.caches.of(resource).on_change(self._freed)

    async def reconcile(self, namespace: str, name: str) -> None:
        """Count, and write if the status says something else."""
        quota = self._quotas.get(namespace, name)
        if quota is None or is_deleting(quota):
            return
        hard = quota["spec"].get("hard") or {}
        objects: dict[str, list[Object]] = {}
        for resource in hard:
            plural = plural_of(resource)
            if plural not in objects:
                objects[plural] = await self._objects(plural, namespace)
        used = {resource: usage(quota, resource, objects[plural_of(resource)]) for resource in hard}
        status = {"hard": hard, "used": used} if hard else {}
        if status != (quota.get("status") or {}):
            await self.update_status(QUOTAS, quota, status)
        self.queue.add_after((namespace, name), _RESYNC_SECONDS)

    async def _objects(self, plural: str, namespace: str) -> list[Object]:
        """Live, as a quota has to hold what a cache has not seen yet; nothing for a kind that is not served."""
        name, _, group = plural.partition(".")
        kinds = self.discovery.known or await self.discovery.kinds()
        found = (item.resource for item in kinds if item.resource.plural == name and item.resource.group == group)
        resource = next(found, None)
        if resource is None:
            return []
        return (await self.client.list(resource, namespace)).get("items") or []

    def _freed(self, old: Object | None, new: Object | None) -> None:
        if old is None or (new is not None and is_terminal(new) == is_terminal(old)):
            return
        for quota in self._quotas.in_namespace(old["metadata"].get("namespace", "")):
            self.queue.add(key_of(quota))
