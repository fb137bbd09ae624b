"""What the store keeps, as JSON and back; and the states that a change goes through."""

from datetime import timedelta

import pytest

from incidents.changes import ChangeState, IllegalStep, Inverse, LeafChange
from incidents.codec import Undecodable, decode, digest, encode, from_json, to_json
from incidents.incident import Incident, Outcome, Round, Status
from tests.builders import NOW, change, signal, subject
from tests.store.values import decision_on, request_for, some_evidence, some_round
from tools.notify.contract import Notice, Section


class TestTheCodec:
    """Every word as JSON and back."""

    @pytest.mark.parametrize(
        "value",
        [
            Incident(
                id=change().incident,
                subject=subject(manager="App/x"),
                status=Status.HANDED_OVER,
                first_signal=signal(),
                last_signal=signal(count=4),
                signals=4,
                opened_at=NOW,
                ended_at=NOW + timedelta(hours=1),
                outcome=Outcome.ROLLED_BACK,
                summary="told",
            ),
            some_round(),
            Round(number=1),
            change(
                diff=(LeafChange(pointer="/a~1b", before=1.5, after=None),),
                patch=({"op": "test", "path": "/x", "value": None},),
                inverse=Inverse(operations=({"op": "add", "path": "/x", "value": {"k": [True, "é"]}},)),
            ),
            some_evidence(),
            request_for("incident-1"),
            decision_on(request_for("incident-1")),
            Notice(key="k", title="t", sections=(Section(lines=("a", "b"), heading="h"),)),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_a_value_survives_as_text_and_as_plain_data(self, value: object) -> None:
        assert decode(encode(value), type(value)) == value
        assert from_json(to_json(value), type(value)) == value

    @pytest.mark.parametrize("text", ["", "{", "[]", '{"id": 1}', "null"])
    def test_what_is_no_such_value_names_what_was_expected(self, text: str) -> None:
        with pytest.raises(Undecodable, match="not a Incident"):
            decode(text, Incident)

    def test_a_digest_does_not_depend_on_the_order_of_keys(self) -> None:
        assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
        assert digest({"a": 1}) != digest({"a": 2})


class TestTheStatesOfAChange:
    """prepared, sent, applied, verified or undone."""

    @pytest.mark.parametrize(
        ("state", "step"),
        [
            (ChangeState.PREPARED, ChangeState.APPLIED),
            (ChangeState.PREPARED, ChangeState.UNDONE),
            (ChangeState.ABANDONED, ChangeState.SENT),
            (ChangeState.UNDONE, ChangeState.APPLIED),
            (ChangeState.APPLIED, ChangeState.SENT),
            (ChangeState.SENT, ChangeState.PREPARED),
        ],
    )
    def test_a_step_that_its_state_does_not_have_is_refused(self, state: ChangeState, step: ChangeState) -> None:
        with pytest.raises(IllegalStep, match=r"change-1 is .*cannot become"):
            change(state=state).advance(step)
