"""Starts the controllers over one client and keeps them together: if one ends, all end."""

import asyncio

from simulator.api_client import ApiClient
from simulator.clock import SimClock
from simulator.controllers.controller import Caches, Controller, ControllerContext
from simulator.controllers.deployment import DeploymentController
from simulator.controllers.endpoint_slices import EndpointSliceController
from simulator.controllers.garbage import GarbageCollector
from simulator.controllers.namespaces import NamespaceController
from simulator.controllers.replicaset import ReplicaSetController
from simulator.event_recorder import EventRecorder


async def run_controllers(client: ApiClient, clock: SimClock) -> None:
    """Run every controller until cancelled. ``client`` speaks as system:kube-controller-manager."""
    recorder = EventRecorder(client, clock)
    caches = Caches(client, clock)
    context = ControllerContext(client, clock, recorder, caches)
    controllers: list[Controller] = [
        NamespaceController(context),
        DeploymentController(context),
        ReplicaSetController(context),
        EndpointSliceController(context),
        GarbageCollector(context),
    ]
    async with asyncio.TaskGroup() as group:
        group.create_task(recorder.run())
        for informer in caches.informers.values():
            group.create_task(informer.run())
        for controller in controllers:
            group.create_task(controller.run())
