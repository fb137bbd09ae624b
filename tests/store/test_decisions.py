"""What every store promises about asking a person: an answer serves once, for exactly what was shown."""

import asyncio
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from incidents.changes import ChangeState
from incidents.decisions import DecisionKind, RequestState, Switch, SwitchName
from incidents.objects import IncidentId
from tests.builders import NOW
from tests.store.values import change_of, decision_on, request_for, retry_of
from tools.store import Store


class TestAsking:
    """An incident has one request that can still be answered."""

    async def test_a_request_is_found_by_its_id_its_state_and_its_incident(
        self, store: Store, incident: IncidentId
    ) -> None:
        asked = await store.ask(request_for(incident))
        assert asked == request_for(incident)
        assert await store.request(asked.id) == asked
        assert await store.requests_of(incident) == [asked]
        assert await store.requests(RequestState.OPEN) == await store.requests() == [asked]
        assert await store.requests(RequestState.USED, RequestState.VOID) == []
        assert await store.request("unknown") is None

    async def test_the_same_thing_is_asked_once(self, store: Store, other: Store, incident: IncidentId) -> None:
        requests = [request_for(incident, f"request-{number}") for number in range(10)]
        found = await asyncio.gather(
            *(place.ask(item) for place, item in zip([store, other] * 5, requests, strict=True))
        )
        assert len({request.id for request in found}) == 1
        assert len(await store.requests()) == 1

    async def test_something_else_makes_the_earlier_request_void(self, store: Store, incident: IncidentId) -> None:
        await store.ask(request_for(incident))
        await store.ask(request_for(incident, "request-2", digest="digest-2"))
        assert [(item.id, item.state) for item in await store.requests_of(incident)] == [
            ("request-1", RequestState.VOID),
            ("request-2", RequestState.OPEN),
        ]

    async def test_an_approval_that_was_not_used_is_answered_or_becomes_void(
        self, store: Store, incident: IncidentId
    ) -> None:
        await store.decide(decision_on(await store.ask(request_for(incident))))
        again = await store.ask(request_for(incident, "request-2"))
        assert (again.id, again.state) == ("request-1", RequestState.APPROVED)
        await store.ask(request_for(incident, "request-3", digest="digest-3"))
        assert await store.use_approval(incident, "digest-1", change_of(incident)) is None

    async def test_a_request_whose_time_has_passed_is_not_answered_instead(
        self, store: Store, incident: IncidentId
    ) -> None:
        await store.ask(request_for(incident))
        later = request_for(
            incident, "request-2", asked_at=NOW + timedelta(hours=2), expires_at=NOW + timedelta(days=1)
        )
        assert await store.ask(later) == later
        assert [item.state for item in await store.requests_of(incident)] == [RequestState.EXPIRED, RequestState.OPEN]

    async def test_neither_is_one_that_was_approved_and_not_used_in_time(
        self, store: Store, incident: IncidentId
    ) -> None:
        await store.decide(decision_on(await store.ask(request_for(incident))))
        moment = NOW + timedelta(hours=2)
        later = request_for(incident, "request-2", asked_at=moment, expires_at=moment + timedelta(hours=1))
        assert await store.ask(later) == later


class TestDeciding:
    """A decision is recorded once, on what is open, and on nothing else."""

    @pytest.mark.parametrize(
        ("kind", "state"),
        [(DecisionKind.APPROVE, RequestState.APPROVED), (DecisionKind.REJECT, RequestState.REJECTED)],
    )
    async def test_what_a_person_says_is_kept_until_it_is_acted_on(
        self, store: Store, incident: IncidentId, kind: DecisionKind, state: RequestState
    ) -> None:
        decision = decision_on(await store.ask(request_for(incident)), kind)
        assert await store.decide(decision)
        assert (await store.requests_of(incident))[0].state is state
        assert await store.undelivered() == [decision]
        await store.delivered(decision.id)
        assert await store.undelivered() == []
        assert await store.decisions(incident) == [decision]

    async def test_the_second_answer_is_not_taken(self, store: Store, other: Store, incident: IncidentId) -> None:
        asked = await store.ask(request_for(incident))
        kinds = [DecisionKind.APPROVE, DecisionKind.REJECT] * 5
        taken = await asyncio.gather(
            *(
                place.decide(decision_on(asked, kind, f"decision-{number}"))
                for number, (place, kind) in enumerate(zip([store, other] * 5, kinds, strict=True))
            )
        )
        assert taken.count(True) == 1
        assert len(await store.undelivered()) == 1

    @pytest.mark.parametrize(
        "wrong",
        [
            {"digest": "another"},
            {"incident": IncidentId("another")},
            {"request": "unknown"},
            {"decided_at": NOW + timedelta(hours=1)},
        ],
        ids=["digest", "incident", "request", "too-late"],
    )
    async def test_an_answer_to_anything_but_what_was_asked_is_not_taken(
        self, store: Store, incident: IncidentId, wrong: dict[str, Any]
    ) -> None:
        asked = await store.ask(request_for(incident))
        assert not await store.decide(msgspec.structs.replace(decision_on(asked), **wrong))
        assert await store.requests(RequestState.OPEN) == [asked]
        assert (await store.undelivered(), [record.step for record in await store.audit_records()]) == (
            [],
            ["request.open"],
        )

    @pytest.mark.parametrize("state", [RequestState.EXPIRED, RequestState.VOID])
    async def test_a_closed_request_can_not_be_answered(
        self, store: Store, incident: IncidentId, state: RequestState
    ) -> None:
        asked = await store.ask(request_for(incident))
        assert await store.close_request(asked.id, state)
        assert not await store.close_request(asked.id, state)
        assert not await store.decide(decision_on(asked))
        assert (await store.requests_of(incident))[0].state is state

    async def test_a_request_is_closed_as_expired_or_void_only(self, store: Store, incident: IncidentId) -> None:
        asked = await store.ask(request_for(incident))
        with pytest.raises(ValueError, match=r"state: .*expired or void"):
            await store.close_request(asked.id, RequestState.APPROVED)
        assert await store.close_request("unknown", RequestState.VOID) is False

    async def test_a_retry_waits_once_and_may_be_said_again_afterwards(
        self, store: Store, incident: IncidentId
    ) -> None:
        assert await store.decide(retry_of(incident))
        assert not await store.decide(retry_of(incident, "retry-2"))
        await store.delivered("retry-1")
        assert await store.decide(retry_of(incident, "retry-3"))
        assert not await store.decide(retry_of("unknown", "retry-4"))
        assert [item.id for item in await store.decisions(incident)] == ["retry-1", "retry-3"]


class TestUsingAnApproval:
    """Single use, bound to the digest."""

    async def test_an_approval_becomes_one_prepared_change(self, store: Store, incident: IncidentId) -> None:
        asked = await store.ask(request_for(incident))
        await store.decide(decision_on(asked))
        used = await store.use_approval(incident, asked.digest, change_of(incident))
        assert used is not None
        assert (used.id, used.state, used.change) == (asked.id, RequestState.USED, "change-1")
        assert await store.request(asked.id) == used
        (change,) = await store.changes(incident)
        assert (change.state, change.approval) == (ChangeState.PREPARED, asked.id)

    async def test_an_approval_serves_once(self, store: Store, other: Store, incident: IncidentId) -> None:
        asked = await store.ask(request_for(incident))
        await store.decide(decision_on(asked))
        used = await asyncio.gather(
            *(
                place.use_approval(incident, asked.digest, change_of(incident, f"change-{number}"))
                for number, place in enumerate([store, other] * 5)
            )
        )
        assert sum(request is not None for request in used) == 1
        assert len(await store.changes(incident)) == 1

    async def test_nothing_is_made_of_what_nobody_approved(self, store: Store, incident: IncidentId) -> None:
        asked = await store.ask(request_for(incident))
        assert await store.use_approval(incident, asked.digest, change_of(incident)) is None
        await store.decide(decision_on(asked))
        assert await store.use_approval(incident, "another digest", change_of(incident)) is None
        assert await store.use_approval(IncidentId("another"), asked.digest, change_of(incident)) is None
        await store.close_request(asked.id, RequestState.VOID)
        assert await store.use_approval(incident, asked.digest, change_of(incident)) is None
        assert await store.changes(incident) == []

    async def test_an_approval_does_not_serve_after_its_time(self, store: Store, incident: IncidentId) -> None:
        asked = await store.ask(request_for(incident))
        await store.decide(decision_on(asked))
        late = change_of(incident, prepared_at=asked.expires_at)
        assert await store.use_approval(incident, asked.digest, late) is None
        assert await store.changes(incident) == []

    async def test_the_audit_names_who_approved_every_state_of_the_change(
        self, store: Store, incident: IncidentId
    ) -> None:
        asked = await store.ask(request_for(incident))
        await store.decide(decision_on(asked, by="jo"))
        await store.use_approval(incident, asked.digest, change_of(incident))
        (change,) = await store.changes(incident)
        await store.save_change(change.advance(ChangeState.SENT))
        records = {record.step: record.detail for record in await store.audit_records()}
        assert list(records) == [
            "request.open",
            "decision.approve",
            "change.prepared",
            "request.used",
            "change.sent",
        ]
        assert (records["decision.approve"]["who"], records["decision.approve"]["why"]) == ("jo", "looks right")
        assert (records["change.prepared"]["approved_by"], records["change.sent"]["approved_by"]) == ("jo", "jo")


class TestSwitches:
    """What a person has set holds until a person sets it otherwise."""

    async def test_a_switch_is_as_it_was_left(self, store: Store, other: Store) -> None:
        on = Switch(name=SwitchName.KILL, on=True, by="jo", reason="fire", at=NOW)
        await store.set_switch(on)
        assert await other.switch(SwitchName.KILL) == on
        assert await other.switch(SwitchName.PAUSE) is None
        off = Switch(name=SwitchName.KILL, on=False, by="al", at=NOW)
        await other.set_switch(off)
        assert await store.switch(SwitchName.KILL) == off
        said = [(item.step, item.detail["on"], item.detail["who"]) for item in await store.audit_records()]
        assert said == [("switch.kill", True, "jo"), ("switch.kill", False, "al")]
