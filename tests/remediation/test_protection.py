"""What protects a workload is not traded for a symptom's end."""

from copy import deepcopy
from typing import Any

import pytest

from incidents.patch import leaf_diff
from incidents.policy import Answer, Mode, Policy, Ruling
from incidents.proposals import RollBack, SetField
from remediation.guardrails import View
from remediation.guardrails.protection import probes_ask_no_less, requests_kept, security_kept, selector_kept
from tests.builders import NOW, container, deployment, proposal, replica_set, template

Object = dict[str, Any]
GET = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 5}
RUN = {"exec": {"command": ["pg_isready"]}}
REQUESTS: Object = {"resources": {"requests": {"cpu": "100m", "memory": "64Mi"}}}
SOME = proposal(SetField(path="/spec/x", expected=None, value=1))
BACK = proposal(action=RollBack(replica_set="web-h1", digest="d"))


def view(live: Object, answer: Object, *, back: bool = False, before: Object | None = None) -> View:
    return View(
        policy=Policy(mode=Mode.AUTO),
        proposal=BACK if back else SOME,
        live=live,
        replica_sets=(replica_set(before, number=1),) if before else (),
        read_generation=2,
        now=NOW,
        answer=answer,
        diff=leaf_diff(live, answer),
    )


def answers(rulings: list[Ruling]) -> list[Answer]:
    return [ruling.answer for ruling in rulings]


@pytest.mark.parametrize(
    ("now", "before"),
    [
        ({"securityContext": {"runAsNonRoot": True}}, {"securityContext": {"runAsNonRoot": False}}),
        ({"hostNetwork": False}, {"hostNetwork": True}),
        ({"serviceAccountName": "narrow"}, {"serviceAccountName": "wide"}),
        ({"volumes": [{"name": "d", "emptyDir": {}}]}, {"volumes": [{"name": "d", "hostPath": {"path": "/"}}]}),
    ],
    ids=str,
)
def test_a_rollback_to_what_was_less_secure_is_for_a_person(now: Object, before: Object) -> None:
    live, answer = deployment(template(**now)), deployment(template(**before))
    assert Answer.NEEDS_APPROVAL in answers(list(security_kept(view(live, answer, back=True))))


def test_one_that_changes_nothing_of_that_is_not() -> None:
    secured = {"securityContext": {"runAsNonRoot": True}}
    live = deployment(template(container(image="nginx:2"), **secured))
    answer = deployment(template(container(image="nginx:1"), **secured))
    assert list(security_kept(view(live, answer, back=True))) == []


def test_a_container_goes_on_saying_what_it_needs() -> None:
    live, answer = deployment(template(container(**REQUESTS))), deployment(template(container(**deepcopy(REQUESTS))))
    del answer["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]["cpu"]
    assert answers(list(requests_kept(view(live, answer)))) == [Answer.REFUSE]
    assert list(requests_kept(view(live, live))) == []


@pytest.mark.parametrize(
    ("live", "answer"),
    [
        ({"livenessProbe": GET}, {"livenessProbe": {"exec": {"command": ["true"]}}}),
        ({"livenessProbe": GET}, {"livenessProbe": {"tcpSocket": {"port": 8080}}}),
        ({"livenessProbe": RUN}, {"livenessProbe": {"exec": {"command": ["true"]}}}),
        ({}, {"startupProbe": {"exec": {"command": ["true"]}}}),
    ],
    ids=str,
)
def test_a_probe_that_asks_in_another_way_is_for_a_person(live: Object, answer: Object) -> None:
    seen = view(deployment(template(container(**live))), deployment(template(container(**answer))))
    assert answers(list(probes_ask_no_less(seen))) == [Answer.NEEDS_APPROVAL]


@pytest.mark.parametrize(
    ("live", "answer", "before"),
    [
        ({"livenessProbe": GET}, {"livenessProbe": {"httpGet": {"path": "/", "port": 80}}}, None),
        ({"livenessProbe": RUN}, {"livenessProbe": RUN, "startupProbe": {**RUN, "failureThreshold": 9}}, None),
        ({}, {"startupProbe": GET}, None),
        ({"livenessProbe": {"exec": {"command": ["pg_israedy"]}}}, {"livenessProbe": RUN}, {"livenessProbe": RUN}),
    ],
    ids=str,
)
def test_what_is_corrected_in_its_way_or_known_of_this_workload_is_not(
    live: Object, answer: Object, before: Object | None
) -> None:
    earlier = template(container(**before)) if before else None
    seen = view(deployment(template(container(**live))), deployment(template(container(**answer))), before=earlier)
    assert list(probes_ask_no_less(seen)) == []


def selecting(**selector: str) -> Object:
    return {**deployment(), "kind": "Service", "spec": {"selector": selector} if selector else {}}


def test_a_service_asks_for_as_many_labels_as_before() -> None:
    both, one, none = selecting(app="web", tier="back"), selecting(app="web"), selecting()
    for live, answer in ((both, one), (one, both), (one, none), (none, one)):
        assert Answer.REFUSE in answers(list(selector_kept(view(live, answer))))
    assert list(selector_kept(view(selecting(app="wbe"), one))) == []
