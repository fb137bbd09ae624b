"""An embedded API server without controllers, a store, and the road between them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from incidents.changes import Change
from incidents.evidence import Evidence
from incidents.health import assess
from incidents.incident import Incident
from incidents.objects import DEPLOYMENT, REPLICA_SET, ClusterId, reference
from incidents.policy import Mode, Policy
from incidents.proposals import Proposal
from incidents.snapshot import Snapshot, pod_template, template_digest
from incidents.subjects import Subject
from remediation import Remediation, open_remediation
from simulator.apiserver import ApiServer
from tests.builders import NOW, signal
from tests.clocks import FakeClock
from tests.remediation.scripted import Unreliable
from tools.cluster.reader import Reader
from tools.cluster.transport import Transport, connect, parse_object
from tools.cluster.writer import Writer
from tools.store import Store
from tools.store.sqlite import open_store

Object = dict[str, Any]
NAMESPACE = "default"


@dataclass
class Bench:
    """A Deployment on a server that answers as the real one does, and everything that may change it."""

    server: ApiServer
    transport: Unreliable
    reader: Reader
    writer: Writer
    store: Store
    clock: FakeClock
    policy: Policy

    async def create(self, body: Object) -> Object:
        """Store a Deployment in the namespace default."""
        metadata = {"name": body["metadata"]["name"], "annotations": body["metadata"].get("annotations") or {}}
        return await self._send("POST", DEPLOYMENT.path(NAMESPACE), {**body, "metadata": metadata})

    async def revision(self, workload: Object, template: Object, *, number: int) -> Object:
        """Store a ReplicaSet that the Deployment owns, as its controller would."""
        labels = {**workload["spec"]["selector"]["matchLabels"], "pod-template-hash": f"h{number}"}
        owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": workload["metadata"]["name"]}
        body = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": f"web-h{number}",
                "labels": labels,
                "annotations": {"deployment.kubernetes.io/revision": str(number)},
                "ownerReferences": [{**owner, "uid": workload["metadata"]["uid"], "controller": True}],
            },
            "spec": {
                "replicas": 0,
                "selector": {"matchLabels": labels},
                "template": {**template, "metadata": {**template["metadata"], "labels": labels}},
            },
        }
        return await self._send("POST", REPLICA_SET.path(NAMESPACE), body)

    async def live(self, name: str = "web") -> Object:
        """The Deployment as it is now."""
        return await self.reader.get(DEPLOYMENT, NAMESPACE, name)

    async def edit(self, *operations: Object, name: str = "web") -> Object:
        """Somebody else changes it."""
        return await self._send(
            "PATCH", DEPLOYMENT.path(NAMESPACE, name), list(operations), "application/json-patch+json"
        )

    async def incident(self) -> Incident:
        """An open incident about the Deployment."""
        ref = reference(await self.live())
        subject = Subject(
            cluster=ClusterId("c"),
            api_version=ref.api_version,
            kind=ref.kind,
            namespace=ref.namespace,
            name=ref.name,
            uid=ref.uid,
        )
        found, _ = await self.store.open_or_join(subject, signal())
        return found

    async def evidence(self) -> Evidence:
        """What is read of it now."""
        workload = await self.live()
        snapshot = Snapshot(workload=workload, read_at=NOW)
        incident = await self.incident()
        return Evidence(
            subject=incident.subject,
            snapshot=snapshot,
            health=assess(snapshot, NOW),
            present=template_digest(pod_template(workload)),
            taken_at=NOW,
        )

    def road(self, **fields: Any) -> Remediation:
        """The road, with a policy of its own if fields of one are given."""
        policy = Policy(mode=Mode.AUTO, **fields) if fields else self.policy
        return open_remediation(
            self.transport, self.reader, self.store, policy=policy, clock=self.clock, settle_seconds=5, holder="tests"
        )

    async def applied(self, proposal: Proposal, *, round_number: int = 1) -> Change:
        """Take a proposal down the road and answer the change."""
        attempt = await self.road().attempt(
            await self.incident(), proposal, await self.evidence(), round_number=round_number
        )
        assert attempt.change is not None, attempt.verdict
        return attempt.change

    async def _send(self, method: str, path: str, body: Any, content_type: str = "application/json") -> Object:
        answer = await Transport.send(self.transport, method, path, body=body, content_type=content_type)
        return parse_object(answer)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Everything, for one test."""
    async with opened(tmp_path / "store.sqlite") as made:
        yield made


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Bench]:
    clock = FakeClock()
    async with ApiServer() as server, open_store(path, now=clock.now) as store:
        token = server.authenticator.token("admin")
        kubeconfig = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": server.url}}],
            "users": [{"name": "u", "user": {"token": token}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "c",
        }
        transport = Unreliable(await connect(user_agent="k8s-auto-fixer/test", kubeconfig=kubeconfig))
        try:
            yield Bench(
                server=server,
                transport=transport,
                reader=Reader(transport),
                writer=Writer(transport),
                store=store,
                clock=clock,
                policy=Policy(mode=Mode.AUTO),
            )
        finally:
            await transport.aclose()
