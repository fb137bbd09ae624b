"""The rules over time: each defers its own case until the right moment, and lets everything else through."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidents.changes import Change, ChangeState, LeafChange
from incidents.decisions import Switch, SwitchName
from incidents.objects import IncidentId, ObjectRef, Uid
from incidents.policy import Answer, Mode, Policy, Verdict, Windows
from remediation.guardrails import View, before_dry_run, just_before, on_difference
from remediation.surroundings import Surroundings
from tests.builders import NOW, change, deployment, proposal
from tests.remediation.conftest import Bench

AUTO = Policy(mode=Mode.AUTO)
LIVE = deployment()
IMAGE = "/spec/template/spec/containers/0/image"
LEAF = LeafChange(pointer=IMAGE, before="nginx:1.27", after="nginx:1.28")
WINDOWS = Windows()


def view(*recent: Change, **fields: Any) -> View:
    return View(
        **{
            "policy": AUTO,
            "incident": IncidentId("now"),
            "proposal": proposal(),
            "live": LIVE,
            "read_generation": int(LIVE["metadata"].get("generation", 0)),
            "recent": recent,
            "now": NOW,
            **fields,
        }
    )


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def on(name: str, namespace: str = "elsewhere") -> ObjectRef:
    return ObjectRef(api_version="apps/v1", kind="Deployment", namespace=namespace, name=name, uid=Uid(name))


def made(seconds_ago: float, number: int = 1, *, name: str = "", **fields: Any) -> Change:
    """A verified change of another incident, to another object unless ``target`` says otherwise."""
    moment = ago(seconds_ago)
    given = {"target": on(name or f"other-{number}"), "prepared_at": moment, "ended_at": moment}
    state = {"state": ChangeState.VERIFIED, "deadline": moment + timedelta(seconds=600)}
    return change(f"change-{number}", incident=f"incident-{number}", **{**given, **state, **fields})


def ruled(seen: View, rule: str) -> datetime | None:
    """Until when that rule defers."""
    (ruling,) = [one for one in before_dry_run(seen).rulings if one.rule == rule]
    assert ruling.answer is Answer.DEFER
    return ruling.until


def rules(verdict: Verdict) -> set[str]:
    return {ruling.rule for ruling in verdict.objections}


SAME: dict[str, Any] = {"target": proposal().target}


class TestCoolDown:
    """A subject is left alone for a while after another incident's change."""

    def test_it_lasts_from_the_end_of_the_last_change(self) -> None:
        until = ruled(view(made(800, 1, **SAME), made(300, 2, **SAME)), "cool-down")
        assert until == ago(300) + timedelta(seconds=WINDOWS.cooldown)

    @pytest.mark.parametrize(
        "earlier",
        [
            made(WINDOWS.cooldown, **SAME),
            made(10),
            made(10, **SAME, state=ChangeState.ABANDONED),
            msgspec.structs.replace(made(10, **SAME), incident=IncidentId("now")),
        ],
        ids=["long ago", "another object", "never reached it", "the incident's own round"],
    )
    def test_everything_else_goes_on(self, earlier: Change) -> None:
        assert before_dry_run(view(earlier)).answer is Answer.ALLOW

    def test_what_a_person_asks_for_again_goes_on_from_the_incident_before(self) -> None:
        earlier = made(10, **SAME)
        assert before_dry_run(view(earlier, continues=frozenset({earlier.incident}))).answer is Answer.ALLOW

    @pytest.mark.parametrize("ahead", [60, WINDOWS.cooldown - 1, WINDOWS.cooldown + 1, 86_400])
    def test_a_clock_that_was_set_back_makes_it_no_longer_than_twice_itself(self, ahead: float) -> None:
        moment, later = NOW, made(-ahead, **SAME)
        while any(one.rule == "cool-down" for one in before_dry_run(view(later, now=moment)).objections):
            moment += timedelta(seconds=30)
        assert moment - NOW <= timedelta(seconds=2 * WINDOWS.cooldown)


class TestCaps:
    """Only so much at once, within an hour, and in one namespace."""

    def test_so_many_changes_are_unverified_at_once(self) -> None:
        standing = [
            made(n, n, state=ChangeState.APPLIED, deadline=NOW + timedelta(seconds=10 + n)) for n in range(1, 6)
        ]
        assert ruled(view(*standing), "concurrency") == NOW + timedelta(seconds=11)
        assert before_dry_run(view(*standing[1:])).answer is Answer.ALLOW

    def test_a_change_whose_verification_should_long_have_ended_takes_no_place(self) -> None:
        left = [made(5000, n, state=ChangeState.APPLIED) for n in range(5)]
        assert "concurrency" not in rules(before_dry_run(view(*left)))

    @given(st.lists(st.integers(1, 3599), min_size=30, max_size=45), st.integers(0, 1000))
    def test_when_the_hourly_cap_has_ended_for_an_incident_there_is_room_for_one_more(
        self, seconds: list[int], number: int
    ) -> None:
        recent = tuple(made(one, n) for n, one in enumerate(seconds))
        waiting = {"incident": IncidentId(f"waiting-{number}")}
        until = ruled(view(*recent, **waiting), "hourly-cap")
        assert until is not None
        assert "hourly-cap" not in rules(just_before(view(*recent, now=until, **waiting)))
        first = min(sorted(one.prepared_at for one in recent)[-30:]) + timedelta(hours=1)
        assert "hourly-cap" in rules(just_before(view(*recent, now=first - timedelta(seconds=1), **waiting)))
        assert until <= NOW + timedelta(seconds=WINDOWS.longest_deferral)

    def test_hundreds_that_wait_for_the_hourly_cap_come_one_after_another_as_places_come_free(self) -> None:
        recent = tuple(made(3500 - 100 * n, n) for n in range(30))  # a place comes free every 100 s
        moments = sorted(
            until
            for n in range(300)
            if (until := ruled(view(*recent, incident=IncidentId(f"waiting-{n}")), "hourly-cap")) is not None
        )
        assert len(moments) == 300
        minutes = Counter(int((moment - NOW).total_seconds() // 100) for moment in moments)
        assert max(minutes.values()) <= 25
        assert len(minutes) >= 28
        again = ruled(view(*recent, incident=IncidentId("waiting-7")), "hourly-cap")
        assert again == ruled(view(*recent, incident=IncidentId("waiting-7")), "hourly-cap")

    def test_those_that_wait_for_a_burst_to_be_an_hour_old_do_not_come_at_one_moment(self) -> None:
        recent = tuple(made(10, n) for n in range(30))
        moments = {ruled(view(*recent, incident=IncidentId(f"waiting-{n}")), "hourly-cap") for n in range(100)}
        assert len({moment and int(moment.timestamp()) for moment in moments}) > 40

    def test_a_cap_of_nothing_lets_nothing_through(self) -> None:
        assert "hourly-cap" in rules(before_dry_run(view(windows=Windows(per_hour=0))))

    @pytest.mark.parametrize(("workloads", "changed", "deferred"), [(0, 1, False), (3, 2, True), (20, 3, False)])
    def test_of_a_namespace_a_share_may_be_changed_and_always_two(
        self, workloads: int, changed: int, deferred: bool
    ) -> None:
        here = proposal().target.namespace
        recent = [made(60, n, target=on(f"w{n}", here)) for n in range(changed)]
        elsewhere = made(60, 99, target=on("w99", "elsewhere"))
        found = rules(before_dry_run(view(*recent, elsewhere, workloads=workloads)))
        assert ("namespace-share" in found) is deferred

    def test_a_workload_that_was_changed_already_has_its_place(self) -> None:
        here = proposal().target.namespace
        recent = [made(1000, n, target=on(f"w{n}", here)) for n in range(4)]
        again = view(*recent, made(1000, 9, **SAME), windows=Windows(cooldown=1))
        assert "namespace-share" not in rules(before_dry_run(again))


class TestBreaker:
    """Where the changes of several incidents had to be undone, something else is wrong."""

    undone = tuple(made(100 * n, n, state=ChangeState.UNDONE) for n in range(1, 4))

    def test_it_opens_after_so_many_incidents_and_closes_by_itself(self) -> None:
        until = ruled(view(*self.undone), "breaker")
        free = ago(100) + timedelta(seconds=WINDOWS.breaker)
        assert until is not None
        assert free <= until <= free + timedelta(seconds=WINDOWS.spread)

    def test_the_rounds_of_one_incident_are_one(self) -> None:
        one = tuple(msgspec.structs.replace(each, incident=IncidentId("leak")) for each in self.undone)
        assert before_dry_run(view(*one)).answer is Answer.ALLOW

    def test_what_has_begun_goes_on(self) -> None:
        begun = view(*self.undone, earlier=(change(incident="now"),))
        assert "breaker" not in rules(before_dry_run(begun))


class TestTheSameField:
    """What another incident has set there lately did not last; a person decides whether it is set again."""

    def judged(self, earlier: Change, **fields: Any) -> Verdict:
        answer = {**LIVE}
        return on_difference(view(earlier, diff=(LEAF,), answer=answer, **fields), Verdict(()))

    def test_a_person_is_asked_at_once_instead_of_after_a_day(self) -> None:
        verdict = self.judged(made(5000, **SAME, diff=(LEAF,)))
        assert [(one.rule, one.answer) for one in verdict.objections] == [("same-field", Answer.NEEDS_APPROVAL)]

    @pytest.mark.parametrize(
        "earlier",
        [
            made(WINDOWS.same_field, **SAME, diff=(LEAF,)),
            made(5000, **SAME, diff=(msgspec.structs.replace(LEAF, pointer="/spec/other"),)),
            made(5000, diff=(LEAF,)),
            msgspec.structs.replace(made(5000, **SAME, diff=(LEAF,)), incident=IncidentId("now")),
        ],
        ids=["long ago", "another field", "another object", "a round of its own"],
    )
    def test_everything_else_goes_on(self, earlier: Change) -> None:
        assert not self.judged(earlier).objections


class TestSwitches:
    """What people have turned on holds in every mode that it is about."""

    def switch(self, name: SwitchName, until: datetime | None = None) -> Switch:
        return Switch(name=name, on=True, by="ada", reason="an exercise", at=NOW, until=until)

    @pytest.mark.parametrize(
        ("name", "rule"), [(SwitchName.KILL, "kill-switch"), (SwitchName.PAUSE, "paused-by-a-person")]
    )
    def test_one_without_an_end_is_looked_at_again_after_a_while(self, name: SwitchName, rule: str) -> None:
        seen = view(switches=(self.switch(name),))
        assert ruled(seen, rule) == NOW + timedelta(seconds=WINDOWS.switched)
        assert "ada" in before_dry_run(seen).objections[0].reason

    def test_one_with_an_end_is_over_then(self) -> None:
        end = NOW + timedelta(seconds=30)
        seen = view(switches=(self.switch(SwitchName.PAUSE, end),))
        assert ruled(seen, "paused-by-a-person") == end
        assert before_dry_run(msgspec.structs.replace(seen, now=end)).answer is Answer.ALLOW

    def test_in_mode_suggest_a_pause_holds_nothing_back_and_the_kill_switch_stops_dry_runs(self) -> None:
        suggest = Policy(mode=Mode.SUGGEST)
        paused = view(switches=(self.switch(SwitchName.PAUSE),), policy=suggest)
        killed = view(switches=(self.switch(SwitchName.KILL),), policy=suggest)
        assert before_dry_run(paused).answer is Answer.NEEDS_APPROVAL
        assert before_dry_run(killed).answer is Answer.DEFER


def test_where_nothing_would_be_changed_nothing_waits_for_a_cap() -> None:
    recent = [made(10, n, **SAME) for n in range(40)]
    verdict = before_dry_run(view(*recent, policy=Policy(mode=Mode.SUGGEST)))
    assert verdict.answer is Answer.NEEDS_APPROVAL


def test_on_a_cluster_that_runs_faster_every_window_is_shorter() -> None:
    faster = Windows().at(50.0)
    assert (faster.cooldown, faster.hour, faster.concurrent) == (18.0, 72.0, 5)
    assert before_dry_run(view(made(20, **SAME), windows=faster)).answer is Answer.ALLOW


class TestCounting:
    """How large a namespace is, asked for only where that matters."""

    async def counted(self, bench: Bench, *recent: Change) -> int:
        windows = Windows()
        found = Surroundings(reader=bench.reader, store=bench.store, clock=bench.clock, windows=windows)
        return await found.workloads("default", recent)

    async def test_it_is_counted_from_lists_of_one_and_only_once_the_floor_is_reached(self, bench: Bench) -> None:
        for number in range(3):
            made = deployment()
            await bench.create({**made, "metadata": {"name": f"w{number}"}})
        before = len(bench.transport.sent)
        assert await self.counted(bench, made_in("default", 1)) == 0
        assert len(bench.transport.sent) == before
        assert await self.counted(bench, made_in("default", 1), made_in("default", 2)) == 3
        assert len(bench.transport.sent) == before + 3


def made_in(namespace: str, number: int) -> Change:
    return made(60, number, target=on(f"w{number}", namespace))


class TestAClockThatWasWrong:
    """What a clock that was ahead has dated holds nothing up until that day."""

    YEAR = -365 * 86_400.0

    def test_what_lies_further_ahead_than_the_window_does_not_count(self) -> None:
        many = [made(self.YEAR, number, **SAME) for number in range(40)]
        undone = [msgspec.structs.replace(one, state=ChangeState.UNDONE) for one in many]
        seen = view(*many, *undone, diff=(LEAF,), answer=LIVE)
        assert not rules(before_dry_run(seen))
        assert "same-field" not in rules(on_difference(seen, before_dry_run(seen)))

    def test_what_lies_a_little_ahead_counts_as_just_now(self) -> None:
        many = [made(-60, number) for number in range(WINDOWS.per_hour)]
        until = ruled(view(*many), "hourly-cap")
        assert until is not None
        assert timedelta() <= until - NOW - timedelta(seconds=WINDOWS.hour) <= timedelta(seconds=WINDOWS.spread)
        assert ruled(view(made(-60, **SAME)), "cool-down") == NOW + timedelta(seconds=WINDOWS.cooldown)
