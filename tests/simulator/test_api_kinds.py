"""Every built-in kind is listed, stored and has the defaults of the real server; some of their fields never change."""

from typing import Any

import pytest

from tests.simulator.conftest import MERGE_PATCH, Api

TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {"a": "b"}},
    "spec": {"containers": [{"name": "c", "image": "i"}]},
}
SELECTOR = {"matchLabels": {"a": "b"}}
ONCE: dict[str, Any] = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}
CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1024Mi"}}}


def space(group: str, plural: str) -> str:
    return f"/apis/{group}/v1/namespaces/default/{plural}" if group else f"/api/v1/namespaces/default/{plural}"


STATEFUL_SETS, DAEMON_SETS = space("apps", "statefulsets"), space("apps", "daemonsets")
JOBS, CRON_JOBS = space("batch", "jobs"), space("batch", "cronjobs")
CLAIMS = space("", "persistentvolumeclaims")
CLASSES = "/apis/storage.k8s.io/v1/storageclasses"


def make(api: Api, path: str, **fields: Any) -> Any:
    made = api.create(path, {"metadata": {"name": "one"}, **fields})
    assert made["kind"] != "Status", made
    return made


def refusal(api: Api, path: str, **fields: Any) -> str:
    refused = api.patch(f"{path}/one", fields, MERGE_PATCH)
    assert refused["code"] == 422
    return str(refused["message"]).partition(" is invalid: ")[2]


def test_discovery_lists_short_names_categories_and_subresources(api: Api) -> None:
    found = {one["name"]: one for one in api.get("/apis/apps/v1")["resources"]}
    assert found["statefulsets"]["shortNames"] == ["sts"]
    assert found["statefulsets"]["categories"] == ["all"]
    assert {"statefulsets/scale", "statefulsets/status", "daemonsets/status"} <= set(found)
    groups = {one["name"] for one in api.get("/apis")["groups"]}
    assert {"batch", "policy", "storage.k8s.io", "networking.k8s.io", "rbac.authorization.k8s.io"} <= groups


class TestDefaults:
    def test_of_a_stateful_set(self, api: Api) -> None:
        claim = {"metadata": {"name": "d"}, "spec": CLAIM}
        made = make(
            api,
            STATEFUL_SETS,
            spec={"selector": SELECTOR, "template": TEMPLATE, "volumeClaimTemplates": [claim]},
        )
        spec = made["spec"]
        assert (spec["replicas"], spec["podManagementPolicy"], spec["revisionHistoryLimit"]) == (1, "OrderedReady", 10)
        assert spec["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}
        assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
        [template] = spec["volumeClaimTemplates"]
        assert (template["kind"], template["spec"]["volumeMode"]) == ("PersistentVolumeClaim", "Filesystem")
        assert template["status"] == {"phase": "Pending"}
        assert made["status"] == {"replicas": 0, "availableReplicas": 0}

    def test_of_a_daemon_set(self, api: Api) -> None:
        made = make(api, DAEMON_SETS, spec={"selector": SELECTOR, "template": TEMPLATE})
        assert made["spec"]["updateStrategy"] == {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0},
        }
        assert made["metadata"]["annotations"] == {"deprecated.daemonset.template.generation": "1"}
        changed = api.patch(f"{DAEMON_SETS}/one", {"spec": {"template": {"spec": {"hostname": "x"}}}})
        assert changed["metadata"]["annotations"] == {"deprecated.daemonset.template.generation": "2"}

    def test_of_a_job_whose_selector_is_made_of_its_uid(self, api: Api) -> None:
        made = make(api, JOBS, spec={"template": ONCE})
        uid, spec = made["metadata"]["uid"], made["spec"]
        labels = {
            "batch.kubernetes.io/controller-uid": uid,
            "batch.kubernetes.io/job-name": "one",
            "controller-uid": uid,
            "job-name": "one",
        }
        assert spec["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
        assert spec["template"]["metadata"]["labels"] == made["metadata"]["labels"] == labels
        assert (spec["parallelism"], spec["completions"], spec["backoffLimit"]) == (1, 1, 6)
        assert (spec["completionMode"], spec["podReplacementPolicy"]) == ("NonIndexed", "TerminatingOrFailed")
        assert (spec["suspend"], spec["manualSelector"]) == (False, False)

    def test_of_a_cron_job(self, api: Api) -> None:
        spec = make(api, CRON_JOBS, spec={"schedule": "* * * * *", "jobTemplate": {"spec": {"template": ONCE}}})["spec"]
        assert (spec["concurrencyPolicy"], spec["suspend"]) == ("Allow", False)
        assert (spec["successfulJobsHistoryLimit"], spec["failedJobsHistoryLimit"]) == (3, 1)

    def test_of_claims_volumes_and_classes(self, api: Api) -> None:
        claim = make(api, CLAIMS, spec=CLAIM)
        assert claim["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
        assert claim["spec"]["resources"]["requests"] == {"storage": "1Gi"}
        source = {"capacity": {"storage": "1Gi"}, "hostPath": {"path": "/x"}, "accessModes": ["ReadWriteOnce"]}
        volume = make(api, "/api/v1/persistentvolumes", spec=source)
        assert volume["spec"]["persistentVolumeReclaimPolicy"] == "Retain"
        assert volume["metadata"]["finalizers"] == ["kubernetes.io/pv-protection"]
        found = make(api, CLASSES, provisioner="a.b/c")
        assert (found["reclaimPolicy"], found["volumeBindingMode"]) == ("Delete", "Immediate")

    def test_of_policies(self, api: Api) -> None:
        path = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"
        target = {"kind": "Deployment", "name": "w", "apiVersion": "apps/v1"}
        scaler = make(api, path, spec={"maxReplicas": 3, "scaleTargetRef": target})
        assert scaler["spec"]["minReplicas"] == 1
        assert scaler["spec"]["metrics"][0]["resource"]["target"] == {"type": "Utilization", "averageUtilization": 80}
        policy = make(api, space("networking.k8s.io", "networkpolicies"), spec={"podSelector": {}, "egress": [{}]})
        assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
        ranged = make(api, space("", "limitranges"), spec={"limits": [{"type": "Container", "max": {"cpu": "0.5"}}]})
        [limit] = ranged["spec"]["limits"]
        assert limit["default"] == limit["defaultRequest"] == {"cpu": "500m"}
        role = {"kind": "Role", "name": "r"}
        bound = make(api, space("rbac.authorization.k8s.io", "rolebindings"), roleRef=role)
        assert bound["roleRef"]["apiGroup"] == "rbac.authorization.k8s.io"


class TestWhatNeverChanges:
    def test_of_a_stateful_set(self, api: Api) -> None:
        make(api, STATEFUL_SETS, spec={"selector": SELECTOR, "template": TEMPLATE, "serviceName": "s"})
        assert refusal(api, STATEFUL_SETS, spec={"serviceName": "t"}) == (
            "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
            "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' "
            "are forbidden"
        )
        assert api.patch(f"{STATEFUL_SETS}/one", {"spec": {"replicas": 0}})["spec"]["replicas"] == 0

    def test_of_a_daemon_set(self, api: Api) -> None:
        make(api, DAEMON_SETS, spec={"selector": SELECTOR, "template": TEMPLATE})
        told = refusal(api, DAEMON_SETS, spec={"selector": {"matchLabels": {"x": "y"}}})
        assert 'spec.selector: Invalid value: {"matchLabels":{"a":"b","x":"y"}}: field is immutable' in told

    def test_of_a_job(self, api: Api) -> None:
        make(api, JOBS, spec={"template": ONCE, "completions": 2})
        assert refusal(api, JOBS, spec={"completions": 3}) == "spec.completions: Invalid value: 3: field is immutable"
        told = refusal(api, JOBS, spec={"template": {"spec": {"restartPolicy": "OnFailure"}}})
        assert told.startswith("spec.template: Invalid value: ")
        assert told.endswith(": field is immutable")
        assert api.patch(f"{JOBS}/one", {"spec": {"parallelism": 4}})["spec"]["parallelism"] == 4

    def test_of_a_claim_until_it_is_bound_and_may_grow(self, api: Api) -> None:
        make(api, CLAIMS, spec=CLAIM)
        bigger = {"resources": {"requests": {"storage": "2Gi"}}}
        assert refusal(api, CLAIMS, spec=bigger).startswith("spec: Forbidden: spec is immutable after creation except ")
        api.patch(f"{CLAIMS}/one/status", {"status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}})
        assert api.patch(f"{CLAIMS}/one", {"spec": bigger})["spec"]["resources"] == {"requests": {"storage": "2Gi"}}
        assert refusal(api, CLAIMS, spec={"resources": {"requests": {"storage": "1Mi"}}}) == (
            "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity"
        )

    def test_of_a_storage_class(self, api: Api) -> None:
        make(api, CLASSES, provisioner="a.b/c")
        assert refusal(api, CLASSES, provisioner="x.y") == 'provisioner: Invalid value: "x.y": field is immutable'

    def test_of_a_binding_of_a_role(self, api: Api) -> None:
        path = space("rbac.authorization.k8s.io", "rolebindings")
        make(api, path, roleRef={"kind": "Role", "name": "r"})
        assert refusal(api, path, roleRef={"name": "q"}).endswith(": cannot change roleRef")

    def test_of_a_priority_class(self, api: Api) -> None:
        path = "/apis/scheduling.k8s.io/v1/priorityclasses"
        make(api, path, value=5)
        assert refusal(api, path, value=6) == "value: Forbidden: may not be changed in an update."


def test_jobs_leave_their_pods_behind_unless_told_otherwise(api: Api) -> None:
    make(api, JOBS, spec={"template": ONCE})
    assert api.delete(f"{JOBS}/one")["metadata"]["finalizers"] == ["orphan"]


def test_a_name_that_is_being_freed_says_so(api: Api) -> None:
    make(api, CLAIMS, spec=CLAIM)
    api.delete(f"{CLAIMS}/one")
    refused = api.create(CLAIMS, {"metadata": {"name": "one"}, "spec": CLAIM})
    assert refused["message"] == 'object is being deleted: persistentvolumeclaims "one" already exists'


@pytest.mark.parametrize("name", ["a:b", "system:x"])
def test_roles_may_have_names_that_only_fit_into_a_path(api: Api, name: str) -> None:
    made = api.create("/apis/rbac.authorization.k8s.io/v1/clusterroles", {"metadata": {"name": name}})
    assert made["rules"] is None
