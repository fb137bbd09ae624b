"""Quotas, limit ranges, pod security and priorities decide about new objects, in the real server's words."""

from typing import Any

import pytest

from tests.simulator.conftest import DEPLOYMENTS, PODS, Api, container, deployment, pod

SPACE = "/api/v1/namespaces/default"
QUOTAS, RANGES, CLAIMS = f"{SPACE}/resourcequotas", f"{SPACE}/limitranges", f"{SPACE}/persistentvolumeclaims"
CLASSES = "/apis/scheduling.k8s.io/v1/priorityclasses"
SAFE: dict[str, Any] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def sized(name: str, requests: dict[str, str], limits: dict[str, str] | None = None) -> dict[str, Any]:
    resources = {"requests": requests} | ({"limits": limits} if limits else {})
    return pod(name, container(resources=resources))


def quota(api: Api, hard: dict[str, str], **spec: Any) -> None:
    made = api.create(QUOTAS, {"metadata": {"name": "q"}, "spec": {"hard": hard, **spec}})
    assert made["kind"] == "ResourceQuota", made


def used(api: Api) -> Any:
    return api.get(f"{QUOTAS}/q")["status"]["used"]


def refused(answer: Any) -> str:
    assert (answer["code"], answer["reason"]) == (403, "Forbidden"), answer
    return str(answer["message"]).partition(" is forbidden: ")[2]


class TestQuotas:
    def test_a_pod_must_say_what_a_quota_counts(self, api: Api) -> None:
        quota(api, {"requests.cpu": "1", "limits.cpu": "2"})
        assert refused(api.create(PODS, pod("web", container("a"), container("b")))) == (
            "failed quota: q: must specify limits.cpu for: a,b; requests.cpu for: a,b"
        )

    def test_only_what_does_not_fit_is_named_and_what_fits_is_counted(self, api: Api) -> None:
        quota(api, {"pods": "2", "requests.cpu": "1", "requests.memory": "1Gi"})
        assert refused(api.create(PODS, sized("a", {"cpu": "1500m", "memory": "1Mi"}))) == (
            "exceeded quota: q, requested: requests.cpu=1500m, used: requests.cpu=0, limited: requests.cpu=1"
        )
        api.create(PODS, sized("a", {"cpu": "600m", "memory": "100Mi"}))
        assert used(api) == {"pods": "1", "requests.cpu": "600m", "requests.memory": "100Mi"}
        api.create(PODS, sized("b", {"cpu": "100m", "memory": "100Mi"}))
        assert used(api) == {"pods": "2", "requests.cpu": "700m", "requests.memory": "200Mi"}
        assert refused(api.create(PODS, sized("c", {"cpu": "600m", "memory": "1Mi"}))) == (
            "exceeded quota: q, requested: pods=1,requests.cpu=600m, used: pods=2,requests.cpu=700m, "
            "limited: pods=2,requests.cpu=1"
        )

    def test_a_dry_run_is_refused_but_never_charged(self, api: Api) -> None:
        quota(api, {"pods": "1"})
        api.create(PODS, pod(), dryRun="All")
        assert "used" not in api.get(f"{QUOTAS}/q")["status"]

    def test_a_finished_pod_makes_room(self, api: Api) -> None:
        quota(api, {"pods": "1"})
        api.create(PODS, pod("a"))
        api.patch(f"{PODS}/a/status", {"status": {"phase": "Succeeded"}})
        assert api.create(PODS, pod("b"))["kind"] == "Pod"

    @pytest.mark.parametrize(
        ("hard", "path", "body", "asked"),
        [
            ({"configmaps": "0"}, f"{SPACE}/configmaps", {}, "configmaps=1"),
            ({"count/deployments.apps": "0"}, DEPLOYMENTS, deployment(), "count/deployments.apps=1"),
            (
                {"services.nodeports": "0"},
                f"{SPACE}/services",
                {"spec": {"type": "NodePort", "ports": [{"port": 1, "name": "a"}, {"port": 2, "name": "b"}]}},
                "services.nodeports=2",
            ),
            (
                {"gold.storageclass.storage.k8s.io/requests.storage": "0"},
                CLAIMS,
                {
                    "spec": {
                        "storageClassName": "gold",
                        "accessModes": ["ReadWriteOnce"],
                        "resources": {"requests": {"storage": "1Gi"}},
                    }
                },
                "gold.storageclass.storage.k8s.io/requests.storage=1Gi",
            ),
        ],
    )
    def test_other_objects_count_too(self, api: Api, hard: dict[str, str], path: str, body: Any, asked: str) -> None:
        quota(api, hard)
        told = refused(api.create(path, {"metadata": {"name": "web"}} | body))
        assert told.startswith(f"exceeded quota: q, requested: {asked}, used: ")

    def test_scopes_choose_the_pods(self, api: Api) -> None:
        quota(api, {"pods": "0"}, scopes=["BestEffort"])
        assert "exceeded quota: q, requested: pods=1" in refused(api.create(PODS, pod()))
        assert api.create(PODS, sized("b", {"cpu": "1"}))["kind"] == "Pod"


class TestLimitRanges:
    def test_defaults_are_filled_and_noted(self, api: Api) -> None:
        limit = {"type": "Container", "default": {"cpu": "500m"}, "defaultRequest": {"cpu": "200m"}}
        api.create(RANGES, {"metadata": {"name": "r"}, "spec": {"limits": [limit]}})
        made = api.create(PODS, pod())
        resources = made["spec"]["containers"][0]["resources"]
        assert resources == {"requests": {"cpu": "200m"}, "limits": {"cpu": "500m"}}
        assert made["metadata"]["annotations"]["kubernetes.io/limit-ranger"] == (
            "LimitRanger plugin set: cpu request for container web; cpu limit for container web"
        )
        assert made["status"]["qosClass"] == "Burstable"

    @pytest.mark.parametrize(
        ("limit", "body", "told"),
        [
            (
                {"type": "Container", "max": {"cpu": "1"}},
                sized("a", {"cpu": "2"}, {"cpu": "2"}),
                "maximum cpu usage per Container is 1, but limit is 2",
            ),
            (
                {"type": "Container", "min": {"cpu": "100m"}},
                sized("a", {"cpu": "50m"}),
                "minimum cpu usage per Container is 100m, but request is 50m",
            ),
            (
                {"type": "Container", "maxLimitRequestRatio": {"cpu": "4"}},
                sized("a", {"cpu": "100m"}, {"cpu": "1"}),
                "cpu max limit to request ratio per Container is 4, but provided ratio is 10.000000",
            ),
            (
                {"type": "Pod", "min": {"cpu": "100m"}, "max": {"memory": "1Gi"}},
                pod(),
                (
                    "[minimum cpu usage per Pod is 100m.  No request is specified, "
                    "maximum memory usage per Pod is 1Gi.  No limit is specified]"
                ),
            ),
        ],
    )
    def test_what_does_not_fit_is_refused(self, api: Api, limit: Any, body: Any, told: str) -> None:
        api.create(RANGES, {"metadata": {"name": "r"}, "spec": {"limits": [limit]}})
        assert refused(api.create(PODS, body)) == told

    def test_claims_have_bounds_too(self, api: Api) -> None:
        limit = {"type": "PersistentVolumeClaim", "max": {"storage": "2Gi"}}
        api.create(RANGES, {"metadata": {"name": "r"}, "spec": {"limits": [limit]}})
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "5Gi"}}}
        assert refused(api.create(CLAIMS, {"metadata": {"name": "c"}, "spec": spec})) == (
            "maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 5Gi"
        )


def demand(api: Api, level: str, mode: str = "enforce") -> None:
    labels = {f"pod-security.kubernetes.io/{mode}": level}
    api.patch("/api/v1/namespaces/default", {"metadata": {"labels": labels}})


class TestPodSecurity:
    def test_restricted_says_everything_that_is_missing(self, api: Api) -> None:
        demand(api, "restricted")
        assert refused(api.create(PODS, pod("web", container("a"), container("b")))) == (
            'violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false (containers "a", "b" must set '
            'securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (containers "a", "b" must set '
            'securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or containers "a", "b" must set '
            'securityContext.runAsNonRoot=true), seccompProfile (pod or containers "a", "b" must set '
            'securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")'
        )
        assert api.create(PODS, pod("web", container(securityContext=SAFE)))["kind"] == "Pod"

    @pytest.mark.parametrize(
        ("body", "told"),
        [
            (
                pod("a", container(securityContext={"privileged": True})),
                'privileged (container "web" must not set securityContext.privileged=true)',
            ),
            (pod("a", hostNetwork=True, hostPID=True), "host namespaces (hostNetwork=true, hostPID=true)"),
            (
                pod("a", container(ports=[{"containerPort": 80, "hostPort": 80}])),
                'hostPort (container "web" uses hostPort 80)',
            ),
            (
                pod("a", container(securityContext={"capabilities": {"add": ["SYS_ADMIN", "NET_ADMIN"]}})),
                (
                    'non-default capabilities (container "web" must not include "NET_ADMIN", "SYS_ADMIN" in '
                    "securityContext.capabilities.add)"
                ),
            ),
            (pod("a", volumes=[{"name": "v", "hostPath": {"path": "/"}}]), 'hostPath volumes (volume "v")'),
            (
                pod("a", securityContext={"sysctls": [{"name": "kernel.x", "value": "1"}]}),
                "forbidden sysctls (kernel.x)",
            ),
        ],
    )
    def test_baseline_refuses_what_reaches_the_node(self, api: Api, body: Any, told: str) -> None:
        demand(api, "baseline")
        assert refused(api.create(PODS, body)) == f'violates PodSecurity "baseline:latest": {told}'

    def test_workloads_are_warned_about_and_stored(self, api: Api) -> None:
        demand(api, "restricted")
        answer = api.http.post(DEPLOYMENTS, json=deployment())
        assert answer.status_code == 201
        assert answer.headers["Warning"].startswith(r'299 - "would violate PodSecurity \"restricted:latest\": ')

    def test_the_warn_label_only_warns(self, api: Api) -> None:
        demand(api, "restricted", mode="warn")
        answer = api.http.post(PODS, json=pod())
        assert answer.status_code == 201
        assert "would violate PodSecurity" in answer.headers["Warning"]


class TestPriorities:
    def test_a_class_gives_priority_and_preemption(self, api: Api) -> None:
        api.create(CLASSES, {"metadata": {"name": "high"}, "value": 1000, "preemptionPolicy": "Never"})
        spec = api.create(PODS, pod("web", priorityClassName="high"))["spec"]
        assert (spec["priority"], spec["preemptionPolicy"]) == (1000, "Never")

    def test_the_system_classes_are_there(self, api: Api) -> None:
        spec = api.create(PODS, pod("web", priorityClassName="system-node-critical"))["spec"]
        assert spec["priority"] == 2_000_001_000

    def test_an_unknown_class_and_a_number_of_ones_own_are_refused(self, api: Api) -> None:
        told = refused(api.create(PODS, pod("web", priorityClassName="nope")))
        assert told == "no PriorityClass with name nope was found"
        assert refused(api.create(PODS, pod("web", priority=5))) == (
            "the integer value of priority (5) must not be provided in pod spec; "
            "priority admission controller computed 0 from the given PriorityClass name"
        )

    def test_there_is_one_default_class(self, api: Api) -> None:
        api.create(CLASSES, {"metadata": {"name": "usual"}, "value": 7, "globalDefault": True})
        assert api.create(PODS, pod())["spec"]["priorityClassName"] == "usual"
        second = api.create(CLASSES, {"metadata": {"name": "other"}, "value": 7, "globalDefault": True})
        assert refused(second) == "PriorityClass usual is already marked as default. Only one default can exist"


class TestWebhooks:
    """A webhook is not called; that nobody can be asked is said in the real words."""

    PLACE = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
    ASKED = (
        'failed calling webhook "pods.example.com": failed to call webhook: '
        'Post "https://gate.default.svc:443/check?timeout=10s": '
    )

    def webhook(self, api: Api, **fields: Any) -> None:
        rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
        place = {"service": {"name": "gate", "namespace": "default", "path": "/check"}}
        hook = {"name": "pods.example.com", "rules": [rule], "clientConfig": place, "sideEffects": "None"} | fields
        body = {"metadata": {"name": "gate"}, "webhooks": [hook | {"admissionReviewVersions": ["v1"]}]}
        made = api.create(self.PLACE, body)
        assert made["kind"] == "ValidatingWebhookConfiguration", made

    def told(self, api: Api) -> str:
        answer = api.create(PODS, pod("web"))
        assert (answer["code"], answer["reason"]) == (500, "InternalError"), answer
        return str(answer["message"]).removeprefix("Internal error occurred: ")

    def test_a_service_that_is_not_there_or_has_nobody_behind_it_refuses_the_write(self, api: Api) -> None:
        self.webhook(api)
        assert self.told(api) == f'{self.ASKED}service "gate" not found'
        api.create(f"{SPACE}/services", {"metadata": {"name": "gate"}, "spec": {"ports": [{"port": 443}]}})
        assert self.told(api) == f'{self.ASKED}no endpoints available for service "gate"'
        ready = [{"addresses": ["10.0.0.9"], "conditions": {"ready": True}}]
        named = {"name": "gate-1", "labels": {"kubernetes.io/service-name": "gate"}}
        slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
        api.create(slices, {"metadata": named, "addressType": "IPv4", "endpoints": ready, "ports": []})
        assert api.create(PODS, pod("web"))["kind"] == "Pod"

    @pytest.mark.parametrize(
        "fields",
        [
            {"failurePolicy": "Ignore"},
            {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "elsewhere"}}},
            {"objectSelector": {"matchLabels": {"app": "other"}}},
            {"clientConfig": {"url": "https://gate.example.com/check"}},
        ],
        ids=["ignored", "another namespace", "another object", "a place outside"],
    )
    def test_a_webhook_that_need_not_be_asked_refuses_nothing(self, api: Api, fields: dict[str, Any]) -> None:
        self.webhook(api, **fields)
        assert api.create(PODS, pod("web"))["kind"] == "Pod"
