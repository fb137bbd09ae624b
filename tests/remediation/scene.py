"""A Job, a claim or a Pod of its own on the bench, and proposals to make it anew."""

from dataclasses import dataclass
from typing import Any

import msgspec

from incidents.changes import Change, ChangeState
from incidents.evidence import Evidence
from incidents.health import assess
from incidents.incident import Incident
from incidents.objects import CLAIM, JOB, POD, ClusterId, Kind, reference
from incidents.policy import Mode, Policy
from incidents.proposals import Proposal, Recreate, SetField
from incidents.snapshot import Snapshot
from incidents.subjects import subject_at
from incidents.symptoms import Symptom
from remediation import Attempt, Remediation, open_remediation
from tests.builders import NOW, container, proposal, signal
from tests.remediation.conftest import NAMESPACE, Bench
from tools.cluster.transport import Transport, parse_object

Object = dict[str, Any]
CLUSTER = ClusterId("c")
KINDS = {kind.kind: kind for kind in (JOB, CLAIM, POD)}
JOB_IMAGE = "/spec/template/spec/containers[import]/image"


def job(image: str = "nginx:1.28-alpnie", **spec: Any) -> Object:
    """A Job whose image does not exist."""
    pod = {"containers": [container("import", image)], "restartPolicy": "Never"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "import"},
        "spec": {"template": {"spec": pod}, **spec},
    }


def claim(storage_class: str = "fsat") -> Object:
    """A claim of a class that does not exist."""
    size = {"requests": {"storage": "1Gi"}}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "albums"},
        "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": storage_class, "resources": size},
    }


def waiting_pod(live: Object) -> Object:
    """A pod of it that has never begun."""
    state = {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "import-x", "namespace": NAMESPACE, "uid": "uid-x"},
        "spec": {},
        "status": {"phase": "Pending", "containerStatuses": [{"name": "import", "restartCount": 0, "state": state}]},
    }


@dataclass
class Scene:
    """One object, the incident about it, and what a test does to both."""

    bench: Bench
    kind: Kind
    name: str

    async def live(self) -> Object:
        """The object as it is now."""
        found = await self.bench.reader.get(self.kind, NAMESPACE, self.name)
        return {"apiVersion": self.kind.api_version, "kind": self.kind.kind, **found}

    async def is_there(self) -> bool:
        """Whether anything has its name."""
        found = await self.bench.reader.list(self.kind, NAMESPACE)
        return any(item["metadata"]["name"] == self.name for item in found)

    async def incident(self) -> Incident:
        """The open incident about whatever has its name."""
        subject = subject_at(reference(await self.live()), cluster=CLUSTER)
        found, _ = await self.bench.store.open_or_join(subject, signal())
        return found

    async def proposal(self, *edits: SetField, confidence: float = 0.95) -> Proposal:
        """To make it anew, corrected; its usual correction without edits."""
        usual = {
            "Job": SetField(path=JOB_IMAGE, expected="nginx:1.28-alpnie", value="nginx:1.28-alpine"),
            "PersistentVolumeClaim": SetField(path="/spec/storageClassName", expected="fsat", value="fast"),
        }
        action = Recreate(edits=edits or (usual[self.kind.kind],))
        target = reference(await self.live())
        made = proposal(target=target, ends=Symptom.IMAGE_PULL, confidence=confidence)
        return msgspec.structs.replace(made, action=action)

    async def evidence(self) -> Evidence:
        """What is read of it: it has a pod that has never begun."""
        live = await self.live()
        snapshot = Snapshot(workload=live, pods=(waiting_pod(live),), read_at=NOW)
        subject = (await self.incident()).subject
        return Evidence(subject=subject, snapshot=snapshot, health=assess(snapshot, NOW), taken_at=NOW)

    def road(self, mode: Mode = Mode.AUTO) -> Remediation:
        """The road, as it is in a mode."""
        return open_remediation(
            self.bench.transport,
            self.bench.reader,
            self.bench.store,
            policy=Policy(mode=mode),
            clock=self.bench.clock,
            settle_seconds=5,
            holder="tests",
        )

    async def attempt(self, *edits: SetField, mode: Mode = Mode.AUTO) -> Attempt:
        """Take the usual proposal, or one with these edits, down the road."""
        made, incident = await self.proposal(*edits), await self.incident()
        return await self.road(mode).attempt(incident, made, await self.evidence(), round_number=1)

    async def applied(self) -> Change:
        """The usual proposal, applied."""
        attempt = await self.attempt()
        assert attempt.change is not None, attempt.verdict
        return attempt.change

    async def changes(self) -> list[Change]:
        """Every change there is, as the store has it."""
        return await self.bench.store.changes_in(*ChangeState)

    async def patch(self, body: Object, *, subresource: str = "") -> None:
        """Somebody else changes it."""
        path = self.kind.path(NAMESPACE, self.name, subresource=subresource)
        await Transport.send(
            self.bench.transport, "PATCH", path, body=body, content_type="application/merge-patch+json"
        )

    async def delete(self) -> None:
        """Somebody else deletes it."""
        path, options = self.kind.path(NAMESPACE, self.name), {"propagationPolicy": "Background"}
        await Transport.send(self.bench.transport, "DELETE", path, body=options)


async def scene(bench: Bench, body: Object) -> Scene:
    """An object on the bench's server."""
    kind = KINDS[body["kind"]]
    answer = await Transport.send(bench.transport, "POST", kind.path(NAMESPACE), body=body)
    made = parse_object(answer)
    found = Scene(bench, kind, made["metadata"]["name"])
    if kind == CLAIM:  # no controller is there to let go of it
        await found.patch({"metadata": {"finalizers": None}})
    return found
