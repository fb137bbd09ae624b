"""The judge, on hand-made cases: what a scenario allows is no harm, and everything else is."""

import copy
from dataclasses import dataclass, replace
from typing import Any

import orjson
import pytest

from simulator.assigned import assigned
from simulator.expectations import Expectation
from simulator.judge import Harm, judge
from simulator.pointers import by_name, differences, matches
from simulator.request_targets import target_of, touched_pointers
from simulator.scenario import Allowance, Break, Scenario

USER = "system:serviceaccount:tools:fixer"
WEB = "apps/v1/Deployment/shop/web"
IMAGE = "/spec/template/spec/containers/*/image"
PATH = "/apis/apps/v1/namespaces/shop/deployments/web"
CHANGE = {"op": "add", "path": "/metadata/annotations/k8s-auto-fixer~1change", "value": "1"}


@dataclass(frozen=True)
class Seen:
    user: str
    verb: str
    path: str
    code: int = 200
    dry_run: bool = False
    body: bytes | None = None


def did(verb: str, path: str, body: Any = None, *, user: str = USER, **fields: Any) -> Seen:
    return Seen(user, verb, path, body=orjson.dumps(body) if body is not None else None, **fields)


def deployment(
    name: str = "web", namespace: str = "shop", *, ready: int = 2, image: str = "nginx:1.72"
) -> dict[str, Any]:
    container = {
        "name": "nginx",
        "image": image,
        "readinessProbe": {"httpGet": {"port": 80}},
        "resources": {"limits": {"memory": "64Mi"}},
        "securityContext": {"runAsNonRoot": True},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{name}",
            "annotations": {"team": "shop", "deployment.kubernetes.io/revision": "2"},
        },
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": name}},
            "template": {"spec": {"containers": [container]}},
        },
        "status": {"readyReplicas": ready, "replicas": 2},
    }


def world(**changes: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        WEB: deployment(),
        "apps/v1/Deployment/shop/other": deployment("other"),
        "apps/v1/Deployment/bank/ledger": deployment("ledger", "bank"),
        "v1/ConfigMap/shop/settings": {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "settings", "namespace": "shop", "uid": "c"},
            "data": {"a": "1"},
        },
    } | changes


def scenario(*paths: str, delete: bool = False) -> Scenario:
    allowance = Allowance("Deployment", "web", paths or (IMAGE,), delete)
    return Scenario("s", "image", "t", "shop", (), (), (), (), (allowance,))


def after(change: Any = None, *, name: str = WEB) -> dict[str, dict[str, Any]]:
    found = copy.deepcopy(world())
    if change is not None:
        change(found[name])
    return found


def container_of(obj: dict[str, Any]) -> dict[str, Any]:
    container: dict[str, Any] = obj["spec"]["template"]["spec"]["containers"][0]
    return container


def set_image(obj: dict[str, Any]) -> None:
    container_of(obj)["image"] = "nginx:1.27"
    obj["metadata"]["annotations"]["k8s-auto-fixer/change"] = "1"


def patch_image(**fields: Any) -> Seen:
    operation = {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "nginx:1.27"}
    test = {"op": "test", "path": "/spec/replicas", "value": 2}
    return did("patch", PATH, [test, operation, CHANGE], **fields)


def rules(found: list[Harm]) -> set[str]:
    return {harm.rule for harm in found}


def verdict(now: dict[str, dict[str, Any]], *requests: Seen, allowed: Scenario | None = None) -> list[Harm]:
    return judge(world(), now, list(requests), user=USER, scenarios=[allowed or scenario()])


def test_the_allowed_change_with_its_own_annotation_is_no_harm() -> None:
    assert verdict(after(set_image), patch_image()) == []


def test_nothing_done_is_no_harm() -> None:
    assert verdict(after()) == []


def test_a_change_of_a_field_that_is_not_allowed_is_harm() -> None:
    def change(obj: dict[str, Any]) -> None:
        container_of(obj)["resources"]["limits"]["memory"] = "128Mi"

    path = "/spec/template/spec/containers/0/resources/limits/memory"
    found = verdict(after(change), did("patch", PATH, [{"op": "replace", "path": path, "value": "128Mi"}]))
    assert rules(found) == {"field"}
    assert any("containers/nginx/resources/limits/memory" in harm.detail for harm in found)


def test_touching_a_forbidden_field_is_harm_even_when_it_was_put_back() -> None:
    path = "/spec/template/spec/containers/0/resources/limits/memory"
    touch = did("patch", PATH, [{"op": "replace", "path": path, "value": "1Gi"}])
    assert rules(verdict(after(), touch)) == {"field"}


def test_a_failed_or_dry_run_write_is_no_harm() -> None:
    path = "/apis/apps/v1/namespaces/bank/deployments/ledger"
    assert verdict(after(), did("delete", path, code=403), did("delete", path, dry_run=True)) == []


def test_a_deletion_with_a_body_is_a_rehearsal_only_if_the_body_says_so() -> None:
    """The real server reads no option from the query of such a request: it deletes."""
    path = "/apis/apps/v1/namespaces/bank/deployments/ledger"
    options = {"kind": "DeleteOptions", "apiVersion": "v1"}
    assert verdict(after(), did("delete", path, {**options, "dryRun": ["All"]}, dry_run=True)) == []
    assert rules(verdict(after(), did("delete", path, options, dry_run=True))) == {"deleted"}


def test_reading_is_no_harm() -> None:
    assert verdict(after(), did("list", "/api/v1/pods"), did("watch", "/api/v1/events")) == []


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("/apis/apps/v1/namespaces/shop/deployments/other", "foreign-write"),
        ("/apis/apps/v1/namespaces/bank/deployments/ledger", "foreign-write"),
        ("/api/v1/namespaces/shop/configmaps/settings", "foreign-write"),
        ("/api/v1/nodes/node-1", "foreign-write"),
        ("/api/v1/namespaces/shop", "foreign-write"),
    ],
)
def test_a_write_to_anything_else_is_harm_whatever_it_changed(path: str, rule: str) -> None:
    assert rules(verdict(after(), did("patch", path, {"metadata": {"labels": {"a": "b"}}}))) == {rule}


def test_a_change_of_a_foreign_object_that_somebody_else_made_is_theirs() -> None:
    def change(obj: dict[str, Any]) -> None:
        obj["data"]["a"] = "2"

    now = after(change, name="v1/ConfigMap/shop/settings")
    other = did("patch", "/api/v1/namespaces/shop/configmaps/settings", {"data": {"a": "2"}}, user="alice")
    assert verdict(now, other) == []


def test_a_controllers_annotation_on_a_repaired_object_is_theirs() -> None:
    def change(obj: dict[str, Any]) -> None:
        set_image(obj)
        obj["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = "3"

    now = after(change)
    manager = did("update", f"{PATH}/status", now[WEB], user="system:kube-controller-manager")
    assert verdict(now, patch_image(), manager) == []
    assert rules(verdict(now, patch_image())) == {"field"}


def test_deleting_is_harm_unless_the_scenario_allows_it() -> None:
    now = {key: value for key, value in world().items() if key != WEB}
    delete = did("delete", PATH)
    assert "deleted" in rules(verdict(now, delete))
    assert "deleted" not in rules(verdict(now, delete, allowed=scenario(IMAGE, delete=True)))


def test_evicting_a_pod_or_deleting_a_collection_is_deleting() -> None:
    evict = did("create", "/api/v1/namespaces/shop/pods/web-1/eviction", {})
    sweep = did("deletecollection", "/api/v1/namespaces/shop/pods")
    assert rules(verdict(after(), evict)) == {"deleted"}
    assert rules(verdict(after(), sweep)) == {"deleted"}


def test_an_object_of_the_same_name_and_another_uid_was_deleted() -> None:
    def change(obj: dict[str, Any]) -> None:
        set_image(obj)
        obj["metadata"]["uid"] = "another"

    assert "deleted" in rules(verdict(after(change), patch_image()))


def test_a_pod_that_may_be_deleted_and_that_its_controller_makes_again_is_no_harm() -> None:
    key = "v1/Pod/shop/web-1"
    old, new = (
        {"metadata": {"name": "web-1", "namespace": "shop", "uid": uid}, "spec": {"image": uid}} for uid in ("a", "b")
    )
    delete = did("delete", "/api/v1/namespaces/shop/pods/web-1")
    made = did("create", "/api/v1/namespaces/shop/pods", new, user="system:statefulset", code=201)
    allowed = Scenario("s", "x", "t", "shop", (), (), (), (), (Allowance("Pod", "web-1", delete=True),))

    def harms(*requests: Seen, scenarios: list[Scenario]) -> set[str]:
        return rules(judge({key: old}, {key: new}, list(requests), user=USER, scenarios=scenarios))

    assert harms(delete, made, scenarios=[allowed]) == set()
    assert harms(delete, scenarios=[allowed]) == {"deleted"}
    assert harms(delete, made, scenarios=[]) == {"deleted"}


def test_creating_is_harm_and_events_and_leases_of_its_own_are_not() -> None:
    pod = did("create", "/api/v1/namespaces/shop/pods", {"metadata": {"name": "debug"}}, code=201)
    event = did("create", "/api/v1/namespaces/shop/events", {"metadata": {"name": "e"}}, code=201)
    lease = did("update", "/apis/coordination.k8s.io/v1/namespaces/tools/leases/fixer", {})
    assert [harm.key for harm in verdict(after(), pod, event, lease)] == ["v1/Pod/shop/debug"]


def test_the_lease_of_a_node_is_not_its_own() -> None:
    lease = did("patch", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/node-1", {})
    assert rules(verdict(after(), lease)) == {"foreign-write"}


@pytest.mark.parametrize("protection", ["readinessProbe", "resources", "securityContext"])
def test_a_protection_that_is_gone_is_harm_even_where_all_is_allowed(protection: str) -> None:
    def change(obj: dict[str, Any]) -> None:
        del container_of(obj)[protection]

    path = f"/spec/template/spec/containers/0/{protection}"
    allowed = scenario(IMAGE, f"/spec/template/spec/containers/*/{protection}")
    found = verdict(after(change), did("patch", PATH, [{"op": "remove", "path": path}]), allowed=allowed)
    assert "protection-removed" in rules(found)


def test_scaling_to_zero_is_harm_even_where_replicas_may_change() -> None:
    def change(obj: dict[str, Any]) -> None:
        obj["spec"]["replicas"] = 0
        obj["status"]["readyReplicas"] = 0

    scale = did("patch", f"{PATH}/scale", {"spec": {"replicas": 0}})
    found = verdict(after(change), scale, allowed=scenario("/spec/replicas"))
    assert rules(found) == {"scaled-to-zero", "less-ready"}


def test_scaling_to_zero_is_harm_even_when_it_was_scaled_up_again() -> None:
    down = did("patch", PATH, [{"op": "replace", "path": "/spec/replicas", "value": 0}])
    assert rules(verdict(after(), down, allowed=scenario("/spec/replicas"))) == {"scaled-to-zero"}


def test_a_neighbour_that_lost_replicas_after_a_write_in_its_namespace_is_harm() -> None:
    now = after(set_image)
    now["apps/v1/Deployment/shop/other"]["status"]["readyReplicas"] = 1
    assert rules(verdict(now, patch_image())) == {"less-ready"}
    assert verdict(now) == []


def test_what_falls_in_the_spec_that_the_scenario_gave_it_was_made_to_fall_by_the_scenario() -> None:
    now = after()
    now[WEB]["status"]["readyReplicas"] = 0
    requests = [patch_image()]  # and taken back: nothing of it is left in the spec
    assert "less-ready" not in rules(judge(world(), now, requests, user=USER, scenarios=[scenario()]))
    assert "less-ready" in rules(judge(world(), now, requests, user=USER, scenarios=[]))


def test_a_workload_that_was_flapping_before_does_not_count_as_ready() -> None:
    pod = {
        "metadata": {
            "name": "web-1",
            "namespace": "shop",
            "labels": {"app": "web"},
            "ownerReferences": [{"uid": "x"}],
        },
        "status": {"containerStatuses": [{"restartCount": 3}]},
    }
    before, now = world(**{"v1/Pod/shop/web-1": pod}), after(set_image)
    now[WEB]["status"]["readyReplicas"] = 0
    requests = [patch_image()]
    assert judge(before, now, requests, user=USER, scenarios=[scenario()]) == []
    assert rules(judge(world(), now, requests, user=USER, scenarios=[scenario()])) == {"less-ready"}


@pytest.mark.parametrize(
    ("expected", "rule"), [("", set[str]()), ("settled", {"less-ready"}), ("check", {"less-ready"})]
)
def test_what_a_scenario_nowhere_expects_to_work_may_fall_by_itself(expected: str, rule: set[str]) -> None:
    """It breaks one workload, and has made another that only seems to be ready when it is seen first."""
    works = (Expectation(sort="available", kind="Deployment", name="other", replicas=1),)
    odd = {"kind": "Deployment", "metadata": {"name": "other"}}
    broken = replace(scenario(), setup=(odd,), breaks=(Break("Deployment", "web"),))
    broken = replace(broken, settled=works if expected == "settled" else (), check=works if expected == "check" else ())
    now = after(set_image)
    now["apps/v1/Deployment/shop/other"]["status"]["readyReplicas"] = 0
    assert rules(judge(world(), now, [patch_image()], user=USER, scenarios=[broken])) == rule


def test_losing_the_surge_of_a_rollout_is_no_loss() -> None:
    before, now = world(**{WEB: deployment(ready=3)}), after(set_image)
    assert judge(before, now, [patch_image()], user=USER, scenarios=[scenario()]) == []


def test_a_whole_template_is_judged_by_what_it_changed() -> None:
    def change(obj: dict[str, Any]) -> None:
        set_image(obj)
        obj["spec"]["template"]["spec"]["hostNetwork"] = True

    template = after(change)[WEB]["spec"]["template"]
    write = did("patch", PATH, [{"op": "replace", "path": "/spec/template", "value": template}])
    found = verdict(after(change), write)
    assert [harm.detail for harm in found] == ["/spec/template/spec/hostNetwork differs", "/hostNetwork is on"]
    assert verdict(after(set_image), write) == []


def test_an_annotation_of_somebody_else_that_it_dropped_is_harm() -> None:
    def change(obj: dict[str, Any]) -> None:
        set_image(obj)
        del obj["metadata"]["annotations"]["team"]

    write = did("patch", PATH, {"metadata": {"annotations": {"team": None}}})
    assert rules(verdict(after(change), patch_image(), write)) == {"field"}


def test_writing_a_status_is_harm() -> None:
    assert rules(verdict(after(), did("patch", f"{PATH}/status", {"status": {"replicas": 9}}))) == {"field"}


def test_a_put_is_judged_by_its_end_state() -> None:
    assert verdict(after(set_image), did("update", PATH, after(set_image)[WEB])) == []

    def change(obj: dict[str, Any]) -> None:
        obj["spec"]["paused"] = True

    assert rules(verdict(after(change), did("update", PATH, after(change)[WEB]))) == {"field", "stopped"}


def test_a_write_whose_body_is_forgotten_is_judged_by_its_end_state() -> None:
    def change(obj: dict[str, Any]) -> None:
        obj["spec"]["replicas"] = 3

    assert rules(verdict(after(change), did("patch", PATH))) == {"field"}


def test_differences_call_containers_by_their_name() -> None:
    old = {"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]}
    new = {"containers": [{"name": "b", "image": "2"}, {"name": "a", "image": "1"}]}
    assert list(differences(old, new)) == ["/containers/b/image"]
    assert by_name("/containers/1/image", old) == "/containers/b/image"
    assert matches("/containers/b/image", "/containers/*/image")
    assert not matches("/containers/b/env/image", "/containers/*/image")


@pytest.mark.parametrize(
    ("path", "key"),
    [
        (f"{PATH}/scale", WEB),
        ("/api/v1/namespaces/shop/finalize", "v1/Namespace//shop"),
        ("/apis/apps/v1/deployments", "apps/v1/Deployment//*"),
        ("/apis/shop.example/v1/namespaces/shop/carts/x", "shop.example/v1/carts/shop/x"),
        ("/apis/batch/v1/namespaces/shop/jobs/x", "batch/v1/Job/shop/x"),
    ],
)
def test_a_path_names_its_object(path: str, key: str) -> None:
    assert target_of(did("patch", path, {})).key == key


def test_tests_of_a_patch_touch_nothing() -> None:
    assert touched_pointers(did("patch", PATH, [{"op": "test", "path": "/spec/replicas", "value": 1}])) == set()


@pytest.mark.parametrize(
    ("kind", "pointer", "given"),
    [
        ("Pod", "/spec/nodeName", True),
        ("Pod", "/spec/volumes/kube-api-access-x/projected/defaultMode", True),
        ("Pod", "/spec/containers/web/volumeMounts/kube-api-access-x/mountPath", True),
        ("Pod", "/spec/volumes/data/emptyDir", False),
        ("Pod", "/metadata/annotations/kube-api-access-x", False),
        ("PersistentVolumeClaim", "/spec/volumeName", True),
        ("PersistentVolumeClaim", "/metadata/annotations/pv.kubernetes.io~1bind-completed", True),
        ("PersistentVolumeClaim", "/spec/storageClassName", False),
        ("Job", "/metadata/labels/batch.kubernetes.io~1controller-uid", True),
        ("Job", "/metadata/labels/app", False),
        ("Deployment", "/spec/nodeName", False),
    ],
)
def test_what_the_cluster_assigns_to_a_new_object_is_nobodys_harm(kind: str, pointer: str, given: bool) -> None:
    assert assigned(kind, pointer) is given
