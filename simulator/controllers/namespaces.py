"""What every namespace gets, and how one goes: its content first, then itself.

A namespace is given the ServiceAccount ``default`` and the ConfigMap ``kube-root-ca.crt``, which pods refer
to without anybody writing it; a terminating one is emptied kind by kind and then finalized.
"""

from simulator.api_client import ApiError, Resource
from simulator.controllers.controller import Controller, ControllerContext, is_deleting
from simulator.informer import Object
from simulator.resources import ALL, CONFIG_MAPS, NAMESPACES, SERVICE_ACCOUNTS

_ROOT_CA = "kube-root-ca.crt"
_LOOK_AGAIN_SECONDS = 1.0
_CERTIFICATE = "-----BEGIN CERTIFICATE-----\nembedded cluster: loopback http only\n-----END CERTIFICATE-----\n"


class NamespaceController(Controller):
    """Namespace → default objects, or an empty namespace."""

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context)
        self._namespaces = self.caches.of(NAMESPACES)
        self._accounts = self.caches.of(SERVICE_ACCOUNTS, field_selector="metadata.name=default")
        self._roots = self.caches.of(CONFIG_MAPS, field_selector=f"metadata.name={_ROOT_CA}")
        self.watch_own(self._namespaces)
        for informer in (self._accounts, self._roots):
            informer.on_change(self._default_changed)

    async def reconcile(self, namespace: str, name: str) -> None:
        """``namespace`` is empty: the key is that of a cluster-wide object."""
        found = self._namespaces.get("", name)
        if found is None:
            return
        if is_deleting(found):
            await self._empty(found)
            return
        if self._accounts.get(name, "default") is None:
            await self._ensure(SERVICE_ACCOUNTS, {"metadata": {"name": "default", "namespace": name}})
        if self._roots.get(name, _ROOT_CA) is None:
            body = {"metadata": {"name": _ROOT_CA, "namespace": name}, "data": {"ca.crt": _CERTIFICATE}}
            await self._ensure(CONFIG_MAPS, body)

    async def _ensure(self, resource: Resource, body: Object) -> None:
        try:
            typed = {"apiVersion": resource.api_version, "kind": resource.kind} | body
            self.caches.of(resource).observe(await self.client.create(resource, typed))
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise

    async def _empty(self, namespace: Object) -> None:
        name = namespace["metadata"]["name"]
        left = sum([await self._delete_all(resource, name) for resource in ALL if resource.namespaced])
        if left:
            self.queue.add_after(("", name), _LOOK_AGAIN_SECONDS)
            return
        finalizers = [item for item in namespace["spec"].get("finalizers") or () if item != "kubernetes"]
        body = namespace | {"spec": namespace["spec"] | {"finalizers": finalizers}}
        try:
            await self.client.update(NAMESPACES, body, subresource="finalize")
        except ApiError as error:
            if error.code != 404:
                raise

    async def _delete_all(self, resource: Resource, namespace: str) -> int:
        """Ask everything of one kind to go; how many objects were still there."""
        items = (await self.client.list(resource, namespace)).get("items") or []
        for item in items:
            if is_deleting(item):
                continue
            try:
                await self.client.delete(resource, item["metadata"]["name"], namespace)
            except ApiError as error:
                if error.code not in (404, 409):
                    raise
        return len(items)

    def _default_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None and old is not None:
            self.queue.add(("", old["metadata"]["namespace"]))
