"""Two sides of one scenario: what counts as agreeing, and what every difference is called."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from simulator.scenario import load_scenario
from tests.builders import NAMESPACE, container, deployment, pod, replica_set, running, template

from .agreement import disagreements
from .results import Result, Side
from .standing import Standing, fits, standings

TYPO = load_scenario("image-typo")
UNPACKS = load_scenario("evicted-empty-dir")
NOW = datetime(2026, 1, 2, tzinfo=UTC)
WEB, WEB_2 = Standing(state="well", spec="a1"), Standing(state="well", spec="b2")


def result(side: Side = "embedded", **fields: Any) -> Result:
    given: dict[str, Any] = {
        "scenario": TYPO.name,
        "family": TYPO.family,
        "expected": "resolved",
        "outcome": "resolved",
        "seconds": 1.0,
        "warnings": ("Failed",),
        "states": {"Deployment/web": WEB},
    }
    return Result(side=side, **(given | fields))


def test_the_same_on_both_sides_is_agreement_however_long_it_took() -> None:
    assert disagreements(TYPO, result(), result("real", seconds=72.0)) == ()


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"outcome": "escalated"}, "outcome: embedded resolved, real escalated"),
        ({"warnings": ("BackOff", "Failed")}, "Warning BackOff: on the real side only"),
        ({"warnings": ()}, "Warning Failed: on the embedded side only"),
        ({"states": {}}, "Deployment/web: on the embedded side only"),
        (
            {"states": {"Deployment/web": Standing(state="failing", symptoms=("image-pull",), spec="a1")}},
            "Deployment/web: embedded well, real failing (image-pull)",
        ),
        (
            {"states": {"Deployment/web": Standing(state="well", spec="b2")}},
            "Deployment/web: the specs of its pods differ",
        ),
    ],
)
def test_every_difference_is_named(fields: dict[str, Any], says: str) -> None:
    assert disagreements(TYPO, result(), result("real", **fields)) == (says,)


def test_only_the_reasons_that_the_scenario_names_may_come_and_go() -> None:
    shown = result("real", warnings=("Failed", "Unhealthy"))
    assert disagreements(TYPO, result(), shown) == ("Warning Unhealthy: on the real side only",)
    assert disagreements(UNPACKS, result(), shown) == ()
    assert all(item.because for item in UNPACKS.sometimes)
    assert disagreements(replace(UNPACKS, sometimes=()), result(), shown) != ()


def test_whether_a_probe_meets_a_program_that_crashes_is_chance() -> None:
    crashed, probed = result(warnings=("BackOff",)), result("real", warnings=("BackOff", "Unhealthy"))
    assert disagreements(TYPO, crashed, probed) == disagreements(TYPO, probed, crashed) == ()


def test_a_mount_that_fails_on_the_real_side_alone_is_chance_unless_the_scenario_is_about_it() -> None:
    late = result("real", warnings=("Failed", "FailedMount"))
    assert disagreements(TYPO, result(), late) == ()
    assert disagreements(TYPO, late, result()) == ("Warning FailedMount: on the embedded side only",)
    missing = load_scenario("config-volume-typo")
    assert "FailedMount" in {sign.reason for sign in missing.shows}
    assert disagreements(missing, result(), late) == ("Warning FailedMount: on the real side only",)


def test_an_outcome_that_the_scenario_accepts_as_well_is_no_difference() -> None:
    outage = load_scenario("registry-outage")
    expected = {"expected": "left_alone", "also": outage.expected["also"]}
    here, there = result(outcome="left_alone", **expected), result("real", outcome="escalated", **expected)
    assert outage.expected["because"]
    assert here.failures == there.failures == disagreements(outage, here, there) == ()
    changed = result("real", outcome="resolved", **expected)
    assert changed.failures == ("ended resolved, not left_alone",)
    assert disagreements(outage, here, changed) != ()


def test_where_either_of_two_ends_is_accepted_the_state_is_not_compared_but_the_specs_are() -> None:
    outage = load_scenario("registry-outage")
    failing = {"Deployment/web": Standing(state="failing", symptoms=("image-pull",), spec="a1")}
    expected = {"expected": "left_alone", "also": outage.expected["also"], "outcome": "escalated"}
    here, there = result(**expected), result("real", states=failing, **expected)
    assert disagreements(outage, here, there) == ()
    elsewhere = {"Deployment/web": Standing(state="well", spec="b2")}
    assert disagreements(outage, here, result("real", states=elsewhere, **expected)) != ()


def test_a_bare_pods_node_and_token_are_not_what_it_was_meant_to_be() -> None:
    def pod(node: str, token: str) -> dict[str, Any]:
        mounts = [{"name": token, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}]
        spec = {"nodeName": node, "volumes": [{"name": token}], "containers": [{"name": "a", "volumeMounts": mounts}]}
        metadata = {"name": "a", "namespace": TYPO.namespace, "uid": "u", "creationTimestamp": "2026-01-02T00:00:00Z"}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": {}}

    lone = replace(TYPO, setup=(pod("", ""),), breaks=())
    dumps = [{f"v1/Pod/{lone.namespace}/a": pod(node, f"kube-api-access-{node}")} for node in ("x", "y")]
    here, there = (standings(dump, lone, now=NOW, speed=1.0)["Pod/a"].spec for dump in dumps)
    assert here == there


def test_whether_a_deadline_has_passed_by_now_is_no_difference_but_what_fails_is() -> None:
    def failing(*symptoms: str) -> dict[str, Standing]:
        return {"Deployment/web": Standing(state="failing", symptoms=symptoms, spec="a1")}

    early, late = failing("crash-loop"), failing("crash-loop", "rollout-stuck")
    assert disagreements(TYPO, result(states=early), result("real", states=late)) == ()
    assert disagreements(TYPO, result(states=early), result("real", states=failing("oom-killed"))) != ()


def test_a_rollout_that_is_paused_is_on_its_way_however_long_it_takes() -> None:
    paused = replace(load_scenario("rollout-paused"), namespace=NAMESPACE)
    workload = deployment(template(container(image="new")), replicas=2, ready=2)
    workload["spec"]["paused"] = True
    workload["status"]["updatedReplicas"] = 0
    old = replica_set(template(container(image="old")))
    pods = [pod(running(), ready=True, name=f"web-{number}", of=old) for number in range(2)]
    (found,) = standings(
        {
            f"apps/v1/Deployment/{paused.namespace}/{paused.setup[0]['metadata']['name']}": workload,
            "apps/v1/ReplicaSet/x/y": old,
            **{f"v1/Pod/x/{one['metadata']['name']}": one for one in pods},
        },
        paused,
        now=NOW,
        speed=1.0,
    ).values()
    assert (found.state, found.symptoms) == ("starting", ())


@pytest.mark.parametrize(
    ("outcome", "states", "fitting"),
    [
        ("resolved", ["well", "well"], True),
        ("resolved", ["well", "starting"], False),
        ("left_alone", ["failing"], False),
        ("left_alone", ["well", "starting"], True),
        ("rolled_back", ["well"], False),
        ("rolled_back", ["failing"], True),
        ("escalated", ["well", "failing"], True),
        ("escalated", ["starting"], False),
    ],
)
def test_an_expectation_fits_when_the_cluster_stands_as_it_says(outcome: str, states: list[str], fitting: bool) -> None:
    assert fits(outcome, {str(index): Standing(state=state) for index, state in enumerate(states)}) is fitting


def test_a_result_fails_for_its_outcome_its_check_its_events_its_harm_and_its_state() -> None:
    assert result().failures == ()
    wrong = result(problems=("web: 1 of 2",), missing=("BackOff of a Pod ()",), harms=("field: web",))
    assert wrong.failures == ("web: 1 of 2", "never showed BackOff of a Pod ()", "field: web")
    assert result(outcome="escalated").failures == ("ended escalated, not resolved",)
    broken = msgspec.structs.replace(result(), states={"Deployment/web": Standing(state="failing")})
    assert broken.failures == ("resolved, and yet Deployment/web failing",)
    either = msgspec.structs.replace(broken, outcome="escalated", also="escalated")
    assert either.failures == ()  # looked at while it failed, or once it was well
