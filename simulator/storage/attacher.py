"""Says of each VolumeAttachment of ours that the volume is attached: the external attacher of a storage vendor.

Who wants a volume on which node is for the controller-manager to decide. The volumes that are made in here need no
attaching (their CSIDriver says so): attachments of those are only stated by hand. Those of ``DISKS`` do.
"""

from simulator.controllers.controller import Controller, ControllerContext, is_deleting
from simulator.storage.kinds import ATTACHMENTS, DISKS, HOSTPATH


class Attacher(Controller):
    """One patch an attachment."""

    def __init__(self, context: ControllerContext) -> None:
        super().__init__(context)
        self._attachments = self.caches.of(ATTACHMENTS)
        self.watch_own(self._attachments)

    async def reconcile(self, namespace: str, name: str) -> None:
        found = self._attachments.get(namespace, name)
        if found is None or is_deleting(found) or found["spec"].get("attacher") not in (DISKS, HOSTPATH):
            return
        if not (found.get("status") or {}).get("attached"):
            patch = {"status": {"attached": True}}
            self._attachments.observe(await self.client.patch(ATTACHMENTS, name, patch, subresource="status"))
