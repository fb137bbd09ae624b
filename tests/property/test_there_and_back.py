"""Of any object and any edit: a patch does what it says to what it was sealed to, and its inverse leads back"""

from typing import Any

import jsonpatch
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from incidents.changes import Change, Inverse
from incidents.objects import ChangeId
from incidents.patch import leaf_diff
from incidents.pointers import ABSENT, value_at
from remediation.seal import invert
from remediation.three_way import differences_since
from tests.builders import change
from tests.property.workloads import (
    Object,
    defaulted,
    edits,
    place,
    sealed,
    served,
    standing,
    touched,
    whole,
    workloads,
)

# Nothing here is about time: on a busy machine examples are made slowly.
EXAMPLES = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow]
)
LISTS = ("containers", "volumes")


def made(live: Object, answer: Object) -> tuple[Change, Inverse]:
    """The change that led from one form to the other, and its way back."""
    diff = leaf_diff(live, answer)
    inverse = invert(live, answer, diff)
    return change("change-1", diff=diff, inverse=inverse), inverse


@st.composite
def changes(draw: st.DrawFn) -> tuple[Object, Object]:
    """A live object, and the server's form of it once some edits were made."""
    live = draw(workloads())
    operations = sealed(live, draw(edits(live)))
    assume(operations is not None)
    return live, defaulted(served(operations or (), live), injected=draw(st.booleans()))


@EXAMPLES
@given(st.data())
def test_a_sealed_patch_gives_the_field_its_value_and_changes_nothing_else(data: st.DataObject) -> None:
    live = data.draw(workloads())
    edit = data.draw(edits(live))
    operations = sealed(live, edit)
    if operations is None:
        assert standing(live, edit.path) == edit.value  # it has that value already
        return
    after = served(operations, live)
    assert standing(after, edit.path) == edit.value
    assert touched(leaf_diff(live, after))
    assert all(pointer.startswith(place(live, edit.path)) for pointer in touched(leaf_diff(live, after)))


@EXAMPLES
@given(changes())
def test_the_inverse_gives_back_the_very_object_whatever_the_server_has_made_of_the_patch(
    forms: tuple[Object, Object],
) -> None:
    live, answer = forms
    _, inverse = made(live, answer)
    assert whole(served(inverse.operations, answer)) == whole(live)


@EXAMPLES
@given(changes())
def test_neither_a_patch_nor_its_inverse_lands_twice(forms: tuple[Object, Object]) -> None:
    live, answer = forms
    _, inverse = made(live, answer)
    with pytest.raises((jsonpatch.JsonPatchTestFailed, jsonpatch.JsonPatchConflict)):
        served(inverse.operations, served(inverse.operations, answer))


@EXAMPLES
@given(st.data())
def test_what_was_sealed_to_an_item_never_reaches_another_one_that_has_its_place_by_now(data: st.DataObject) -> None:
    live = data.draw(workloads())
    edit = data.draw(edits(live))
    operations = sealed(live, edit)
    assume(operations is not None)
    moved = _moved(data, live)
    try:
        after = served(operations or (), moved)
    except (jsonpatch.JsonPatchTestFailed, jsonpatch.JsonPatchConflict):
        return  # refused
    assert standing(after, edit.path) == edit.value
    for name in LISTS:
        for item in moved["spec"]["template"]["spec"].get(name) or ():
            path = f"/spec/template/spec/{name}[{item['name']}]"
            assert edit.path.startswith(path) or standing(after, path) == item


def _moved(data: st.DataObject, live: Object) -> Object:
    """The same with its items in another order, or with one more in front."""
    spec = dict(live["spec"]["template"]["spec"])
    for name in LISTS:
        if spec.get(name):
            first = data.draw(st.sampled_from([[], [{"name": "new", "image": "new:1"}]]))
            spec[name] = [*first, *data.draw(st.permutations(spec[name]))]
    return {**live, "spec": {**live["spec"], "template": {**live["spec"]["template"], "spec": spec}}}


@EXAMPLES
@given(changes())
def test_an_object_of_the_same_name_that_is_another_one_takes_neither_way(forms: tuple[Object, Object]) -> None:
    live, answer = forms
    _, inverse = made(live, answer)
    other = {**answer, "metadata": {**answer["metadata"], "uid": "uid-of-another"}}
    with pytest.raises(jsonpatch.JsonPatchTestFailed):
        served(inverse.operations, other)


@EXAMPLES
@given(changes(), st.data())
def test_what_others_have_set_elsewhere_meanwhile_stays_when_a_change_is_undone(
    forms: tuple[Object, Object], data: st.DataObject
) -> None:
    live, answer = forms
    theirs = data.draw(st.sampled_from([("labels", {"team": "shop"}), ("finalizers", ["example.com/keep"])]))
    meanwhile = {**answer, "metadata": {**answer["metadata"], theirs[0]: theirs[1]}}
    _, inverse = made(live, answer)
    undone = whole(served(inverse.operations, meanwhile))
    assert undone["metadata"].pop(theirs[0]) == theirs[1]
    assert undone == whole(live)


@EXAMPLES
@given(changes(), st.data())
def test_what_others_have_set_in_the_same_place_is_not_overwritten_and_is_told_three_ways(
    forms: tuple[Object, Object], data: st.DataObject
) -> None:
    live, answer = forms
    change_made, inverse = made(live, answer)
    set_by_it = [leaf for leaf in change_made.diff if leaf.after is not None]
    assume(set_by_it)
    leaf = data.draw(st.sampled_from(set_by_it))
    moved = served([{"op": "replace", "path": leaf.pointer, "value": "theirs"}], answer)
    with pytest.raises((jsonpatch.JsonPatchTestFailed, jsonpatch.JsonPatchConflict)):
        served(inverse.operations, moved)
    told = {one.pointer: one for one in differences_since(change_made, moved)}
    assert set(told) == {leaf.pointer}
    shown: Any = (told[leaf.pointer].set, told[leaf.pointer].now)
    assert shown == (leaf.after, "theirs") or shown[0] == shown[1], "masked where it may be secret"


@EXAMPLES
@given(workloads(), st.data())
def test_the_changes_of_an_incident_undone_in_reverse_lead_back_to_where_it_began(
    live: Object, data: st.DataObject
) -> None:
    present, ways_back = live, []
    for number in range(data.draw(st.integers(1, 3))):
        operations = sealed(present, data.draw(edits(present)), id_=f"change-{number}")
        if operations is None:
            continue
        answer = defaulted(served(operations, present))
        ways_back.append(made(present, answer)[1])
        present = answer
    for inverse in reversed(ways_back):
        present = served(inverse.operations, present)
    assert whole(present) == whole(live)


@EXAMPLES
@given(changes())
def test_the_marks_of_a_change_are_no_difference_and_go_with_it(forms: tuple[Object, Object]) -> None:
    live, answer = forms
    change_made, inverse = made(live, answer)
    assert not any("k8s-auto-fixer" in leaf.pointer for leaf in change_made.diff)
    assert value_at(answer, ("metadata", "annotations", "k8s-auto-fixer/change")) == ChangeId("change-1")
    undone = served(inverse.operations, answer)
    assert value_at(undone, ("metadata", "annotations", "k8s-auto-fixer/change")) is ABSENT
