"""A change to an object beside the subject: to what was read and nothing else, and judged by the subject."""

from datetime import timedelta
from typing import Any

import msgspec

from incidents.changes import ChangeState
from incidents.evidence import Evidence
from incidents.incident import Result
from incidents.objects import SERVICE, ClusterId, reference
from incidents.policy import Answer, Windows
from incidents.proposals import Proposal, SetField
from incidents.subjects import subject_at
from incidents.symptoms import Symptom
from remediation.attempt import Attempt
from tests.builders import proposal
from tests.remediation.conftest import NAMESPACE, Bench
from tests.remediation.steps import web

Object = dict[str, Any]
SELECTOR = SetField(path="/spec/selector/app", expected="wbe", value="web")


async def service(bench: Bench, **metadata: Any) -> Object:
    """A Service whose selector matches nothing."""
    spec = {"selector": {"app": "wbe"}, "ports": [{"port": 80, "targetPort": 8080}]}
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", **metadata}, "spec": spec}
    return await bench._send("POST", SERVICE.path(NAMESPACE), body)


def about(found: Object) -> Proposal:
    return proposal(SELECTOR, target=reference(found), ends=Symptom.NOT_READY)


async def having_read(bench: Bench, *services: Object) -> Evidence:
    return msgspec.structs.replace(await bench.evidence(), objects={"Service": services})


async def tried(bench: Bench, found: Object, *read: Object) -> Attempt:
    return await bench.road().attempt(
        await bench.incident(), about(found), await having_read(bench, *read), round_number=1
    )


async def selector_of(bench: Bench) -> str:
    live = await bench.reader.get(SERVICE, NAMESPACE, "web")
    return str(live["spec"]["selector"]["app"])


async def test_the_object_that_was_read_is_changed_and_can_be_taken_back(bench: Bench) -> None:
    await web(bench)
    found = await service(bench)
    attempt = await tried(bench, found, found)
    assert attempt.change is not None, attempt.verdict
    assert (attempt.change.target.kind, await selector_of(bench)) == ("Service", "web")
    settled = await bench.road().settle(await bench.incident())
    assert (settled.undone, await selector_of(bench)) == ((attempt.change.id,), "wbe")


async def test_what_the_evidence_does_not_hold_is_not_changed(bench: Bench) -> None:
    await web(bench)
    found = await service(bench)
    elsewhere = {**found, "metadata": {**found["metadata"], "namespace": "other"}}
    for read in ((), (elsewhere,)):
        attempt = await tried(bench, found, *read)
        assert (attempt.change, attempt.verdict.answer) == (None, Answer.REFUSE)
        assert "not what the evidence is about" in attempt.verdict.objections[0].reason
    assert await selector_of(bench) == "wbe"


async def test_an_object_that_its_owner_keeps_is_left_to_it(bench: Bench) -> None:
    await web(bench)
    owner = {"apiVersion": "shop.example/v1", "kind": "Shop", "name": "web", "uid": "uid-shop", "controller": True}
    found = await service(bench, ownerReferences=[owner])
    attempt = await tried(bench, found, found)
    assert attempt.change is None
    assert attempt.verdict.objections[0].rule == "manager"


async def test_what_another_incident_has_mended_meanwhile_is_looked_at_anew(bench: Bench) -> None:
    await web(bench)
    found = await service(bench)
    first = await tried(bench, found, found)
    assert first.change is not None
    again = await tried(bench, found, found)
    assert again.verdict.answer is Answer.DEFER
    assert again.verdict.until == (await bench.evidence()).taken_at + timedelta(seconds=Windows().beside)


async def test_what_another_incident_has_changed_lately_is_looked_at_anew_before_its_cool_down_is_over(
    bench: Bench,
) -> None:
    """The subject may be well with it by then: it would be said to be broken all that time."""
    await web(bench)
    found = await service(bench)
    await tried(bench, found, found)
    first = await bench.incident()
    await bench.store.succeed(first, first.last_signal)
    back = {"op": "replace", "path": "/spec/selector/app", "value": "wbe"}
    found = await bench._send("PATCH", SERVICE.path(NAMESPACE, "web"), [back], "application/json-patch+json")
    again = await tried(bench, found, found)
    assert "cool-down" in {ruling.rule for ruling in again.verdict.objections}
    assert again.verdict.until == (await bench.evidence()).taken_at + timedelta(seconds=Windows().beside)


async def test_whether_it_helped_is_seen_at_the_subject_and_not_at_what_was_changed(bench: Bench) -> None:
    await web(bench)
    found = await service(bench)
    attempt = await tried(bench, found, found)
    assert attempt.change is not None
    bench.clock.advance(700)
    change, verification = await bench.road().verify(attempt.change)
    assert verification.result is Result.NO_BETTER  # the Service selects something now, and the Deployment has no pod
    assert change.state is ChangeState.APPLIED


async def test_a_subject_that_runs_no_pods_is_kept_by_its_controller_too(bench: Bench) -> None:
    """As an autoscaler is that something made: nobody climbs to that when the incident is about it."""
    await web(bench)
    owner = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "web", "uid": "u", "controller": True}
    found = await service(bench, ownerReferences=[owner])
    itself = subject_at(reference(found), cluster=ClusterId("cluster-1"))
    incident = msgspec.structs.replace(await bench.incident(), subject=itself)
    attempt = await bench.road().attempt(incident, about(found), await having_read(bench, found), round_number=1)
    assert attempt.change is None
    assert any(ruling.rule == "manager" for ruling in attempt.verdict.objections)
    assert await selector_of(bench) == "wbe"
