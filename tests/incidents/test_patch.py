"""Patch algebra: exact there, exact back, and bound to the object that was looked at."""

from copy import deepcopy
from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidents.changes import LeafChange, Operation
from incidents.patch import between, leaf_diff, meaningful, named_items, replacing
from incidents.pointers import ABSENT, parts_of, value_at
from tests.builders import container, deployment, template

SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.floats(0, 2) | st.text("ab/~0", max_size=3)
NAMED = st.lists(st.sampled_from("xyz"), unique=True, max_size=3).flatmap(
    lambda names: st.tuples(*(st.fixed_dictionaries({"name": st.just(n), "v": SCALARS}) for n in names)).map(list)
)
VALUES = st.recursive(
    SCALARS | NAMED,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "b", "/", "~"]), inner, max_size=2)
    ),
    max_leaves=5,
)
OBJECTS = st.dictionaries(st.sampled_from(["a", "b", "c/", "~d", ""]), VALUES, max_size=3)


def same(one: Any, other: Any) -> bool:
    """Equality of JSON, in which 1 is not true."""
    return repr(_sorted(one)) == repr(_sorted(other))


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def without_null_tests(operations: list[Operation]) -> list[Operation]:
    """What Python's library can apply: it has no test for absence."""
    return [op for op in operations if not (op["op"] == "test" and op["value"] is None)]


def applied(operations: list[Operation], document: Any) -> Any:
    return jsonpatch.apply_patch(deepcopy(document), without_null_tests(operations))


@given(OBJECTS, OBJECTS)
def test_the_operations_between_two_objects_lead_from_one_to_the_other(one: Any, other: Any) -> None:
    assert same(applied(list(between(one, other, ())), one), other)


@given(OBJECTS, OBJECTS)
def test_the_way_back_gives_exactly_the_object_it_started_from(one: Any, other: Any) -> None:
    there = applied(list(between(one, other, ())), one)
    assert same(applied(list(between(there, one, ())), there), one)


@given(OBJECTS)
def test_an_object_differs_from_itself_in_nothing(one: Any) -> None:
    assert list(between(one, deepcopy(one), ())) == []
    assert leaf_diff(one, deepcopy(one)) == ()


@given(OBJECTS, OBJECTS)
def test_a_leaf_difference_is_empty_only_if_nothing_meaningful_differs(one: Any, other: Any) -> None:
    assert (leaf_diff(one, other) == ()) is same(meaningful(one), meaningful(other))


@given(OBJECTS, OBJECTS)
def test_every_write_is_preceded_by_a_test_of_what_stands_there(one: Any, other: Any) -> None:
    operations = list(between(one, other, ()))
    for test, write in zip(operations[::2], operations[1::2], strict=True):
        assert (test["op"], test["path"]) == ("test", write["path"])
        found = value_at(one, parts_of(write["path"]))
        assert same(test["value"], None if found is ABSENT else found)


def test_the_tests_fail_when_the_object_differs() -> None:
    operations = list(between({"image": "a", "keep": 1}, {"image": "b", "keep": 1}, ()))
    with pytest.raises(jsonpatch.JsonPatchTestFailed):
        applied(operations, {"image": "c", "keep": 1})


def test_lists_of_equally_named_items_are_compared_item_by_item() -> None:
    old = [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]
    new = [{"name": "a", "image": "1"}, {"name": "b", "image": "2"}]
    paths = [op["path"] for op in between(old, new, ("c",))]
    assert paths == ["/c/1/image", "/c/1/image"]


@pytest.mark.parametrize("new", [[{"name": "b"}, {"name": "a"}], [{"name": "a"}], ["a", "b"]], ids=str)
def test_any_other_list_that_differs_is_replaced_as_a_whole(new: Any) -> None:
    old = [{"name": "a"}, {"name": "b"}]
    assert list(between(old, new, ("c",))) == [
        {"op": "test", "path": "/c", "value": old},
        {"op": "replace", "path": "/c", "value": new},
    ]


def test_a_field_with_missing_parents_is_added_at_the_first_missing_path() -> None:
    document = {"spec": {"containers": [{"name": "web"}]}}
    operations = replacing(document, ["spec", "containers", 0, "resources", "limits", "memory"], "64Mi")
    assert operations == [
        {"op": "test", "path": "/spec/containers/0/resources", "value": None},
        {"op": "add", "path": "/spec/containers/0/resources", "value": {"limits": {"memory": "64Mi"}}},
    ]


def test_replacing_with_what_stands_there_is_nothing() -> None:
    assert replacing({"a": 1}, ["a"], 1) == []
    assert replacing({"a": 1}, ["b"], ABSENT) == []


def test_removing_tests_the_old_value_first() -> None:
    assert [op["op"] for op in replacing({"a": {"b": 1}}, ["a"], ABSENT)] == ["test", "remove"]


def test_items_reached_into_are_tested_by_name_also_below_odd_keys() -> None:
    document = {"a/b": [{"name": "x", "v": 1}]}
    assert named_items(document, [{"op": "replace", "path": "/a~1b/0/v", "value": 2}]) == [
        {"op": "test", "path": "/a~1b/0/name", "value": "x"}
    ]


def test_what_the_server_and_the_controllers_keep_is_no_difference() -> None:
    before = deployment()
    kept = ("deployment.kubernetes.io/revision", "deprecated.daemonset.template.generation")
    after = deployment(generation=9, ready=3, annotations=dict.fromkeys(kept, "4"))
    after["metadata"] |= {"resourceVersion": "900", "managedFields": [{}], "creationTimestamp": "now"}
    after["metadata"]["annotations"]["k8s-auto-fixer/change"] = "c"
    assert leaf_diff(before, after) == ()


def test_a_label_that_is_added_is_a_difference() -> None:
    after = deployment()
    after["metadata"]["labels"] = {"injected": "yes"}
    assert leaf_diff(deployment(), after) == (LeafChange(pointer="/metadata/labels/injected", after="yes"),)


def test_leaves_of_what_appears_and_disappears_are_told_one_by_one() -> None:
    limits = template(container(resources={"limits": {"memory": "1Gi", "cpu": "1"}}))
    base = "/spec/template/spec/containers/0/resources/limits"
    added = leaf_diff(deployment(), deployment(limits))
    assert {(leaf.pointer, leaf.after) for leaf in added} == {(f"{base}/cpu", "1"), (f"{base}/memory", "1Gi")}
    removed = leaf_diff(deployment(limits), deployment())
    assert {(leaf.pointer, leaf.before, leaf.after) for leaf in removed} == {
        (f"{base}/cpu", "1", None),
        (f"{base}/memory", "1Gi", None),
    }


def test_an_empty_volume_that_appears_is_a_difference() -> None:
    one, other = {"spec": {"v": {"name": "a"}}}, {"spec": {"v": {"name": "a", "emptyDir": {}}}}
    assert leaf_diff(one, other) == (LeafChange(pointer="/spec/v/emptyDir", before=None, after={}),)


def test_one_is_not_true_however_deep_it_stands() -> None:
    one, other = {"spec": {"a": [{"v": 1}]}}, {"spec": {"a": [{"v": True}]}}
    assert leaf_diff(one, other) == (LeafChange(pointer="/spec/a/0/v", before=1, after=True),)
    assert list(between(one, other, ()))
