"""How Deployments roll: revisions, strategies, deadlines, pauses; and the other workloads' order."""

from __future__ import annotations

from typing import Any

from .bodies import container, deployment, job, workload
from .client import STRATEGIC, Api

REVISION = "deployment.kubernetes.io/revision"
NO_IMAGE = {"image": "registry.example/nothing/there:1", "imagePullPolicy": "Never"}
QUICK: dict[str, Any] = {"strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}}


def _get(api: Api, name: str = "web") -> Any:
    return api.get("deployments", name).ok()


def _condition(found: Any, kind: str) -> Any:
    return next((one for one in found["status"].get("conditions", []) if one["type"] == kind), {})


def _complete(api: Api) -> Any:
    def look() -> Any:
        found = _get(api)
        status, replicas = found["status"], found["spec"]["replicas"]
        counts = [status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas")]
        observed = status.get("observedGeneration") == found["metadata"]["generation"]
        return found if observed and counts == [replicas] * 3 else None

    return api.eventually(look)


def _set_image(api: Api, image: str, **more: Any) -> Any:
    change = {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": image, **more}]}}}}
    return api.patch("deployments", "web", change, STRATEGIC).ok()


def _replica_sets(api: Api) -> dict[str, int]:
    """Wanted replicas by revision."""
    items = api.get("replicasets").ok()["items"]
    return {one["metadata"]["annotations"][REVISION]: one["spec"]["replicas"] for one in items}


def test_a_deployment_becomes_available(api: Api) -> None:
    api.create("deployments", deployment(replicas=2)).ok()
    found = _complete(api)
    assert found["metadata"]["annotations"] == {REVISION: "1"}
    available = _condition(found, "Available")
    assert (available["status"], available["reason"], available["message"]) == (
        "True",
        "MinimumReplicasAvailable",
        "Deployment has minimum availability.",
    )

    def progressed() -> Any:
        condition = _condition(_get(api), "Progressing")
        return condition if condition.get("reason") == "NewReplicaSetAvailable" else None

    [replica_set] = api.get("replicasets").ok()["items"]
    name = replica_set["metadata"]["name"]
    assert api.eventually(progressed)["message"] == f'ReplicaSet "{name}" has successfully progressed.'
    digest = replica_set["metadata"]["labels"]["pod-template-hash"]
    assert name == f"web-{digest}"
    assert replica_set["spec"]["selector"]["matchLabels"] == {"app": "web", "pod-template-hash": digest}
    assert replica_set["metadata"]["annotations"] == {
        REVISION: "1",
        "deployment.kubernetes.io/desired-replicas": "2",
        "deployment.kubernetes.io/max-replicas": "3",
    }


def test_a_new_image_is_a_new_revision(api: Api) -> None:
    api.create("deployments", deployment(replicas=1)).ok()
    _complete(api)
    _set_image(api, "nginx:1.28")
    assert _complete(api)["metadata"]["annotations"][REVISION] == "2"
    api.eventually(lambda: _replica_sets(api) == {"1": 0, "2": 1})
    [event] = api.events_about("web", "ScalingReplicaSet")[:1]
    assert event["message"].startswith("Scaled up replica set web-")
    assert event["message"].endswith(" from 0 to 1")


def test_going_back_reuses_the_old_replica_set_under_a_new_number(api: Api) -> None:
    api.create("deployments", deployment(replicas=1)).ok()
    _complete(api)
    _set_image(api, "nginx:1.28")
    _complete(api)
    _set_image(api, "nginx:1.27")
    assert _complete(api)["metadata"]["annotations"][REVISION] == "3"
    api.eventually(lambda: _replica_sets(api) == {"2": 0, "3": 1})
    [back] = [one for one in api.get("replicasets").ok()["items"] if one["metadata"]["annotations"][REVISION] == "3"]
    assert back["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"] == "1"


def test_scaling_is_no_revision(api: Api) -> None:
    api.create("deployments", deployment(replicas=1)).ok()
    _complete(api)
    api.patch("deployments", "web", {"spec": {"replicas": 3}}).ok()
    assert _complete(api)["metadata"]["annotations"][REVISION] == "1"
    assert len(api.get("replicasets").ok()["items"]) == 1


def test_a_bad_image_stops_the_rollout_and_keeps_the_old_pods(api: Api) -> None:
    api.create("deployments", deployment(replicas=2, **QUICK)).ok()
    _complete(api)
    _set_image(api, **NO_IMAGE)
    api.eventually(lambda: _replica_sets(api) == {"1": 2, "2": 1})

    def settled() -> Any:
        found = _get(api)
        counts = [found["status"].get(key) for key in ("updatedReplicas", "unavailableReplicas", "availableReplicas")]
        return found if counts == [1, 1, 2] else None

    found = api.eventually(settled)
    assert _condition(found, "Available")["status"] == "True"


def test_past_its_deadline_a_rollout_has_failed_but_goes_on(api: Api) -> None:
    api.create("deployments", deployment("web", container(**NO_IMAGE), progressDeadlineSeconds=1)).ok()

    def failed() -> Any:
        condition = _condition(_get(api), "Progressing")
        return condition if condition.get("reason") == "ProgressDeadlineExceeded" else None

    condition = api.eventually(failed)
    [replica_set] = api.get("replicasets").ok()["items"]
    assert condition["status"] == "False"
    assert condition["message"] == f'ReplicaSet "{replica_set["metadata"]["name"]}" has timed out progressing.'
    available = _condition(_get(api), "Available")
    assert (available["status"], available["reason"], available["message"]) == (
        "False",
        "MinimumReplicasUnavailable",
        "Deployment does not have minimum availability.",
    )
    _set_image(api, "nginx:1.27", imagePullPolicy="IfNotPresent")
    _complete(api)


def test_recreate_ends_the_old_before_it_starts_the_new(api: Api) -> None:
    api.create("deployments", deployment(replicas=2, strategy={"type": "Recreate"})).ok()
    _complete(api)
    version = api.get("pods").ok()["metadata"]["resourceVersion"]
    _set_image(api, "nginx:1.28")
    _complete(api)
    with api.watching(api.at("pods"), resourceVersion=version) as events:
        seen: list[str] = []
        for event in events:
            if event["type"] in ("ADDED", "DELETED"):
                seen.append(event["type"])
            if len(seen) == 4:
                break
    assert seen == ["DELETED", "DELETED", "ADDED", "ADDED"]


def test_a_paused_deployment_waits(api: Api) -> None:
    api.create("deployments", deployment(replicas=1)).ok()
    _complete(api)
    api.patch("deployments", "web", {"spec": {"paused": True}}).ok()

    def paused() -> Any:
        condition = _condition(_get(api), "Progressing")
        return condition if condition.get("reason") == "DeploymentPaused" else None

    condition = api.eventually(paused)
    assert (condition["status"], condition["message"]) == ("Unknown", "Deployment is paused")
    changed = _set_image(api, "nginx:1.28")
    api.eventually(lambda: _get(api)["status"]["observedGeneration"] == changed["metadata"]["generation"])
    assert _replica_sets(api) == {"1": 1}
    api.patch("deployments", "web", {"spec": {"paused": None}}).ok()
    _complete(api)
    api.eventually(lambda: _replica_sets(api) == {"1": 0, "2": 1})


def test_old_replica_sets_beyond_the_limit_go(api: Api) -> None:
    api.create("deployments", deployment(replicas=1, revisionHistoryLimit=0)).ok()
    _complete(api)
    _set_image(api, "nginx:1.28")
    _complete(api)
    api.eventually(lambda: list(_replica_sets(api)) == ["2"])


def test_a_pod_that_is_deleted_is_replaced(api: Api) -> None:
    api.create("deployments", deployment(replicas=1)).ok()
    _complete(api)
    [before] = api.get("pods").ok()["items"]
    api.delete("pods", before["metadata"]["name"]).ok()

    def after() -> list[str]:
        return [one["metadata"]["uid"] for one in api.get("pods").ok()["items"]]

    api.eventually(lambda: len(after()) == 1 and after() != [before["metadata"]["uid"]])


def test_a_stateful_set_counts_from_zero_one_after_the_other(api: Api) -> None:
    api.create("statefulsets", workload("StatefulSet", replicas=2, serviceName="web")).ok()
    api.eventually(lambda: api.get("statefulsets", "web").ok()["status"].get("readyReplicas") == 2)
    pods = api.get("pods").ok()["items"]
    assert [one["metadata"]["name"] for one in pods] == ["web-0", "web-1"]
    assert pods[1]["metadata"]["labels"]["apps.kubernetes.io/pod-index"] == "1"
    assert pods[1]["metadata"]["labels"]["statefulset.kubernetes.io/pod-name"] == "web-1"
    assert pods[1]["spec"]["hostname"] == "web-1"
    ready = [next(c for c in one["status"]["conditions"] if c["type"] == "Ready") for one in pods]
    assert ready[0]["lastTransitionTime"] <= pods[1]["metadata"]["creationTimestamp"]


def test_a_daemon_set_is_on_every_node(api: Api) -> None:
    api.create("daemonsets", workload("DaemonSet")).ok()
    api.eventually(lambda: api.get("daemonsets", "web").ok()["status"].get("numberReady") == 3)
    nodes = sorted(one["spec"]["nodeName"] for one in api.get("pods").ok()["items"])
    assert nodes == ["node-1", "node-2", "node-3"]


def test_a_job_completes(api: Api) -> None:
    api.create("jobs", job(completions=2, parallelism=2)).ok()

    def complete() -> Any:
        status = api.get("jobs", "once").ok()["status"]
        return status if status.get("completionTime") else None

    status = api.eventually(complete)
    assert status["succeeded"] == 2
    kinds = {one["type"]: one["status"] for one in status["conditions"]}
    assert kinds == {"SuccessCriteriaMet": "True", "Complete": "True"}
    [event] = api.eventually(lambda: api.events_about("once", "Completed"))
    assert event["message"] == "Job completed"


def test_a_job_gives_up_after_its_retries(api: Api) -> None:
    failing = container("main", "busybox:1.36", command=["sh", "-c", "exit 3"])
    api.create("jobs", job("once", failing, backoffLimit=0)).ok()

    def failed() -> Any:
        conditions = api.get("jobs", "once").ok()["status"].get("conditions", [])
        return next((one for one in conditions if one["type"] == "Failed"), None)

    condition = api.eventually(failed)
    assert (condition["status"], condition["reason"]) == ("True", "BackoffLimitExceeded")
    assert condition["message"] == "Job has reached the specified backoff limit"
    [pod] = api.get("pods").ok()["items"]
    assert pod["status"]["phase"] == "Failed"
    assert pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 3
