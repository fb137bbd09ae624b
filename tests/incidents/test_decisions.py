"""What people's words mean for the rounds that follow."""

from datetime import datetime, timedelta

import msgspec

from incidents.decisions import DecisionKind, RequestState, Switch, SwitchName, rounds_allowed, taken_back, turned_down
from tests.builders import NOW, change
from tests.store.values import decision_on, request_for, retry_of


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_each_retry_gives_a_whole_budget_and_the_rounds_so_far_do_not_count_again() -> None:
    assert rounds_allowed([], 3) == 3
    first = msgspec.structs.replace(retry_of("i"), rounds=1)
    second = msgspec.structs.replace(retry_of("i", "again"), rounds=4)
    assert rounds_allowed([first], 3) == 4
    assert rounds_allowed([first, second], 3) == 7


def test_a_round_that_was_turned_down_is_asked_for_again_only_after_a_retry() -> None:
    rejected = request_for("i", state=RequestState.REJECTED)
    said = decision_on(rejected, DecisionKind.REJECT)
    assert turned_down([rejected], [said], 1) == "jo has rejected it: looks right"
    assert turned_down([rejected], [said], 2) == ""
    again = msgspec.structs.replace(retry_of("i"), decided_at=at(5))
    assert turned_down([rejected], [said, again], 1) == ""
    assert "in time" in turned_down([request_for("i", state=RequestState.EXPIRED)], [], 1)
    assert turned_down([request_for("i", state=RequestState.VOID)], [], 1) == ""


def test_of_a_round_that_was_asked_for_anew_the_last_answer_counts() -> None:
    expired = request_for("i", state=RequestState.EXPIRED)
    for state in (RequestState.OPEN, RequestState.APPROVED):
        assert turned_down([expired, request_for("i", "again", state=state)], [], 1) == ""
    assert turned_down([expired, request_for("i", "again", state=RequestState.REJECTED)], [], 1) != ""


def test_what_a_person_has_undone_is_not_tried_again_before_a_retry() -> None:
    undone = change(undone_by="ada", ended_at=NOW)
    assert taken_back([change(), undone], []) == undone
    assert taken_back([change(ended_at=NOW)], []) is None
    assert taken_back([undone], [msgspec.structs.replace(retry_of("i"), decided_at=at(1))]) is None


def test_a_switch_with_an_end_goes_off_by_itself() -> None:
    switch = Switch(name=SwitchName.PAUSE, on=True, by="ada", at=NOW, until=at(10))
    assert [switch.is_on(at(seconds)) for seconds in (0, 9, 10)] == [True, True, False]
