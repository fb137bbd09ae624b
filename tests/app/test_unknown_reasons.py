"""What a newer Kubernetes says and this program has never heard of: told with its words where something fails, and
nothing at all where all is well. Nothing is changed for it either way."""

from typing import Any

from incidents.incident import Incident, Outcome, Status
from incidents.symptoms import Symptom
from simulator.api_client import MERGE_PATCH
from tests.world import Told, World, incidents_of

Object = dict[str, Any]
REASON, SAID = "FrobnicatorDenied", "the frobnicator of container main has not been calibrated"


def waiting(reason: str, message: str) -> Object:
    """The status of a pod whose one container waits with a reason of tomorrow's kubelet."""
    state = {"waiting": {"reason": reason, "message": message}}
    status = {"name": "main", "image": "nginx:1.27", "imageID": "", "ready": False, "restartCount": 0, "state": state}
    ready = {"type": "Ready", "status": "False", "reason": "ContainersNotReady"}
    return {"phase": "Pending", "conditions": [ready], "containerStatuses": [status]}


async def unscheduled_pod(world: World, **spec: Any) -> Object:
    """The pod of a Deployment that no kubelet of this cluster works on: its status is ours to write."""
    await world.namespace()
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"schedulerName": "of-tomorrow", "containers": [{"name": "main", "image": "nginx:1.27"}]},
    }
    await world.deploy("nginx:1.27", template=template, **spec)
    pods: list[Object] = await world.eventually(lambda: world.pods("shop"), "no pod was made")
    return {**pods[0], "apiVersion": "v1", "kind": "Pod"}


async def say(world: World, pod: Object, reason: str) -> None:
    path = f"/api/v1/namespaces/shop/pods/{pod['metadata']['name']}/status"
    await world.admin.request("PATCH", path, body={"status": waiting(reason, SAID)}, content_type=MERGE_PATCH)
    await world.warn(pod, reason=reason, message=SAID)


async def handed_over(world: World, reason: str, *symptoms: Symptom) -> None:
    """One incident, one message that has the reason and the words, and no write."""
    told = Told()
    async with world.daemon(told=told) as app:
        incident: Incident = await world.ended(app.store, "shop", Outcome.ESCALATED)
        assert (incident.subject.kind, incident.status) == ("Deployment", Status.HANDED_OVER)
        (evidence, *_) = await app.store.evidence(incident.id)
        assert evidence.health.symptoms
        assert evidence.health.symptoms <= set(symptoms)
        (notice,) = told.about(incident)
        text = "\n".join(line for section in notice.sections for line in section.lines)
        assert reason in text
        assert SAID in text
    assert world.writes() == []


async def test_a_waiting_reason_that_calls_itself_an_error_is_handed_over_with_its_words(world: World) -> None:
    await say(world, await unscheduled_pod(world), REASON)
    await handed_over(world, REASON, Symptom.OTHER)


async def test_a_waiting_reason_that_might_pass_is_handed_over_with_its_words_when_the_deadline_has(
    world: World,
) -> None:
    pod = await unscheduled_pod(world, progressDeadlineSeconds=30, minReadySeconds=1)
    await say(world, pod, "CalibratingFrobnicator")
    await handed_over(world, "CalibratingFrobnicator", Symptom.ROLLOUT_STUCK, Symptom.NOT_READY)


async def test_a_reason_that_nobody_knows_about_a_healthy_workload_is_told_to_nobody(world: World) -> None:
    await world.namespace()
    web = await world.deploy("nginx:1.27")
    await world.available("web", "shop")
    (pod,) = await world.pods("shop")
    told = Told()
    async with world.daemon(told=told) as app:
        for number, about in enumerate((web, {**pod, "apiVersion": "v1", "kind": "Pod"})):
            await world.warn(about, reason=REASON, message=SAID, number=number)
        await world.eventually(lambda: incidents_of(app.store, "shop"), "the event was never seen")
        (incident,) = await incidents_of(app.store, "shop")
        closed = await world.closed(app.store, incident)
        assert closed.outcome is Outcome.SUPPRESSED
        assert incident.first_signal.symptom is Symptom.OTHER
    assert told.notices == []
    assert world.writes() == []


async def test_an_event_from_tomorrow_about_something_that_is_no_workload_opens_nothing(world: World) -> None:
    await world.namespace()
    await world.deploy("nginx:1.27")
    web = await world.available("web", "shop")
    told = Told()
    async with world.daemon(told=told) as app:
        thing = {"apiVersion": "frobnication.example.com/v3", "kind": "Frobnicator"}
        await world.warn(
            {**thing, "metadata": web["metadata"] | {"uid": "uid-of-tomorrow"}}, reason=REASON, message=SAID
        )
        await world.warn(web, reason=REASON, message=SAID, number=1)  # and one that is seen, for certain after it
        await world.eventually(lambda: incidents_of(app.store, "shop"), "the second event was never seen")
        (incident,) = await incidents_of(app.store, "shop")
        assert (incident.subject.kind, incident.subject.uid) == ("Deployment", web["metadata"]["uid"])
        await world.closed(app.store, incident)
    assert told.notices == []
