"""Eviction asks the disruption budget; resize changes cpu and memory alone; logs are asked for sensibly."""

from typing import Any

import pytest

from tests.simulator.conftest import PODS, STRATEGIC_PATCH, Api, container, pod

BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
EVICT, RESIZE = f"{PODS}/web/eviction", f"{PODS}/web/resize"
REFUSAL = "Cannot evict pod as it would violate the pod's disruption budget."
POD_IN_QUESTION = pod("web", container(resources={"requests": {"cpu": "1", "memory": "1Gi"}}))


def running(api: Api, *, ready: bool = True) -> None:
    body = POD_IN_QUESTION | {"metadata": {"name": "web", "labels": {"app": "web"}}}
    assert "code" not in api.create(PODS, body)
    conditions = [{"type": "Ready", "status": str(ready)}]
    api.patch(f"{PODS}/web/status", {"status": {"phase": "Running", "conditions": conditions}})


def budget(api: Api, *, allowed: int = 0, healthy: int = 1, name: str = "budget", **spec: Any) -> None:
    """A budget whose controller has seen it and allows so many disruptions."""
    body = {
        "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "minAvailable": 1, **spec},
    }
    made = api.create(BUDGETS, body)
    counts = {"disruptionsAllowed": allowed, "currentHealthy": healthy, "desiredHealthy": 1, "expectedPods": 1}
    condition = {"type": "DisruptionAllowed", "status": "True", "reason": "SufficientPods", "message": ""}
    made["status"] = counts | {
        "observedGeneration": made["metadata"]["generation"],
        "conditions": [condition | {"lastTransitionTime": "2026-01-01T00:00:00Z"}],
    }
    assert "code" not in api.update(f"{BUDGETS}/{name}/status", made)


class TestEviction:
    def test_without_a_budget_the_pod_goes(self, api: Api) -> None:
        running(api)
        done = api.create(EVICT, {"metadata": {"name": "web"}})
        assert (done["status"], done["code"]) == ("Success", 201)
        assert api.get(f"{PODS}/web")["code"] == 404

    def test_a_budget_that_allows_none_refuses(self, api: Api) -> None:
        running(api)
        budget(api)
        refused = api.create(EVICT, {})
        assert (refused["code"], refused["reason"], refused["message"]) == (429, "TooManyRequests", REFUSAL)
        assert refused["details"]["causes"] == [
            {
                "reason": "DisruptionBudget",
                "message": "The disruption budget budget needs 1 healthy pods and has 1 currently",
            }
        ]
        assert api.get(f"{PODS}/web")["kind"] == "Pod"

    def test_a_budget_counts_what_it_allows(self, api: Api) -> None:
        running(api)
        budget(api, allowed=1, healthy=2)
        assert api.create(EVICT, {}, dryRun="All")["code"] == 201
        assert api.get(f"{BUDGETS}/budget")["status"]["disruptionsAllowed"] == 1
        assert api.create(EVICT, {})["code"] == 201
        status = api.get(f"{BUDGETS}/budget")["status"]
        assert (status["disruptionsAllowed"], list(status["disruptedPods"])) == (0, ["web"])
        assert (status["conditions"][0]["status"], status["conditions"][0]["reason"]) == ("False", "InsufficientPods")

    def test_a_budget_nobody_has_looked_at_asks_for_patience(self, api: Api) -> None:
        running(api)
        api.create(BUDGETS, {"metadata": {"name": "new"}, "spec": {"selector": {"matchLabels": {"app": "web"}}}})
        refused = api.http.post(EVICT, json={})
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "10")
        assert "is still being processed by the server" in refused.json()["details"]["causes"][0]["message"]

    def test_two_budgets_are_more_than_can_be_asked(self, api: Api) -> None:
        running(api)
        budget(api, allowed=1)
        budget(api, allowed=1, name="other")
        refused = api.create(EVICT, {})
        assert refused["code"] == 500
        assert "more than one PodDisruptionBudget" in refused["message"]

    @pytest.mark.parametrize(("policy", "healthy"), [("AlwaysAllow", 0), ("IfHealthyBudget", 1)])
    def test_a_pod_that_is_not_ready_may_go(self, api: Api, policy: str, healthy: int) -> None:
        running(api, ready=False)
        budget(api, healthy=healthy, unhealthyPodEvictionPolicy=policy)
        assert api.create(EVICT, {})["code"] == 201

    def test_a_pod_that_is_not_ready_stays_while_too_few_are_healthy(self, api: Api) -> None:
        running(api, ready=False)
        budget(api, healthy=0)
        assert api.create(EVICT, {})["code"] == 429

    def test_a_pending_pod_asks_nobody(self, api: Api) -> None:
        api.create(PODS, pod("web") | {"metadata": {"name": "web", "labels": {"app": "web"}}})
        budget(api)
        assert api.create(EVICT, {})["code"] == 201

    def test_the_names_must_agree(self, api: Api) -> None:
        running(api)
        refused = api.create(EVICT, {"metadata": {"name": "other"}})
        assert (refused["code"], refused["message"]) == (400, "name in URL does not match name in Eviction object")


class TestResize:
    def resize(self, api: Api, **resources: Any) -> Any:
        body = {"spec": {"containers": [{"name": "web", "resources": resources}]}}
        return api.patch(RESIZE, body, STRATEGIC_PATCH)

    def test_cpu_and_memory_change_and_count_a_generation(self, api: Api) -> None:
        made = api.create(PODS, POD_IN_QUESTION)
        changed = self.resize(api, requests={"cpu": "2"})
        assert changed["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "2", "memory": "1Gi"}
        assert changed["metadata"].get("generation") == made["metadata"].get("generation", 0) + 1

    def test_everything_else_is_left_as_it_was(self, api: Api) -> None:
        api.create(PODS, POD_IN_QUESTION)
        body = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "web", "image": "other"}]}}
        kept = api.patch(RESIZE, body, STRATEGIC_PATCH)
        assert (kept["spec"]["containers"][0]["image"], kept["metadata"].get("labels")) == ("nginx:1.27", None)

    @pytest.mark.parametrize(
        ("resources", "words"),
        [
            (
                {"requests": {"cpu": None}},
                "spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed",
            ),
            ({"requests": {"ephemeral-storage": "1Gi"}}, "spec: Forbidden: only cpu and memory resources are mutable"),
            (
                {"limits": {"cpu": "1", "memory": "1Gi"}},
                (
                    'spec: Invalid value: "Burstable": Pod QOS Class may not change as a result of '
                    'resizing'
                ),
            ),
        ],
    )  # fmt: skip
    def test_what_a_resize_may_not_do_is_refused(self, api: Api, resources: Any, words: str) -> None:
        api.create(PODS, POD_IN_QUESTION)
        assert self.resize(api, **resources)["message"] == f'Pod "web" is invalid: {words}'

    def test_the_pod_itself_does_not_take_new_resources(self, api: Api) -> None:
        api.create(PODS, POD_IN_QUESTION)
        body = {"spec": {"containers": [{"name": "web", "resources": {"requests": {"cpu": "2"}}}]}}
        assert api.patch(f"{PODS}/web", body, STRATEGIC_PATCH)["code"] == 422


@pytest.mark.parametrize(
    ("query", "code", "words"),
    [
        ("tailLines=-1", 422, "tailLines: Invalid value: -1: must be greater than or equal to 0"),
        ("limitBytes=0", 422, "limitBytes: Invalid value: 0: must be greater than 0"),
        ("sinceSeconds=0", 422, "sinceSeconds: Invalid value: 0: must be greater than 0"),
        ("sinceSeconds=5&sinceTime=2026-01-01T00:00:00Z", 422, "at most one of `sinceTime` or `sinceSeconds`"),
        ("stream=Stdout", 422, "stream: Forbidden: may not be specified"),
        ("tailLines=x", 400, 'strconv.ParseInt: parsing "x": invalid syntax'),
        ("sinceTime=foo", 400, 'parsing time "foo" as'),
    ],
)
def test_a_senseless_question_for_logs_is_refused(api: Api, query: str, code: int, words: str) -> None:
    api.create(PODS, pod())
    refused = api.http.get(f"{PODS}/web/log?{query}").json()
    assert refused["code"] == code
    assert words in refused["message"]
