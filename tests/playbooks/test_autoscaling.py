"""Autoscalers that do not scale: corrected where one correction is meant, else told with their names."""

from typing import Any

import msgspec

from incidents.evidence import Evidence
from incidents.health import Finding
from incidents.proposals import Needs, Opinion, SetField, Silent
from incidents.symptoms import Symptom
from playbooks.autoscaling import consider
from tests.builders import container, deployment, evidence, snapshot, template

Object = dict[str, Any]
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


def test_a_request_that_is_missing_is_added_as_its_limit_or_as_a_small_one() -> None:
    for resources, amount in (({"requests": {"memory": "1Gi"}}, "100m"), ({"limits": {"cpu": "2"}}, "2")):
        answer = asked(resources)
        assert isinstance(answer, Opinion)
        assert answer.proposal.action == (SetField(path=f"{RESOURCES}/requests/cpu", expected=None, value=amount),)


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
