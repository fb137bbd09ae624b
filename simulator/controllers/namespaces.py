"""What every namespace gets, and how one goes: its content first, then itself.

A namespace is given the ServiceAccount ``default`` and the ConfigMap ``kube-root-ca.crt``, which pods refer
to without anybody writing it; a terminating one is emptied (``namespace_content``) and then finalized.
"""

from simulator.api_client import ApiError, Resource
from simulator.controllers.controller import Controller, ControllerContext, is_deleting
from simulator.controllers.namespace_content import NamespaceContent, Remains, conditions
from simulator.informer import Object
from simulator.resources import CONFIG_MAPS, NAMESPACES, SERVICE_ACCOUNTS

_ROOT_CA = "kube-root-ca.crt"
_DEFAULTS = ("default", _ROOT_CA)
_LOOK_AGAIN_SECONDS = 1.0
_DESCRIPTION = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the "
    "internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes "
    "clusters."
)
_CERTIFICATE = "-----BEGIN CERTIFICATE-----\nembedded cluster: loopback http only\n-----END CERTIFICATE-----\n"


class NamespaceController(Controller):
    """Namespace → default objects, or an empty namespace."""

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context)
        self._namespaces = self.caches.of(NAMESPACES)
        self._accounts = self.caches.of(SERVICE_ACCOUNTS)
        self._config_maps = self.caches.of(CONFIG_MAPS)
        self._content = NamespaceContent(context.client, context.discovery)
        self.watch_own(self._namespaces)
        for informer in (self._accounts, self._config_maps):
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
        root = self._config_maps.get(name, _ROOT_CA)
        if root is None:
            metadata = {"name": _ROOT_CA, "namespace": name, "annotations": {"kubernetes.io/description": _DESCRIPTION}}
            body = {"metadata": metadata, "data": {"ca.crt": _CERTIFICATE}}
            await self._ensure(CONFIG_MAPS, body)
        elif root.get("data") != {"ca.crt": _CERTIFICATE}:
            restored = root | {"data": {"ca.crt": _CERTIFICATE}}
            self._config_maps.observe(await self.client.update(CONFIG_MAPS, restored))

    async def _ensure(self, resource: Resource, body: Object) -> None:
        try:
            typed = {"apiVersion": resource.api_version, "kind": resource.kind} | body
            self.caches.of(resource).observe(await self.client.create(resource, typed))
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise

    async def _empty(self, namespace: Object) -> None:
        name = namespace["metadata"]["name"]
        if "kubernetes" not in (namespace["spec"].get("finalizers") or ()):
            return
        remains = await self._content.delete(name)
        namespace = await self._report(namespace, remains)
        if remains.anything:
            self.queue.add_after(("", name), _LOOK_AGAIN_SECONDS)
            return
        finalizers = [item for item in namespace["spec"].get("finalizers") or () if item != "kubernetes"]
        body = namespace | {"spec": namespace["spec"] | {"finalizers": finalizers}}
        try:
            await self.client.update(NAMESPACES, body, subresource="finalize")
        except ApiError as error:
            if error.code != 404:
                raise

    async def _report(self, namespace: Object, remains: Remains) -> Object:
        wanted = conditions(namespace, remains, self.clock.timestamp())
        status = namespace.get("status") or {}
        if wanted == (status.get("conditions") or []):
            return namespace
        return await self.update_status(NAMESPACES, namespace, status | {"conditions": wanted})

    def _default_changed(self, old: Object | None, new: Object | None) -> None:
        """One of the default objects was deleted or changed."""
        if old is not None and old["metadata"]["name"] in _DEFAULTS:
            self.queue.add(("", old["metadata"]["namespace"]))
