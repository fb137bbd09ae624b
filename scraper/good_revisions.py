"""Recording which revisions were seen well: the source of "last good" for workloads whose good pods are gone."""

from __future__ import annotations

import structlog

from evidence.snapshots import read_snapshot
from incidents.health import State, assess
from incidents.objects import DEPLOYMENT, ClusterId, Manifest, reference
from incidents.policy import Policy
from incidents.snapshot import pod_template, template_digest
from incidents.subjects import Subject
from tools.clock import Clock
from tools.cluster.reader import Reader
from tools.store.sqlite import Store

log = structlog.get_logger(__name__)


async def record_good_revisions(
    reader: Reader, store: Store, *, cluster: ClusterId, policy: Policy, clock: Clock
) -> int:
    """Look at every Deployment the policy covers and record the revisions that are well now; answers how many.

    Pods are read only for Deployments whose own status says that they are rolled out. Raises ClusterError.
    """
    recorded = 0
    for namespace in policy.namespaces or ("",):
        recorded += await _record(reader, store, namespace, cluster=cluster, policy=policy, clock=clock)
    log.info("revisions.recorded", well=recorded)
    return recorded


async def _record(
    reader: Reader, store: Store, namespace: str, *, cluster: ClusterId, policy: Policy, clock: Clock
) -> int:
    recorded = 0
    async for item in reader.each(DEPLOYMENT, namespace):
        if not policy.covers(item["metadata"]["namespace"]) or not _rolled_out(item):
            continue
        ref = reference(item)
        snapshot = await read_snapshot(reader, ref, now=clock.now())
        if snapshot is None or assess(snapshot, clock.now(), clock.speed).state is not State.WELL:
            continue
        subject = Subject(
            cluster=cluster,
            api_version=ref.api_version,
            kind=ref.kind,
            namespace=ref.namespace,
            name=ref.name,
            uid=ref.uid,
        )
        await store.record_good(subject, template_digest(pod_template(snapshot.workload)))
        recorded += 1
    return recorded


def _rolled_out(deployment: Manifest) -> bool:
    wanted, status = int(deployment["spec"].get("replicas", 1)), deployment.get("status", {})
    return wanted > 0 and int(status.get("availableReplicas", 0)) == wanted == int(status.get("updatedReplicas", 0))
