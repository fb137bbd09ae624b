"""Starts what a storage vendor adds to a cluster, over one client: against the embedded API server or a real one."""

import asyncio

from simulator.api_client import ApiClient, ApiError, Resource
from simulator.clock import SimClock
from simulator.controllers.controller import Caches, Controller, ControllerContext
from simulator.controllers.discovery import Discovery
from simulator.event_recorder import EventRecorder
from simulator.storage.attacher import Attacher
from simulator.storage.kinds import HOSTPATH
from simulator.storage.provisioner import Provisioner
from simulator.storage.resizer import Resizer

_DRIVERS = Resource("storage.k8s.io", "v1", "csidrivers", "CSIDriver", namespaced=False)
_DRIVER = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "CSIDriver",
    "metadata": {"name": HOSTPATH},
    "spec": {"attachRequired": False, "volumeLifecycleModes": ["Persistent"]},
}


async def run_storage(client: ApiClient, clock: SimClock) -> None:
    """Run provisioner, attacher and resizer until cancelled. ``client`` may write claims, volumes and their classes."""
    recorder = EventRecorder(client, clock)
    caches = Caches(client, clock)
    context = ControllerContext(client, clock, recorder, caches, Discovery(client))
    provisioner = Provisioner(context)
    controllers: list[Controller] = [provisioner, Attacher(context), Resizer(context)]
    await _create_driver(client)
    await provisioner.create_standard_class()
    async with asyncio.TaskGroup() as group:
        group.create_task(recorder.run())
        for informer in caches.informers.values():
            group.create_task(informer.run())
        for controller in controllers:
            group.create_task(controller.run())


async def _create_driver(client: ApiClient) -> None:
    try:
        await client.create(_DRIVERS, _DRIVER)
    except ApiError as error:
        if error.code != 409:
            raise
