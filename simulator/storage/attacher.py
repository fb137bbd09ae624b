"""Says of each VolumeAttachment of ours that the volume is attached: the external attacher of a storage vendor.

Who wants a volume on which node is for the controller-manager to decide; our volumes need no attaching (their CSIDriver
says so), so that this answers only to attachments that somebody states by hand or for another driver of that name.
"""

from simulator.controllers.controller import Controller, ControllerContext, is_deleting
from simulator.storage.kinds import ATTACHMENTS, HOSTPATH


class Attacher(Controller):
    """One patch an attachment."""

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context)
        self._attachments = self.caches.of(ATTACHMENTS)
        self.watch_own(self._attachments)

    async def reconcile(self, namespace: str, name: str) -> None:
        found = self._attachments.get(namespace, name)
        if found is None or is_deleting(found) or found["spec"].get("attacher") != HOSTPATH:
            return
        if not (found.get("status") or {}).get("attached"):
            patch = {"status": {"attached": True}}
            self._attachments.observe(await self.client.patch(ATTACHMENTS, name, patch, subresource="status"))
