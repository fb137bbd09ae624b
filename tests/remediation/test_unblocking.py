"""The stuck pod of an ordered StatefulSet is deleted as a part of the change to its template."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from evidence.snapshots import read_snapshot
from incidents.changes import Change, ChangeState, LeafChange
from incidents.decisions import Switch, SwitchName
from incidents.objects import POD, STATEFUL_SET, ClusterId, ObjectRef, reference
from incidents.policy import Mode
from incidents.proposals import SetField
from incidents.snapshot import Snapshot
from incidents.subjects import Subject
from incidents.symptoms import Symptom
from remediation.gate import GatedWriter, RestrainedWriter, Writes
from remediation.unblocking import Unblocking
from remediation.undo import Undo
from tests.builders import NOW, change, container, not_there, owned_by, proposal, signal, stamp, template
from tests.remediation.conftest import NAMESPACE, Bench
from tools.cluster.errors import Forbidden
from tools.cluster.transport import Transport

Object = dict[str, Any]
IMAGE = "/spec/template/spec/containers[web]/image"
FAILING = not_there("nginx:9") | {"image": "nginx:1.27", "imageID": "", "ready": False}
LONG_AGO, SOME_DAY = datetime(2001, 1, 1, tzinfo=UTC), datetime(2101, 1, 1, tzinfo=UTC)  # the server's clock is real


async def sent(bench: Bench, method: str, path: str, body: Any, kind: str = "application/json") -> None:
    await Transport.send(bench.transport, method, path, body=body, content_type=kind)


async def stuck(bench: Bench, *, ready: bool = False, **spec: Any) -> ObjectRef:
    """A set whose second pod is of a revision that its controller has left, as it stands after the change."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    await sent(bench, "POST", f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts", account)
    labels = {"app": "web"}
    body = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 2,
            "serviceName": "web",
            "selector": {"matchLabels": labels},
            "template": template(container()),
            **spec,
        },
    }
    await sent(bench, "POST", STATEFUL_SET.path(NAMESPACE), body)
    live = await bench.reader.get(STATEFUL_SET, NAMESPACE, "web")
    status = {"observedGeneration": 1, "replicas": 2, "updateRevision": "good", "currentRevision": "good"}
    await status_of(bench, STATEFUL_SET.path(NAMESPACE, "web", subresource="status"), status)
    for ordinal, revision, is_well in ((0, "good", True), (1, "bad", ready)):
        metadata = {
            "name": f"web-{ordinal}",
            "labels": labels | {"controller-revision-hash": revision},
            "ownerReferences": [owned_by("StatefulSet", "web", live["metadata"]["uid"])],
        }
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container()]}}
        await sent(bench, "POST", POD.path(NAMESPACE), pod)
        await readiness(bench, f"web-{ordinal}", is_well)
    return reference({**live, "apiVersion": "apps/v1", "kind": "StatefulSet"})


async def status_of(bench: Bench, path: str, status: Object) -> None:
    await sent(bench, "PATCH", path, {"status": status}, "application/merge-patch+json")


async def readiness(bench: Bench, name: str, ready: bool) -> None:
    said = {"type": "Ready", "status": str(ready), "lastTransitionTime": stamp(60)}
    status = {"phase": "Running", "conditions": [said], "containerStatuses": [] if ready else [FAILING]}
    await status_of(bench, POD.path(NAMESPACE, name, subresource="status"), status)


async def seen(bench: Bench, target: ObjectRef) -> Snapshot:
    snapshot = await read_snapshot(bench.reader, target, now=NOW)
    assert snapshot is not None
    return snapshot


async def of(bench: Bench, target: ObjectRef, path: str = IMAGE, **fields: Any) -> Change:
    subject = Subject(cluster=ClusterId("c"), **{name: getattr(target, name) for name in target.__struct_fields__})
    incident, _ = await bench.store.open_or_join(subject, signal())
    made = proposal(SetField(path=path, expected="nginx:9", value="nginx:1.27"), target=target)
    return change(incident=incident.id, made=made, **{"state": ChangeState.APPLIED, "sent_at": NOW, **fields})


def unblocking(bench: Bench, writer: Writes | None = None) -> Unblocking:
    return Unblocking(bench.reader, writer or bench.writer, bench.store, bench.clock)


async def pods(bench: Bench) -> list[str]:
    return sorted(
        pod["metadata"]["name"]
        for pod in await bench.reader.list(POD, NAMESPACE)
        if not pod["metadata"].get("deletionTimestamp")
    )


async def test_the_stuck_pod_goes_and_the_ready_one_stays(bench: Bench) -> None:
    target = await stuck(bench)
    made = await of(bench, target)
    await unblocking(bench).step(made, await seen(bench, target))
    assert await pods(bench) == ["web-0"]
    agents = [agent for method, _, agent in bench.transport.sent if method == "DELETE"]
    assert agents == [f"k8s-auto-fixer/test change/{made.id}"]


async def test_it_is_written_down_before_it_is_sent(bench: Bench) -> None:
    target = await stuck(bench)
    made = await of(bench, target)
    told: list[list[str]] = []

    class Watching:
        async def delete(self, target: ObjectRef, **_: Any) -> Object:
            told.append([entry.step for entry in await bench.store.timeline(made.incident)])
            told.append([record.step for record in await bench.store.audit_records()])
            return {}

    await unblocking(bench, Watching()).step(made, await seen(bench, target))  # type: ignore[arg-type]
    assert "deleting-pod" in told[0]
    assert "delete-pod" in told[1]


async def test_a_pod_that_has_become_ready_since_it_was_seen_stays(bench: Bench) -> None:
    target = await stuck(bench)
    made, before = await of(bench, target), await seen(bench, target)
    await readiness(bench, "web-1", True)
    await unblocking(bench).step(made, before)
    assert await pods(bench) == ["web-0", "web-1"]


async def test_another_pod_of_the_same_name_stays(bench: Bench) -> None:
    target = await stuck(bench)
    made, before = await of(bench, target), await seen(bench, target)
    pod = next(one for one in before.pods if one["metadata"]["name"] == "web-1")
    pod["metadata"] |= {"uid": "00000000-0000-0000-0000-000000000000", "resourceVersion": ""}
    await unblocking(bench).step(made, before)
    assert await pods(bench) == ["web-0", "web-1"]


async def test_a_pod_that_is_only_slow_beside_the_one_that_fails_is_waited_for(bench: Bench) -> None:
    target = await stuck(bench)
    status: Object = {"containerStatuses": []}
    await status_of(bench, POD.path(NAMESPACE, "web-1", subresource="status"), status)
    made, taken = await of(bench, target), await seen(bench, target)
    await unblocking(bench).step(made, taken)
    assert await pods(bench) == ["web-0", "web-1"]
    not_ready = msgspec.structs.replace(made.proposal, ends=Symptom.NOT_READY)
    await unblocking(bench).step(msgspec.structs.replace(made, proposal=not_ready), taken)
    assert await pods(bench) == ["web-0"]


@pytest.mark.parametrize("path", ["/spec/replicas", "/spec/serviceName"])
async def test_a_change_that_is_not_to_the_template_deletes_nothing(bench: Bench, path: str) -> None:
    target = await stuck(bench)
    await unblocking(bench).step(await of(bench, target, path), await seen(bench, target))
    assert await pods(bench) == ["web-0", "web-1"]


async def test_a_pod_that_was_ready_when_the_change_was_sent_stays(bench: Bench) -> None:
    target = await stuck(bench)
    made = await of(bench, target, sent_at=NOW - timedelta(seconds=120))
    await unblocking(bench).step(made, await seen(bench, target))
    assert await pods(bench) == ["web-0", "web-1"]


async def test_the_kill_switch_and_the_mode_hold_here_too(bench: Bench) -> None:
    target = await stuck(bench)
    made = await of(bench, target)
    restrained = RestrainedWriter(bench.writer, Mode.SUGGEST)
    await unblocking(bench, restrained).step(made, await seen(bench, target))
    await bench.store.set_switch(Switch(name=SwitchName.KILL, on=True, by="alice", at=NOW))
    gated = GatedWriter(bench.writer, bench.store, bench.clock)
    await unblocking(bench, gated).step(made, await seen(bench, target))
    assert await pods(bench) == ["web-0", "web-1"]
    assert not any(method == "DELETE" for method, _, _ in bench.transport.sent)


async def test_what_may_not_be_deleted_is_told_and_not_tried_again(bench: Bench) -> None:
    target = await stuck(bench)
    made = await of(bench, target)
    tries: list[ObjectRef] = []

    class Refusing:
        async def delete(self, target: ObjectRef, **_: Any) -> Object:
            tries.append(target)
            raise Forbidden("pods is forbidden", code=403)

    careful = unblocking(bench, Refusing())  # type: ignore[arg-type]
    for _ in range(3):
        await careful.step(made, await seen(bench, target))
    assert len(tries) == 1
    assert "pod-not-deleted" in [entry.step for entry in await bench.store.timeline(made.incident)]


class TestAfterAnUndo:
    """The pod of the change that was taken back is in the way of what stood before it."""

    async def test_it_goes(self, bench: Bench) -> None:
        target = await stuck(bench)
        undone = await of(bench, target, sent_at=LONG_AGO, ended_at=NOW)
        await unblocking(bench).after_undo(undone, lambda live: True)
        assert await pods(bench) == ["web-0"]

    async def test_a_pod_that_was_there_before_the_change_stays(self, bench: Bench) -> None:
        target = await stuck(bench)
        undone = await of(bench, target, sent_at=SOME_DAY, ended_at=SOME_DAY)
        await unblocking(bench).after_undo(undone, lambda live: True)
        assert await pods(bench) == ["web-0", "web-1"]

    async def test_a_set_that_somebody_has_changed_since_is_left_alone(self, bench: Bench) -> None:
        target = await stuck(bench)
        undone = await of(bench, target, sent_at=LONG_AGO, ended_at=NOW)
        await unblocking(bench).after_undo(undone, lambda live: False)
        assert await pods(bench) == ["web-0", "web-1"]

    async def test_a_controller_that_never_looks_is_not_waited_for_without_end(self, bench: Bench) -> None:
        target = await stuck(bench)
        undone = await of(bench, target, sent_at=LONG_AGO, ended_at=NOW)
        spec = {"spec": {"replicas": 3}}
        await sent(bench, "PATCH", STATEFUL_SET.path(NAMESPACE, "web"), spec, "application/merge-patch+json")
        await unblocking(bench).after_undo(undone, lambda live: True)
        assert await pods(bench) == ["web-0", "web-1"]
        assert bench.clock.now() <= NOW + timedelta(seconds=40)

    async def test_taking_a_change_back_ends_with_it(self, bench: Bench) -> None:
        target = await stuck(bench)
        leaf = LeafChange(pointer="/spec/template/spec/containers/0/image", before="nginx:1.27", after="nginx:9")
        made = await of(bench, target, sent_at=LONG_AGO, diff=(leaf,))
        undo = Undo(bench.reader, bench.writer, bench.store, bench.clock)
        assert (await undo.undo(made)).state is ChangeState.UNDONE
        assert await pods(bench) == ["web-0"]

    async def test_a_crash_between_the_undo_and_the_deletion_is_made_good_when_the_incident_is_settled(
        self, bench: Bench
    ) -> None:
        target = await stuck(bench)
        leaf = LeafChange(pointer="/spec/template/spec/containers/0/image", before="nginx:1.27", after="nginx:9")
        undone = await of(bench, target, sent_at=LONG_AGO, diff=(leaf,), state=ChangeState.UNDONE, ended_at=NOW)
        await bench.store.save_change(undone)
        incident = await bench.store.incident(undone.incident)
        assert incident is not None
        await bench.road().settle(incident)
        assert await pods(bench) == ["web-0"]
