"""What a sweep finds without any event, what it leaves alone, and what it remembers of a healthy cluster."""

from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
from structlog.testing import capture_logs

from evidence.image_index import ImageIndex
from incidents.incident import Outcome, Status
from incidents.objects import (
    AUTOSCALER,
    CLAIM,
    CRON_JOB,
    DAEMON_SET,
    INGRESS,
    INGRESS_CLASS,
    JOB,
    NODE,
    POD,
    SERVICE,
    STATEFUL_SET,
    STORAGE_CLASS,
    Kind,
    selects,
)
from incidents.signals import Source
from incidents.snapshot import pod_template, template_digest
from incidents.symptoms import Symptom
from scraper.picture import Labels, Picture
from tests.builders import (
    NOW,
    OOM,
    condition,
    container,
    deployment,
    ended,
    owned_by,
    pod,
    replica_set,
    running,
    stamp,
    subject,
    template,
    waiting,
)
from tests.scraper.seeing import CLUSTER, seeing, thing
from tools.cluster.errors import Forbidden, ServerFailed
from tools.cluster.transport import Query

Object = dict[str, Any]
LATE = condition("Progressing", "False", "ProgressDeadlineExceeded", "timed out progressing")
STUCK = deployment(ready=0, conditions=[LATE])
CRASHING = pod(running(restarts=3, last=OOM))
HANGING: Object = {
    **thing(POD, "hanging"),
    "spec": {"initContainers": [{"name": "wait", "image": "a:1"}], "containers": [container()]},
    "status": {
        "phase": "Pending",
        "conditions": [],
        "initContainerStatuses": [{"name": "wait", "state": {"running": {"startedAt": stamp(700)}}}],
    },
}
UNPLACED = {
    **thing(POD, "unplaced"),
    "spec": {"containers": [container()]},
    "status": {"phase": "Pending", "conditions": [condition("PodScheduled", "False", "Unschedulable", "0/1 nodes")]},
}
FAILED_JOB = thing(
    JOB,
    "import",
    spec={"parallelism": 1},
    status={"conditions": [{**condition("Failed", "True", "BackoffLimitExceeded"), "lastTransitionTime": stamp(60)}]},
)
STOPPED = thing(CRON_JOB, "report", spec={"schedule": "*/5 * * * *"}, status={"lastScheduleTime": stamp(3600)})
BLIND = thing(
    AUTOSCALER,
    "web-scaler",
    spec={"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "gone"}},
    status={
        "conditions": [
            {**condition("ScalingActive", "False", "FailedGetResourceMetric"), "lastTransitionTime": stamp(900)}
        ]
    },
)
UNBOUND = thing(CLAIM, "data", spec={"storageClassName": "fast"}, status={"phase": "Pending"})
SELECTING = thing(SERVICE, "front", spec={"selector": {"app": "wbe"}})


def route(service: str, **spec: Any) -> Object:
    path = {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": service, "port": {"number": 80}}}}
    return thing(INGRESS, "door", spec={"rules": [{"http": {"paths": [path]}}], **spec})


SERVED = [thing(SERVICE, "front", spec={}), thing(INGRESS_CLASS, "inner")]
DOWN = thing(
    NODE, "node-1", status={"conditions": [condition("Ready", "Unknown", "NodeStatusUnknown", "stopped posting")]}
)


@pytest.mark.parametrize(
    ("objects", "about", "symptom"),
    [
        ([STUCK, replica_set()], "deployment/web in shop", Symptom.ROLLOUT_STUCK),
        ([deployment(ready=1), replica_set(), CRASHING], "deployment/web in shop", Symptom.OOM_KILLED),
        ([HANGING], "pod/hanging in shop", Symptom.INIT_HANGING),
        ([UNPLACED], "pod/unplaced in shop", Symptom.UNSCHEDULABLE),
        ([FAILED_JOB], "job/import in shop", Symptom.JOB_FAILED),
        ([STOPPED], "cronjob/report in shop", Symptom.SCHEDULE_MISSED),
        ([BLIND], "horizontalpodautoscaler/web-scaler in shop", Symptom.AUTOSCALER_INACTIVE),
        ([UNBOUND], "persistentvolumeclaim/data in shop", Symptom.CLAIM_PENDING),
        ([SELECTING], "service/front in shop", Symptom.SELECTS_NOTHING),
        ([route("fornt"), *SERVED], "ingress/door in shop", Symptom.SELECTS_NOTHING),
        ([route("front", ingressClassName="innre"), *SERVED], "ingress/door in shop", Symptom.SELECTS_NOTHING),
        ([DOWN], "node/node-1", Symptom.NODE_NOT_READY),
    ],
    ids=lambda value: str(value) if not isinstance(value, list) else "",
)
async def test_what_is_broken_without_an_event_becomes_an_incident(
    tmp_path: Path, objects: list[Object], about: str, symptom: Symptom
) -> None:
    async with seeing(tmp_path, *objects) as found:
        assert await found.sweep() == 1
        incident = await found.only()
        assert (str(incident.subject), incident.first_signal.symptom) == (about, symptom)
        assert incident.first_signal.source is Source.SWEEP
        assert [one.id for one in found.queued] == [incident.id]


SCALED_DOWN = deployment(replicas=0)
UNUSED = [UNBOUND, thing(STORAGE_CLASS, "fast", volumeBindingMode="WaitForFirstConsumer")]
ENDED_LONG_AGO = {
    **FAILED_JOB,
    "status": {
        "conditions": [{**condition("Failed", "True", "BackoffLimitExceeded"), "lastTransitionTime": stamp(90_000)}]
    },
}


@pytest.mark.parametrize(
    "objects",
    [
        [deployment(ready=1), replica_set(), pod(ready=True)],
        [route("front", ingressClassName="inner"), *SERVED],
        [
            {**route("front", ingressClassName="old"), "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}},
            *SERVED,
        ],
        [SCALED_DOWN, thing(SERVICE, "front", spec={"selector": {"app": "web"}})],
        [{**STUCK, "metadata": {**STUCK["metadata"], "deletionTimestamp": stamp()}}],
        [{**STOPPED, "spec": {**STOPPED["spec"], "suspend": True}}],
        UNUSED,
        [thing(SERVICE, "front", age=10, spec={"selector": {"app": "wbe"}})],
        [thing(SERVICE, "outside", spec={"type": "ExternalName"})],
        [ENDED_LONG_AGO],
        [deployment(ready=0), replica_set(), pod(waiting("ContainerCreating"))],
        [thing(NODE, "node-1", status={"conditions": [condition("Ready", "True")]}, spec={"unschedulable": True})],
    ],
    ids=[
        "well",
        "routed",
        "taken up",
        "scaled to zero",
        "being deleted",
        "suspended",
        "unused claim",
        "new",
        "external",
        "history",
        "starting",
        "cordoned",
    ],
)
async def test_what_is_well_starting_or_decided_by_somebody_is_left_alone(
    tmp_path: Path, objects: list[Object]
) -> None:
    async with seeing(tmp_path, *objects) as found:
        assert await found.sweep() == 0
        assert await found.incidents() == []


async def test_the_same_state_seen_again_counts_nothing_and_makes_no_noise(tmp_path: Path) -> None:
    async with seeing(tmp_path, STUCK, replica_set()) as found:
        await found.sweep()
        assert [await found.sweep() for _ in range(3)] == [0, 0, 0]
        assert (await found.only()).signals == 1


async def test_a_state_that_stands_when_its_incident_is_closed_is_news_again(tmp_path: Path) -> None:
    async with seeing(tmp_path, STUCK, replica_set()) as found:
        await found.sweep()
        first = await found.only()
        await found.store.save_incident(msgspec.structs.replace(first, status=Status.CLOSED, outcome=Outcome.RESOLVED))
        assert await found.sweep() == 1
        assert len(await found.incidents()) == 2


async def test_an_autoscaler_without_metrics_is_trouble_of_its_target_that_a_run_sees_too(tmp_path: Path) -> None:
    scaler = {**BLIND, "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}}
    async with seeing(tmp_path, deployment(ready=1), replica_set(), pod(ready=True), scaler) as found:
        await found.sweep()
        incident = await found.only()
        assert str(incident.subject) == "deployment/web in shop"
        assert (await found.grace.advise(incident)).value == "work"
        assert await found.sweep() == 0


@pytest.mark.parametrize("policy", [{"excluded_namespaces": ("shop",)}, {"namespaces": ("other",)}], ids=str)
async def test_namespaces_that_are_not_covered_are_not_looked_at(tmp_path: Path, policy: dict[str, Any]) -> None:
    async with seeing(tmp_path, STUCK, UNPLACED, SELECTING, **policy) as found:
        assert await found.sweep() == 0


async def test_revisions_that_are_well_are_remembered_and_those_with_a_crashing_pod_are_not(tmp_path: Path) -> None:
    web = deployment(ready=1)
    digest = template_digest(pod_template(web))
    async with seeing(tmp_path, web, replica_set(), CRASHING) as found:
        await found.sweep()
        assert await found.store.good_revisions(subject()) == frozenset()
        found.cluster.serve(web, replica_set(), pod(ready=True))
        await found.sweep()
        assert await found.store.good_revisions(subject()) == {digest}


ROLLED = {"replicas": 1, "readyReplicas": 1, "updatedReplicas": 1, "currentRevision": "2", "updateRevision": "2"}
EVERYWHERE = {"desiredNumberScheduled": 2, "numberAvailable": 2, "updatedNumberScheduled": 2}
BY_HAND = {"type": "OnDelete"}
HALF = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}


@pytest.mark.parametrize(
    ("kind", "status", "strategy", "known"),
    [
        (STATEFUL_SET, ROLLED, {}, True),
        (STATEFUL_SET, {**ROLLED, "readyReplicas": 0}, {}, False),
        (STATEFUL_SET, {**ROLLED, "currentRevision": "1", "updatedReplicas": 0}, BY_HAND, False),
        (STATEFUL_SET, {**ROLLED, "currentRevision": "1", "updatedReplicas": 0}, HALF, False),
        (DAEMON_SET, EVERYWHERE, {}, True),
        (DAEMON_SET, {**EVERYWHERE, "updatedNumberScheduled": 1}, BY_HAND, False),
        (DAEMON_SET, dict.fromkeys(EVERYWHERE, 0), {}, False),
    ],
    ids=["set", "not ready", "by hand", "partition", "daemons", "daemons by hand", "no node"],
)
async def test_a_template_that_all_pods_of_a_set_are_well_with_is_remembered_at_no_further_request(
    tmp_path: Path, kind: Kind, status: Object, strategy: Object, known: bool
) -> None:
    spec = {
        "replicas": 1,
        "selector": {"matchLabels": {"app": "web"}},
        "template": template(),
        "updateStrategy": strategy,
    }
    found_as = thing(kind, "web", spec=spec, status={**status, "observedGeneration": 2})
    found_as["metadata"] |= {"generation": 2}
    async with seeing(tmp_path, found_as) as found:
        await found.sweep()
        good = await found.store.good_revisions(subject(found_as))
        assert good == ({template_digest(template())} if known else frozenset())
        asked = [path for _, path in found.cluster.requests]
        assert len(asked) == len(set(asked))  # each kind once, and nothing read by itself
        assert not any("controllerrevisions" in path for path in asked)


async def test_a_set_with_a_crashing_pod_is_not_remembered(tmp_path: Path) -> None:
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": template()}
    database = thing(STATEFUL_SET, "web", spec=spec, status=ROLLED)
    owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web", "uid": "uid-web", "controller": True}
    shaky = pod(running(restarts=1, last=ended()), ready=True, ownerReferences=[owner])
    async with seeing(tmp_path, database, shaky) as found:
        await found.sweep()
        assert await found.store.good_revisions(subject(database)) == frozenset()


async def test_the_images_that_pods_run_and_nodes_hold_are_indexed_by_repository(tmp_path: Path) -> None:
    node = thing(NODE, "n", status={"conditions": [condition("Ready", "True")], "images": [{"names": ["nginx:1.25"]}]})
    async with seeing(tmp_path, deployment(ready=1), replica_set(), pod(ready=True), node) as found:
        index = ImageIndex(found.store, CLUSTER)
        assert await index.of("nginx") is None
        await found.sweep()
        assert await index.of("nginx") == ["nginx:1.25", "nginx:1.27"]
        assert await index.of("redis") == []


async def test_an_object_that_cannot_be_read_costs_that_object_only(tmp_path: Path) -> None:
    odd = {**thing(POD, "odd"), "status": {"phase": 7}}
    async with seeing(tmp_path, odd, UNPLACED) as found:
        with capture_logs() as said:
            assert await found.sweep() == 1
            await found.sweep()
        assert [line["kind"] for line in said if line["event"] == "object.unread"] == ["Pod"]


async def test_a_kind_that_may_not_be_listed_costs_that_kind_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with seeing(tmp_path, STUCK, replica_set(), SELECTING) as found:
        read = found.cluster.read

        async def refusing(path: str, query: Query | None = None) -> bytes:
            if path.endswith("/services"):
                raise Forbidden("services is forbidden", code=403)
            return await read(path, query)

        monkeypatch.setattr(found.cluster, "read", refusing)
        assert await found.sweep() == 1
        assert str((await found.only()).subject) == "deployment/web in shop"


async def test_a_stateful_set_is_judged_by_its_own_pods_and_not_by_one_that_claims_to_be(tmp_path: Path) -> None:
    database = thing(
        STATEFUL_SET,
        "db",
        spec={"replicas": 1, "selector": {"matchLabels": {"app": "db"}}},
        status={"replicas": 1, "readyReplicas": 1, "currentRevision": "1", "updateRevision": "1"},
    )
    owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": "uid-db", "controller": True}
    broken: Object = {
        **thing(POD, "db-0", labels={"app": "db"}),
        "spec": {"containers": [container()]},
        "status": {
            "phase": "Running",
            "conditions": [],
            "containerStatuses": [waiting("CrashLoopBackOff", last=ended())],
        },
    }
    broken["metadata"]["ownerReferences"] = [owner]
    forged = {**broken, "metadata": {**broken["metadata"], "labels": {"app": "attacker"}}}
    async with seeing(tmp_path, database, forged) as found:
        assert await found.sweep() == 0
        found.cluster.serve(database, broken)
        await found.sweep()
        assert str((await found.only()).subject) == "statefulset/db in shop"


async def test_more_broken_deployments_than_one_sweep_reads_in_full_are_all_found_by_the_next_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that only look broken must not take the place of those that are, sweep after sweep."""
    monkeypatch.setattr("scraper.look.CLOSE_LOOKS", 2)
    starting = [named(f"starting-{number}", pod(waiting("ContainerCreating"))) for number in range(4)]
    broken = [named(f"broken-{number}", CRASHING) for number in range(3)]
    async with seeing(tmp_path, *(part for parts in (*starting, *broken) for part in parts)) as found:
        for _ in range(4):
            await found.sweep()
        assert {one.subject.name for one in await found.incidents()} == {f"broken-{number}" for number in range(3)}


def named(name: str, like: Object) -> list[Object]:
    """A Deployment with its ReplicaSet and one pod, under another name."""
    text = orjson.dumps([deployment(ready=0), replica_set(), like]).decode()
    parts: list[Object] = orjson.loads(text.replace("uid-", f"uid-{name}-").replace('"web', f'"{name}'))
    for part in parts:
        part["metadata"]["labels"] = {**part["metadata"].get("labels", {}), "app": name}
    return parts


async def test_a_pod_of_a_replica_set_that_no_deployment_has_is_found_and_one_of_a_dying_deployment_is_not(
    tmp_path: Path,
) -> None:
    rollout = {**replica_set(), "metadata": {**replica_set()["metadata"], "ownerReferences": []}}
    async with seeing(tmp_path, rollout, CRASHING) as found:
        assert await found.sweep() == 1
        assert str((await found.only()).subject) == "pod/web-1 in shop"
    (tmp_path / "dying").mkdir()
    dying = {**deployment(ready=0), "metadata": {**deployment()["metadata"], "deletionTimestamp": stamp()}}
    async with seeing(tmp_path / "dying", dying, replica_set(), CRASHING) as found:
        assert await found.sweep() == 0


async def test_a_service_is_not_judged_while_the_workloads_it_may_be_there_for_cannot_be_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with seeing(tmp_path, SCALED_DOWN, thing(SERVICE, "front", spec={"selector": {"app": "web"}})) as found:
        read = found.cluster.read

        async def failing(path: str, query: Query | None = None) -> bytes:
            if path.endswith("/deployments"):
                raise ServerFailed("etcdserver: request timed out", code=500)
            return await read(path, query)

        monkeypatch.setattr(found.cluster, "read", failing)
        assert await found.sweep() == 0


async def test_a_bare_pod_that_failed_long_ago_is_history(tmp_path: Path) -> None:
    failed = {**thing(POD, "once"), "spec": {"containers": [container()]}, "status": {"phase": "Failed"}}
    lately = {**thing(POD, "lately", age=60), "spec": {"containers": [container()]}, "status": {"phase": "Failed"}}
    async with seeing(tmp_path, failed, lately) as found:
        assert await found.sweep() == 1
        assert (await found.only()).subject.name == "lately"


async def test_an_autoscaler_that_was_given_another_target_is_trouble_of_that_one(tmp_path: Path) -> None:
    def scaling(target: str) -> Object:
        return {**BLIND, "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target}}}

    web, api = named("web", pod(ready=True)), named("api", pod(ready=True))
    for part in (web[0], api[0]):
        part["status"].update(readyReplicas=1, availableReplicas=1)
    async with seeing(tmp_path, *web, *api, scaling("web")) as found:
        await found.sweep()
        first = await found.only()
        await found.store.save_incident(msgspec.structs.replace(first, status=Status.CLOSED))
        found.cluster.serve(*api, scaling("api"))
        await found.sweep()
        assert {one.subject.name for one in await found.incidents(Status.OPEN)} == {"api"}


async def test_the_claims_of_a_set_that_has_its_incident_cost_no_list_of_pods_each_in_every_sweep(
    tmp_path: Path,
) -> None:
    pods = "/api/v1/namespaces/shop/pods"
    held = pod(name="web-0", phase="Pending", conditions=UNPLACED["status"]["conditions"])
    held["metadata"] |= {"labels": {"app": "web"}, "ownerReferences": [owned_by("StatefulSet", "web", "uid-web")]}
    held["spec"] = {"containers": [container()], "volumes": [{"persistentVolumeClaim": {"claimName": "data"}}]}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": template()}
    status = {"observedGeneration": 1, "replicas": 1}
    immediate = thing(STORAGE_CLASS, "fast", volumeBindingMode="Immediate", provisioner="p")
    parts = (thing(STATEFUL_SET, "web", spec=spec, status=status), held, UNBOUND, immediate)
    async with seeing(tmp_path, *parts) as found:
        await found.sweep()
        asked = [path for _, path in found.cluster.requests]
        assert pods in asked  # who mounts it was not known
        found.cluster.requests.clear()
        await found.sweep()
        assert pods not in [path for _, path in found.cluster.requests]
        assert {one.subject.name for one in await found.incidents(Status.OPEN)} == {"web"}


@pytest.mark.parametrize("part", ["spec", "status"])
async def test_objects_of_which_a_whole_part_is_null_stop_no_sweep(tmp_path: Path, part: str) -> None:
    kinds = (POD, STATEFUL_SET, JOB, CRON_JOB, SERVICE, CLAIM, AUTOSCALER, NODE)
    odd = [{**thing(kind, "odd"), "spec": {}, "status": {}, part: None} for kind in kinds]
    nulls = {"containers": None, "replicas": None, "parallelism": None, "conditions": None, "containerStatuses": None}
    odd += [{**thing(kind, "odder"), "spec": nulls, "status": nulls} for kind in kinds]
    async with seeing(tmp_path, *odd, UNPLACED) as found:
        await found.sweep()
        assert "unplaced" in {one.subject.name for one in await found.incidents()}


def test_looking_for_the_pods_of_many_broken_deployments_of_one_namespace_compares_each_pod_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Comparing all with all would hold everything up for most of a minute where three thousand are broken."""
    compared = []

    def counting(selector: Object, labels: Object) -> bool:
        compared.append(labels)
        return selects(selector, labels)

    monkeypatch.setattr("scraper.picture.selects", counting)
    picture, parts = Picture(NOW, 1.0), [named(f"web-{number}", CRASHING) for number in range(50)]
    for web, sets, crashing in parts:
        web["spec"]["selector"] = {"matchLabels": {"app": web["metadata"]["name"]}}
        picture.add_pod(
            {**crashing, "metadata": {**crashing["metadata"], "labels": sets["metadata"]["labels"]}}, frozenset()
        )
    assert [len(picture.pods_in_trouble(web)) for web, _, _ in parts] == [1] * 50
    assert len(compared) == 50


def test_labels_are_found_by_any_part_of_them() -> None:
    labels = Labels()
    labels.add({"app": "web", "tier": "front"})
    labels.add({"app": "db"})
    assert labels.match({"app": "web"})
    assert labels.match({"tier": "front", "app": "web"})
    assert not labels.match({"tier": "front", "app": "db"})
    assert not labels.match({"nobody": "has"})
