"""A CustomResourceDefinition is served at once, and its objects are held to its schema."""

from typing import Any

import pytest

from tests.simulator.conftest import MERGE_PATCH, STRATEGIC_PATCH, TABLE, Api, serving

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WIDGETS = "/apis/example.com/v1/namespaces/default/widgets"
SPEC_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["size"],
    "properties": {
        "size": {"type": "integer", "minimum": 1, "maximum": 10, "default": 3},
        "color": {"type": "string", "enum": ["red", "blue"], "default": "red"},
        "word": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 5},
        "replicas": {"type": "integer", "format": "int32"},
        "tags": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
        "ports": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["port"],
            "items": {
                "type": "object",
                "required": ["port"],
                "properties": {"port": {"type": "integer"}, "name": {"type": "string", "default": "x"}},
            },
        },
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "amount": {"x-kubernetes-int-or-string": True},
        "one": {
            "type": "object",
            "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
            "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
        },
    },
}
STATUS_SCHEMA = {"type": "object", "properties": {"ready": {"type": "integer"}, "replicas": {"type": "integer"}}}


def definition(**spec: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"spec": SPEC_SCHEMA, "status": STATUS_SCHEMA}}
    scale = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}, "scale": scale},
        "additionalPrinterColumns": [
            {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
            {"name": "Ready", "type": "string", "jsonPath": ".status.ready"},
        ],
    }
    older = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    beta = {"name": "v1beta1", "served": True, "storage": False, "schema": {"openAPIV3Schema": older}}
    names = {"plural": "widgets", "kind": "Widget", "shortNames": ["wd"]}
    whole = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version, beta]}
    return {"metadata": {"name": "widgets.example.com"}, "spec": whole | spec}


def widget(name: str = "one", **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec}


@pytest.fixture
def served(api: Api) -> Api:
    made = api.create(DEFINITIONS, definition())
    assert made["kind"] == "CustomResourceDefinition", made
    return api


class TestDefinitions:
    def test_a_definition_is_established_and_listed_at_once(self, served: Api) -> None:
        found = served.get(f"{DEFINITIONS}/widgets.example.com")
        assert {one["type"]: one["status"] for one in found["status"]["conditions"]} == {
            "NamesAccepted": "True",
            "Established": "True",
        }
        assert found["status"]["acceptedNames"]["listKind"] == "WidgetList"
        assert found["status"]["storedVersions"] == ["v1"]
        names = [one["name"] for one in served.get("/apis/example.com/v1")["resources"]]
        assert sorted(names) == ["widgets", "widgets/scale", "widgets/status"]
        group = served.get("/apis/example.com")
        assert [one["version"] for one in group["versions"]] == ["v1", "v1beta1"]

    @pytest.mark.usefixtures("served")
    def test_another_server_knows_nothing_of_it(self) -> None:
        with serving() as other:
            assert other.http.get(WIDGETS).text == "404 page not found\n"

    @pytest.mark.parametrize(
        ("spec", "told"),
        [
            ({"scope": "x"}, 'spec.scope: Unsupported value: "x": supported values: "Cluster", "Namespaced"'),
            (
                {"versions": [{"name": "v1", "served": True, "storage": True}]},
                "spec.versions[0].schema.openAPIV3Schema: Required value",
            ),
            (
                {
                    "versions": [
                        {
                            "name": "v1",
                            "served": True,
                            "storage": True,
                            "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {}}}},
                        }
                    ]
                },
                (
                    "spec.versions[0].schema.openAPIV3Schema.properties[spec].type: "
                    "Required value: must not be empty for specified object fields"
                ),
            ),
        ],
    )
    def test_one_that_is_not_structural_is_refused(self, api: Api, spec: Any, told: str) -> None:
        refused = api.create(DEFINITIONS, definition(**spec))
        assert refused["message"].partition(" is invalid: ")[2] == told

    def test_a_definition_that_goes_takes_its_objects_with_it(self, served: Api) -> None:
        held = widget("held", size=1)
        held["metadata"]["finalizers"] = ["example.com/wait"]
        served.create(WIDGETS, held)
        served.create(WIDGETS, widget("free", size=1))
        served.delete(f"{DEFINITIONS}/widgets.example.com")
        assert [one["metadata"]["name"] for one in served.get(WIDGETS)["items"]] == ["held"]
        served.patch(f"{WIDGETS}/held", {"metadata": {"finalizers": None}})
        assert served.http.get(WIDGETS).text == "404 page not found\n"
        assert served.get(f"{DEFINITIONS}/widgets.example.com")["code"] == 404

    def test_rules_that_are_not_evaluated_are_warned_about(self, api: Api) -> None:
        body = definition()
        schema = body["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        schema["x-kubernetes-validations"] = [{"rule": "self.spec.size > 0"}]
        answer = api.http.post(DEFINITIONS, json=body)
        assert "does not evaluate x-kubernetes-validations" in answer.headers["Warning"]


class TestObjects:
    def test_unknown_fields_go_and_defaults_come(self, served: Api) -> None:
        answer = served.http.post(WIDGETS, json=widget(unknown=1, free={"x": 1}, ports=[{"port": 1, "z": 1}]))
        assert answer.json()["spec"] == {
            "size": 3,
            "color": "red",
            "free": {"x": 1},
            "ports": [{"port": 1, "name": "x"}],
        }
        assert answer.headers["Warning"] == (
            r'299 - "unknown field \"spec.ports[0].z\"", 299 - "unknown field \"spec.unknown\""'
        )
        refused = served.create(WIDGETS, widget("b", size=1, unknown=1), fieldValidation="Strict")
        assert refused["message"].endswith('strict decoding error: unknown field "spec.unknown"')

    @pytest.mark.parametrize(
        ("spec", "told"),
        [
            (
                {"size": "x"},
                'spec.size: Invalid value: "string": spec.size in body must be of type integer: "string"',
            ),
            ({"size": 0}, "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1"),
            ({"size": 11}, "spec.size: Invalid value: 11: spec.size in body should be less than or equal to 10"),
            ({"color": "green"}, 'spec.color: Unsupported value: "green": supported values: "red", "blue"'),
            ({"word": "A"}, "spec.word: Invalid value: \"A\": spec.word in body should match '^[a-z]+$'"),
            ({"word": "abcdefg"}, "spec.word: Too long: may not be more than 5 bytes"),
            ({"tags": ["a", "a"]}, 'spec.tags[1]: Duplicate value: "a"'),
            ({"ports": [{"port": 1}, {"port": 1}]}, 'spec.ports[1]: Duplicate value: {"port":1}'),
            ({"ports": [{}]}, "spec.ports[0].port: Required value"),
            (
                {"amount": True},
                'spec.amount: Invalid value: "boolean": spec.amount in body must be of type integer,string: "boolean"',
            ),
            (
                {"one": {"a": "x", "b": "y"}},
                (
                    '<nil>: Invalid value: "": "spec.one" must validate one and only one schema (oneOf). '
                    "Found 2 valid alternatives"
                ),
            ),
        ],
    )
    def test_the_schema_refuses_in_its_own_words(self, served: Api, spec: Any, told: str) -> None:
        refused = served.create(WIDGETS, widget(**spec))
        assert (refused["code"], refused["reason"]) == (422, "Invalid")
        assert refused["message"] == f'Widget.example.com "one" is invalid: {told}'

    def test_status_and_generation_are_kept_apart(self, served: Api) -> None:
        made = served.create(WIDGETS, widget(size=1) | {"status": {"ready": 1}})
        assert "status" not in made
        assert made["metadata"]["generation"] == 1
        path = f"{WIDGETS}/one"
        told = served.patch(f"{path}/status", {"status": {"ready": 3}, "spec": {"size": 9}}, MERGE_PATCH)
        assert (told["status"], told["spec"]["size"], told["metadata"]["generation"]) == ({"ready": 3}, 1, 1)
        changed = served.patch(path, {"spec": {"size": 5}, "status": {"ready": 4}}, MERGE_PATCH)
        assert (changed["status"], changed["metadata"]["generation"]) == ({"ready": 3}, 2)

    def test_every_served_version_shows_the_same_object(self, served: Api) -> None:
        served.create(WIDGETS, widget(size=2))
        older = served.get("/apis/example.com/v1beta1/namespaces/default/widgets/one")
        assert (older["apiVersion"], older["spec"]["size"]) == ("example.com/v1beta1", 2)

    def test_columns_are_the_definitions(self, served: Api) -> None:
        served.create(WIDGETS, widget(size=2))
        table = served.http.get(WIDGETS, headers={"Accept": TABLE}).json()
        assert [one["name"] for one in table["columnDefinitions"]] == ["Name", "Size", "Ready"]
        assert table["rows"][0]["cells"] == ["one", 2, None]

    def test_there_is_no_strategic_merge(self, served: Api) -> None:
        served.create(WIDGETS, widget(size=2))
        assert served.patch(f"{WIDGETS}/one", {}, STRATEGIC_PATCH)["code"] == 415
