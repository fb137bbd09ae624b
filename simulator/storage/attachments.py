"""Whether a volume is where a pod's node can mount it: what a kubelet looks for before it sets the volume up.

After pkg/volume/csi/csi_attacher.go in Kubernetes v1.36, by which an attachment's name is made. Only volumes of one
driver are attached at all in here (``simulator.storage.kinds.DISKS``); all others are on every node.
"""

import hashlib

from simulator.api_client import ApiClient, ApiError
from simulator.informer import Object
from simulator.storage.kinds import ATTACHMENTS, DISKS, VOLUMES


def attachment_name(volume: Object, node: str) -> str:
    """The name of the VolumeAttachment of a CSI volume and a node."""
    source = volume["spec"]["csi"]
    named = f"{source['volumeHandle']}{source['driver']}{node}"
    return f"csi-{hashlib.sha256(named.encode()).hexdigest()}"


def is_attached_at_all(volume: Object) -> bool:
    """Whether it is of the driver whose volumes have to be attached."""
    return (volume["spec"].get("csi") or {}).get("driver") == DISKS


async def is_there(client: ApiClient, volume_name: str, node: str) -> bool:
    """Whether the node has the volume, or needs no attaching to have it. Raises ``ApiError``."""
    volume = await client.get(VOLUMES, volume_name)
    if not is_attached_at_all(volume):
        return True
    try:
        found = await client.get(ATTACHMENTS, attachment_name(volume, node))
    except ApiError as error:
        if error.code == 404:
            return False
        raise
    return bool((found.get("status") or {}).get("attached"))
