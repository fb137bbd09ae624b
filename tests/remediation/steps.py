"""Proposals, and what happens to the Deployment they are about, in the words of the tests of the road."""

from typing import Any

import msgspec

from incidents.changes import Change, ChangeState
from incidents.objects import POD
from incidents.proposals import Proposal, SetField
from incidents.symptoms import Symptom
from tests.builders import IMAGE_PATH, MEMORY_PATH, container, deployment, proposal, template
from tests.remediation.conftest import NAMESPACE, Bench
from tools.cluster.transport import Transport

IMAGE = "/spec/template/spec/containers/0/image"
Object = dict[str, Any]


async def image_change(bench: Bench, old: str = "nginx:1.27", new: str = "nginx:1.28") -> Proposal:
    edit = SetField(path=IMAGE_PATH, expected=old, value=new)
    return proposal(edit, target=(await bench.incident()).subject.ref)


async def memory_change(bench: Bench, old: str, new: str) -> Proposal:
    edit = SetField(path=MEMORY_PATH, expected=old, value=new)
    return proposal(edit, target=(await bench.incident()).subject.ref, ends=Symptom.OOM_KILLED)


async def web(bench: Bench, *, memory: str = "128Mi") -> Object:
    return await bench.create(deployment(template(container(resources={"limits": {"memory": memory}}))))


async def sent_to(bench: Bench) -> Change:
    """A change that a process has sent when it was killed; whether it landed is up to the test."""
    made = await bench.applied(await image_change(bench))
    undone = made.inverse.operations
    await bench.edit(*undone)
    sent = await image_change(bench)
    attempt = await bench.applied(sent)
    await bench.store.save_change(as_sent(attempt))
    return as_sent(attempt)


def as_sent(applied: Change) -> Change:
    return msgspec.structs.replace(applied, state=ChangeState.SENT, generation=0, spec="")


async def image_of(bench: Bench) -> str:
    live = await bench.live()
    return str(live["spec"]["template"]["spec"]["containers"][0]["image"])


async def ready_pod(bench: Bench) -> None:
    """A pod of the present template that is Ready."""
    live = await bench.live()
    owner = await bench.revision(live, live["spec"]["template"], number=7)
    reference = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": owner["metadata"]["name"]}
    metadata = {
        "name": "web-ready",
        "labels": owner["spec"]["template"]["metadata"]["labels"],
        "ownerReferences": [{**reference, "uid": owner["metadata"]["uid"], "controller": True}],
    }
    spec = {"containers": live["spec"]["template"]["spec"]["containers"]}
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    await Transport.send(bench.transport, "POST", f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts", body=account)
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    await Transport.send(bench.transport, "POST", POD.path(NAMESPACE), body=body)
    status = {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
    path = POD.path(NAMESPACE, "web-ready", subresource="status")
    await Transport.send(bench.transport, "PATCH", path, body=status, content_type="application/merge-patch+json")
