"""Autoscalers that do not scale: corrected where one correction is meant, else told with their names."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from incidents.evidence import Evidence, Want, WantKind
from incidents.health import Finding
from incidents.proposals import Needs, Opinion, SetField, Silent
from incidents.symptoms import Symptom
from playbooks.autoscaling import consider
from playbooks.confidence import LIKELY
from tests.builders import (
    NAMESPACE,
    container,
    deployment,
    evidence,
    pod,
    replica_set,
    running,
    snapshot,
    stamp,
    template,
)

Object = dict[str, Any]
USAGE = Want(WantKind.USAGE, NAMESPACE).key
RESOURCES = "/spec/template/spec/containers[web]/resources"


def autoscaler(name: str = "web", target: str = "web") -> Object:
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "namespace": "shop", "uid": f"uid-{name}"},
        "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target}},
    }


def inactive(workload: Object, said: str, **listed: list[Object]) -> Evidence:
    taken = evidence(snapshot(workload), objects=listed)
    found = (Finding(Symptom.AUTOSCALER_INACTIVE, said),)
    return msgspec.structs.replace(taken, health=msgspec.structs.replace(taken.health, findings=found))


NO_SCALE = 'web: FailedGetScale: deployments.apps "wbe-shop" not found'
NO_REQUEST = "web: FailedGetResourceMetric: missing request for cpu in container web of Pod web-1"


def named(*names: str) -> list[Object]:
    return [{"metadata": {"name": name}} for name in names]


def test_a_misspelt_target_is_the_one_workload_that_nobody_scales() -> None:
    lost = autoscaler(target="wbe-shop")
    assert isinstance(consider(inactive(lost, NO_SCALE), ()), Needs)
    taken = inactive(lost, NO_SCALE, Deployment=named("web-shop", "db"), HorizontalPodAutoscaler=[lost])
    answer = consider(taken, ())
    assert isinstance(answer, Opinion)
    assert answer.proposal.action == (
        SetField(path="/spec/scaleTargetRef/name", expected="wbe-shop", value="web-shop"),
    )


def test_a_target_that_is_scaled_already_or_not_to_be_guessed_is_for_a_person() -> None:
    lost = autoscaler(target="wbe-shop")
    for workloads, others in (
        (named("web-shop"), [lost, autoscaler("other", "web-shop")]),
        (named("db"), [lost]),
        (named("web-shop", "wbe-shops"), [lost]),
    ):
        answer = consider(inactive(lost, NO_SCALE, Deployment=workloads, HorizontalPodAutoscaler=others), ())
        assert isinstance(answer, Silent)
        assert answer.diagnosis is not None
        assert "wbe-shop" in answer.diagnosis.cause


def asked(resources: Object, said: str = NO_REQUEST) -> Silent | Needs | Opinion:
    workload = deployment(template(container(resources=resources)))
    return consider(inactive(workload, said, HorizontalPodAutoscaler=[autoscaler()]), ())


def at_work(
    *used: str,
    containers: tuple[Object, ...] = (),
    age: float = 3600,
    least: int = 3,
    rules: Mapping[str, list[Object]] | None = None,
    **spec: Any,
) -> Evidence:
    """A Deployment that is well, scaled at 70 % of a request that it does not make; ``used``: lines for each pod."""
    present = template(*(containers or (container(),)))
    new, pods = replica_set(present), range(1, 4)
    each = [
        running(one["name"]) | {"state": {"running": {"startedAt": stamp(age)}}} for one in containers or [container()]
    ]
    stand = [pod(*each, name=f"web-{number}", of=new, ready=True) for number in pods]
    by_share = autoscaler()
    target = {"type": "Utilization", "averageUtilization": 70}
    metrics = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    by_share["spec"] |= {"minReplicas": least, "maxReplicas": 60, "metrics": metrics}
    listed = {"HorizontalPodAutoscaler": [by_share], "LimitRange": [], "ResourceQuota": [], "Node": [node("8")]}
    taken = evidence(
        snapshot(deployment(present, replicas=3, ready=3, **spec), [new], stand),
        objects={**listed, **(rules or {})},
        answers={USAGE: tuple(f"web-{number} {line}" for number in pods for line in used)},
    )
    found = (Finding(Symptom.AUTOSCALER_INACTIVE, NO_REQUEST),)
    return msgspec.structs.replace(taken, health=msgspec.structs.replace(taken.health, findings=found))


def node(cores: str) -> Object:
    return {"metadata": {"name": "n"}, "spec": {}, "status": {"allocatable": {"cpu": cores}}}


def proposed(taken: Evidence) -> tuple[dict[str, str], bool, str]:
    """What each container would ask for, whether it is done without a person, and the words for it."""
    answer = consider(taken, ())
    assert isinstance(answer, Opinion), answer
    sizes = {edit.path.split("[")[1].split("]")[0]: str(edit.value) for edit in answer.proposal.edits}
    return sizes, answer.proposal.confidence >= LIKELY, answer.proposal.reason


def test_a_request_that_is_missing_is_added_as_its_limit() -> None:
    answer = asked({"limits": {"cpu": "2"}})
    assert isinstance(answer, Opinion)
    assert answer.proposal.action == (SetField(path=f"{RESOURCES}/requests/cpu", expected=None, value="2"),)


def test_without_a_limit_what_its_pods_use_is_read_first() -> None:
    answer = asked({"requests": {"memory": "1Gi"}})
    assert isinstance(answer, Needs)
    assert [want.key for want in answer.wants] == [USAGE]


def test_a_request_is_such_that_the_autoscaler_stays_where_it_is() -> None:
    assert proposed(at_work("web cpu=800m memory=1Gi"))[:2] == ({"web": "1200m"}, True)
    assert proposed(at_work("web cpu=800m memory=1Gi", least=1))[:2] == ({"web": "1200m"}, True)


@pytest.mark.parametrize(
    ("taken", "why"),
    [
        (at_work(), "is not known (metrics)"),
        (at_work("web cpu=5m memory=1Gi"), "idle"),
        (at_work("web cpu=800m memory=1Gi", age=30), "is not known (metrics)"),  # a start says nothing of the work
        (at_work("other cpu=800m memory=1Gi"), "not all known"),
        (at_work("web cpu=800m memory=1Gi", rules={"Node": [node("1")]}), "no node has more than 1 of cpu"),
        (at_work("web cpu=800m memory=1Gi", strategy={"type": "Recreate"}), "stopped at once"),
    ],
    ids=["no metrics", "idle", "starting", "of others", "no such node", "all at once"],
)
def test_where_no_use_says_how_much_or_something_speaks_against_it_a_person_is_asked(taken: Evidence, why: str) -> None:
    _, alone, reason = proposed(taken)
    assert not alone
    assert why in reason


def test_where_the_autoscaler_would_move_all_the_same_a_person_is_asked() -> None:
    idle_aside = container("proxy", resources={"requests": {"cpu": "2"}})
    taken = at_work("web cpu=400m memory=1Gi", "proxy cpu=5m memory=1Mi", containers=(container(), idle_aside), least=1)
    sizes, alone, reason = proposed(taken)
    assert (sizes, alone) == ({"web": "600m"}, False)
    assert "want 1 pods in place of 3" in reason


def test_an_autoscaler_that_names_no_share_says_nothing_of_how_much() -> None:
    taken = at_work("web cpu=800m memory=1Gi", rules={"HorizontalPodAutoscaler": [autoscaler()]})
    assert proposed(taken)[1] is False


def test_how_much_memory_is_needed_is_not_made_up() -> None:
    answer = asked({}, NO_REQUEST.replace("cpu", "memory"))
    assert isinstance(answer, Silent)


def test_two_autoscalers_of_one_workload_are_named() -> None:
    both = [autoscaler("a"), autoscaler("b"), autoscaler("c", "other")]
    answer = consider(inactive(deployment(), NO_REQUEST, HorizontalPodAutoscaler=both), ())
    assert isinstance(answer, Silent)
    assert answer.diagnosis is not None
    assert answer.diagnosis.cause == "2 autoscalers scale web: a, b"


def test_a_metric_that_nobody_serves_is_told_in_its_words() -> None:
    answer = asked({}, "web: FailedGetPodsMetric: no metrics returned for queue_depth")
    assert isinstance(answer, Silent)
    assert answer.diagnosis is not None
    assert "queue_depth" in answer.diagnosis.cause


def test_a_target_that_is_called_as_its_autoscaler_has_gone_and_is_no_slip() -> None:
    lost = autoscaler("web-shops", target="web-shops")
    said = NO_SCALE.replace("wbe-shop", "web-shops")
    answer = consider(inactive(lost, said, Deployment=named("web-shop"), HorizontalPodAutoscaler=[lost]), ())
    assert isinstance(answer, Silent)


def test_what_may_not_be_listed_might_be_scaled_already() -> None:
    lost = autoscaler(target="wbe-shop")
    taken = inactive(lost, NO_SCALE, Deployment=named("web-shop"))
    unread = msgspec.structs.replace(taken, answers={**taken.answers, "objects:HorizontalPodAutoscaler": ()})
    answer = consider(unread, ())
    assert isinstance(answer, Silent)
    assert answer.diagnosis is not None


def test_a_container_that_is_added_to_the_pods_by_others_is_not_what_the_template_lacks() -> None:
    answer = asked({}, NO_REQUEST.replace("container web", "container istio-proxy"))
    assert isinstance(answer, Silent)
    assert answer.diagnosis is not None
    assert "istio-proxy" in answer.diagnosis.cause


def test_a_cluster_without_metrics_is_told_as_one() -> None:
    said = "unable to fetch metrics from resource metrics API: the server could not find the requested resource"
    answer = asked({}, f"web: FailedGetResourceMetric: unable to get metrics for resource cpu: {said}")
    assert isinstance(answer, Silent)
    assert answer.diagnosis is not None
    assert answer.diagnosis.cause.startswith("the cluster serves no metrics of resources (metrics.k8s.io)")
