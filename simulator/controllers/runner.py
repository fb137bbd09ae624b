"""Starts the controllers over one client and keeps them together: if one ends, all end."""

import asyncio

from simulator.api_client import ApiClient
from simulator.autoscaling.horizontal import HorizontalPodAutoscalers
from simulator.clock import SimClock
from simulator.controllers.attach_detach import AttachDetachController
from simulator.controllers.controller import Caches, Controller, ControllerContext
from simulator.controllers.cronjob import CronJobController
from simulator.controllers.daemonset import DaemonSetController
from simulator.controllers.deployment import DeploymentController
from simulator.controllers.discovery import Discovery
from simulator.controllers.disruption import DisruptionController
from simulator.controllers.endpoint_slices import EndpointSliceController
from simulator.controllers.garbage import GarbageCollector
from simulator.controllers.job import JobController
from simulator.controllers.job_ttl import JobTtlController
from simulator.controllers.namespaces import NamespaceController
from simulator.controllers.node_lifecycle import NodeLifecycleController
from simulator.controllers.pod_garbage import PodGarbageCollector
from simulator.controllers.replicaset import ReplicaSetController
from simulator.controllers.resource_quota import ResourceQuotaController
from simulator.controllers.statefulset import StatefulSetController
from simulator.controllers.taint_eviction import TaintEvictionController
from simulator.event_recorder import EventRecorder
from simulator.storage.binder import VolumeBinder
from simulator.storage.ephemeral import EphemeralVolumes
from simulator.storage.protection import StorageProtection

CONTROLLERS: tuple[type[Controller], ...] = (
    NamespaceController,
    DeploymentController,
    ReplicaSetController,
    StatefulSetController,
    DaemonSetController,
    JobController,
    JobTtlController,
    CronJobController,
    EndpointSliceController,
    DisruptionController,
    ResourceQuotaController,
    NodeLifecycleController,
    TaintEvictionController,
    PodGarbageCollector,
    VolumeBinder,
    AttachDetachController,
    EphemeralVolumes,
    StorageProtection,
    HorizontalPodAutoscalers,
    GarbageCollector,
)
"""The garbage collector comes last: it follows what the others watch."""


async def run_controllers(client: ApiClient, clock: SimClock) -> None:
    """Run every controller until cancelled. ``client`` speaks as system:kube-controller-manager."""
    recorder = EventRecorder(client, clock)
    caches = Caches(client, clock)
    context = ControllerContext(client, clock, recorder, caches, Discovery(client))
    controllers = [kind(context) for kind in CONTROLLERS]
    async with asyncio.TaskGroup() as group:
        group.create_task(recorder.run())
        group.create_task(caches.run())
        for controller in controllers:
            group.create_task(controller.run())
