"""Server-side apply: who owns which field, what an application conflicts with, and what it removes."""

from typing import Any

import pytest

from tests.simulator.conftest import CONFIG_MAPS, DEPLOYMENTS, PODS, Api, container, deployment, pod

APPLY = "application/apply-patch+yaml"
WEB, SETTINGS = f"{DEPLOYMENTS}/web", f"{CONFIG_MAPS}/settings"


def apply(api: Api, path: str, body: Any, manager: str, **query: str) -> Any:
    return api.patch(path, body, APPLY, fieldManager=manager, **query)


def settings(*, finalizers: list[str] | None = None, **data: str) -> dict[str, Any]:
    meta = {"name": "settings"} | ({"finalizers": finalizers} if finalizers else {})
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


def web(*containers: Any, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": spec | ({"template": {"spec": {"containers": list(containers)}}} if containers else {}),
    }


def owned(answer: Any) -> dict[tuple[str, str], Any]:
    """The fields of each manager by name and operation."""
    assert "code" not in answer, answer
    return {(one["manager"], one["operation"]): one["fieldsV1"] for one in answer["metadata"].get("managedFields", ())}


class TestOwnership:
    def test_an_application_creates_and_owns_what_it_says(self, api: Api) -> None:
        made = apply(api, SETTINGS, settings(a="1", finalizers=["x.io/a"]), "first")
        assert made["data"] == {"a": "1"}
        fields = {"f:data": {"f:a": {}}, "f:metadata": {"f:finalizers": {'v:"x.io/a"': {}}}}
        assert owned(made) == {("first", "Apply"): fields}

    def test_a_new_object_belongs_to_who_creates_it_with_its_defaults(self, api: Api) -> None:
        made = api.create(
            DEPLOYMENTS, deployment("web", container(env=[{"name": "A", "value": "1"}])), fieldManager="me"
        )
        fields = owned(made)["me", "Update"]
        assert fields["f:metadata"] == {"f:labels": {".": {}, "f:app": {}}}
        assert fields["f:spec"]["f:strategy"] == {
            "f:rollingUpdate": {".": {}, "f:maxSurge": {}, "f:maxUnavailable": {}},
            "f:type": {},
        }
        [(key, inner)] = fields["f:spec"]["f:template"]["f:spec"]["f:containers"].items()
        assert key == 'k:{"name":"web"}'
        assert inner["f:env"] == {".": {}, 'k:{"name":"A"}': {".": {}, "f:name": {}, "f:value": {}}}
        assert inner["f:resources"] == {}

    def test_a_manager_without_a_name_is_the_program_of_the_request(self, api: Api) -> None:
        assert owned(api.create(CONFIG_MAPS, settings(a="1"))) == {
            ("tests", "Update"): {"f:data": {".": {}, "f:a": {}}}
        }

    def test_a_change_takes_its_fields_from_their_owners(self, api: Api) -> None:
        apply(api, SETTINGS, settings(a="1", b="2"), "first")
        changed = api.patch(SETTINGS, {"data": {"b": "3"}}, fieldManager="hand")
        assert owned(changed) == {
            ("first", "Apply"): {"f:data": {"f:a": {}}},
            ("hand", "Update"): {"f:data": {"f:b": {}}},
        }

    def test_status_writes_are_owned_through_the_subresource(self, api: Api) -> None:
        api.create(DEPLOYMENTS, deployment())
        written = api.patch(f"{WEB}/status", {"status": {"replicas": 1}}, fieldManager="watcher")
        [entry] = [one for one in written["metadata"]["managedFields"] if one["manager"] == "watcher"]
        assert (entry["subresource"], entry["fieldsV1"]) == ("status", {"f:status": {"f:replicas": {}}})

    def test_a_write_that_changes_nothing_changes_no_owner_and_no_version(self, api: Api) -> None:
        first = apply(api, SETTINGS, settings(a="1"), "first")
        assert apply(api, SETTINGS, settings(a="1"), "first") == first
        assert api.patch(SETTINGS, {"data": {"a": "1"}}, fieldManager="hand") == first

    def test_ownership_can_be_reset_and_starts_anew_with_the_next_application(self, api: Api) -> None:
        api.create(CONFIG_MAPS, settings(a="1"))
        assert "managedFields" not in api.patch(SETTINGS, {"metadata": {"managedFields": [{}]}})["metadata"]
        assert "managedFields" not in api.patch(SETTINGS, {"data": {"b": "1"}})["metadata"]
        assert set(owned(apply(api, SETTINGS, settings(c="1"), "first"))) == {
            ("first", "Apply"),
            ("before-first-apply", "Update"),
        }

    def test_the_oldest_of_many_changers_become_one(self, api: Api) -> None:
        api.create(CONFIG_MAPS, settings(a="1"), fieldManager="start")
        for number in range(13):
            last = api.patch(SETTINGS, {"data": {f"n{number}": "1"}}, fieldManager=f"m{number:02}")
        managers = [manager for manager, _ in owned(last)]
        assert len(managers) == 10
        assert "ancient-changes" in managers


class TestConflicts:
    def test_another_value_of_anothers_field_is_a_conflict(self, api: Api) -> None:
        api.create(DEPLOYMENTS, deployment(), fieldManager="me")
        refused = apply(api, WEB, web(container(image="other")), "second")
        path = '.spec.template.spec.containers[name="web"].image'
        assert refused["code"] == 409
        assert refused["message"] == f'Apply failed with 1 conflict: conflict with "me" using apps/v1: {path}'
        assert refused["details"]["causes"] == [
            {"reason": "FieldManagerConflict", "message": 'conflict with "me" using apps/v1', "field": path}
        ]

    def test_several_conflicts_are_told_by_manager(self, api: Api) -> None:
        apply(api, SETTINGS, settings(a="1", b="1"), "first")
        refused = apply(api, SETTINGS, settings(a="2", b="2"), "second")
        assert refused["message"] == ('Apply failed with 2 conflicts: conflicts with "first":\n- .data.a\n- .data.b')

    def test_the_same_value_is_owned_together_and_goes_with_its_last_owner(self, api: Api) -> None:
        apply(api, SETTINGS, settings(a="1", b="1"), "first")
        both = apply(api, SETTINGS, settings(a="1"), "second")
        assert owned(both)["second", "Apply"] == {"f:data": {"f:a": {}}}
        assert apply(api, SETTINGS, settings(), "first")["data"] == {"a": "1"}
        assert "data" not in apply(api, SETTINGS, settings(), "second")

    def test_force_takes_the_fields_over(self, api: Api) -> None:
        apply(api, SETTINGS, settings(a="1", b="1"), "first")
        forced = apply(api, SETTINGS, settings(a="2"), "second", force="true")
        assert forced["data"] == {"a": "2", "b": "1"}
        assert owned(forced)["first", "Apply"] == {"f:data": {"f:b": {}}}

    def test_a_scale_is_applied_with_conflicts_of_its_own(self, api: Api) -> None:
        api.create(DEPLOYMENTS, deployment(), fieldManager="me")
        api.patch(f"{WEB}/scale", {"spec": {"replicas": 2}}, fieldManager="scaler")
        scale = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web"}, "spec": {"replicas": 3}}
        refused = apply(api, f"{WEB}/scale", scale, "second")
        assert refused["details"]["causes"][0]["message"] == (
            'conflict with "scaler" with subresource "scale" using autoscaling/v1'
        )
        assert apply(api, f"{WEB}/scale", scale, "second", force="true")["spec"] == {"replicas": 3}


class TestMerging:
    def test_what_a_manager_says_no_more_is_removed(self, api: Api) -> None:
        apply(api, SETTINGS, settings(a="1", b="1", finalizers=["x.io/a"]), "first")
        left = apply(api, SETTINGS, settings(a="1"), "first")
        assert left["data"] == {"a": "1"}
        assert "finalizers" not in left["metadata"]

    def test_elements_of_a_map_list_are_merged_by_all_their_keys(self, api: Api) -> None:
        service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "dns"}}
        path = "/api/v1/namespaces/default/services/dns"
        ports = [{"port": 53, "name": "tcp"}, {"port": 53, "protocol": "UDP", "name": "udp"}]
        apply(api, path, service | {"spec": {"ports": ports}}, "first")
        more = apply(api, path, service | {"spec": {"ports": [{"port": 80, "name": "http"}]}}, "second")
        assert [(one["port"], one["protocol"]) for one in more["spec"]["ports"]] == [
            (53, "TCP"), (53, "UDP"), (80, "TCP"),
        ]  # fmt: skip
        less = apply(api, path, service | {"spec": {"ports": ports[:1]}}, "first")
        assert [one["name"] for one in less["spec"]["ports"]] == ["tcp", "http"]

    def test_applied_elements_keep_their_order_among_those_of_others(self, api: Api) -> None:
        base = web(*[container(name, "i") for name in "abc"])
        base["spec"] |= {"selector": {"matchLabels": {"app": "web"}}}
        base["spec"]["template"]["metadata"] = {"labels": {"app": "web"}}
        apply(api, WEB, base, "first")
        mixed = apply(api, WEB, web(*[container(name, "i") for name in "xby"]), "second")
        assert [one["name"] for one in mixed["spec"]["template"]["spec"]["containers"]] == ["a", "x", "b", "c", "y"]

    def test_an_atomic_list_is_replaced_as_a_whole(self, api: Api) -> None:
        api.create(DEPLOYMENTS, deployment("web", container(args=["a", "b"])), fieldManager="me")
        changed = apply(api, WEB, web({"name": "web", "args": ["c"]}), "second", force="true")
        assert changed["spec"]["template"]["spec"]["containers"][0]["args"] == ["c"]

    def test_a_dry_run_answers_and_stores_nothing(self, api: Api) -> None:
        assert apply(api, SETTINGS, settings(a="1"), "first", dryRun="All")["data"] == {"a": "1"}
        assert api.get(SETTINGS)["code"] == 404

    def test_a_configuration_may_be_yaml(self, api: Api) -> None:
        text = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\ndata:\n  a: '1'\n"
        sent = api.http.patch(SETTINGS, content=text, headers={"Content-Type": APPLY}, params={"fieldManager": "first"})
        assert (sent.status_code, sent.json()["data"]) == (201, {"a": "1"})


@pytest.mark.parametrize(
    ("body", "query", "code", "message"),
    [
        (
            settings(), {}, 422,
            (
                'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for '
                'apply patch'
            ),
        ),
        (
            settings() | {"foo": 1}, {"fieldManager": "m"}, 500,
            (
                "failed to create typed patch object (/settings; /v1, Kind=ConfigMap): .foo: field not "
                "declared in schema"
            ),
        ),
        (settings() | {"kind": "Pod"}, {"fieldManager": "m"}, 400, "invalid object type: /v1, Kind=Pod"),
        (
            settings() | {"metadata": {"name": "other"}}, {"fieldManager": "m"}, 400,
            "the name of the object (other) does not match the name on the URL (settings)",
        ),
        (
            settings() | {"metadata": {"managedFields": []}}, {"fieldManager": "m"}, 400,
            "metadata.managedFields must be nil",
        ),
        (
            settings() | {"metadata": {"uid": "1"}}, {"fieldManager": "m"}, 409,
            (
                'Operation cannot be fulfilled on configmaps "settings": uid mismatch: the provided '
                'object specified uid 1, and no existing object was found'
            ),
        ),
    ],
)  # fmt: skip
def test_a_bad_application_is_refused(api: Api, body: Any, query: dict[str, str], code: int, message: str) -> None:
    refused = api.patch(SETTINGS, body, APPLY, **query)
    assert (refused["code"], refused["message"]) == (code, message)


def test_force_and_long_names_are_refused_elsewhere(api: Api) -> None:
    api.create(CONFIG_MAPS, settings())
    assert "may not be specified for non-apply patch" in api.patch(SETTINGS, {}, force="true")["message"]
    assert "Too long" in api.patch(SETTINGS, {}, fieldManager="x" * 129)["message"]


def test_duplicate_elements_are_refused(api: Api) -> None:
    api.create(PODS, pod())
    body = {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [container(), container()]}}
    refused = apply(api, f"{PODS}/web", body, "m")
    assert refused["message"].endswith('.spec.containers: duplicate entries for key [name="web"]')


class TestCustomResources:
    @pytest.fixture
    def widgets(self, api: Api) -> str:
        """Where objects of a new kind are; its ports are a map by number, its tags a set, its words one value."""
        plain, text = {"type": "array", "items": {"type": "string"}}, {"type": "string"}
        port = {"type": "object", "required": ["port"], "properties": {"port": {"type": "integer"}, "name": text}}
        keyed = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port"]}
        spec = {
            "ports": {"type": "array", "items": port, **keyed},
            "tags": plain | {"x-kubernetes-list-type": "set"},
            "words": plain,
        }
        schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": spec}}}
        version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
        names = {"plural": "widgets", "kind": "Widget"}
        whole = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]}
        path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        assert "code" not in api.create(path, {"metadata": {"name": "widgets.example.com"}, "spec": whole})
        return "/apis/example.com/v1/namespaces/default/widgets/w"

    def widget(self, **spec: Any) -> dict[str, Any]:
        return {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": spec}

    def test_lists_are_merged_as_their_schema_says(self, api: Api, widgets: str) -> None:
        first = self.widget(ports=[{"port": 1, "name": "a"}], tags=["x"])
        assert owned(apply(api, widgets, first, "first"))["first", "Apply"]["f:spec"] == {
            "f:ports": {'k:{"port":1}': {".": {}, "f:port": {}, "f:name": {}}},
            "f:tags": {'v:"x"': {}},
        }
        both = apply(api, widgets, self.widget(ports=[{"port": 2}], tags=["y"], words=["z"]), "second")
        assert both["spec"] == {"ports": [{"port": 1, "name": "a"}, {"port": 2}], "tags": ["x", "y"], "words": ["z"]}
        left = apply(api, widgets, self.widget(tags=["y"]), "second")
        assert left["spec"] == {"ports": [{"port": 1, "name": "a"}], "tags": ["x", "y"]}

    def test_fields_that_the_schema_does_not_have_are_refused(self, api: Api, widgets: str) -> None:
        refused = apply(api, widgets, self.widget(other=1), "first")
        assert refused["message"].endswith(".spec.other: field not declared in schema")
