"""How long trouble may stand before a person is told: a table with reasons, measured in grace periods."""

from datetime import datetime, timedelta

import msgspec
import pytest

from incidents.health import Finding, Health, State
from incidents.incident import Incident, Status
from incidents.objects import IncidentId
from incidents.patience import BEING_LATE, LONGEST_SECONDS, STARTS, WAITS, Patience
from incidents.signals import Source
from incidents.symptoms import Symptom
from tests.builders import NOW, deployment, signal, subject

TEN = Patience(grace_seconds=10)


def incident(source: Source = Source.EVENT) -> Incident:
    seen = msgspec.structs.replace(signal(), source=source)
    return Incident(
        id=IncidentId("one"),
        subject=subject(),
        status=Status.OPEN,
        first_signal=seen,
        last_signal=seen,
        signals=1,
        opened_at=NOW,
    )


def failing(*symptoms: Symptom) -> Health:
    return Health(state=State.FAILING, findings=tuple(Finding(symptom, "") for symptom in symptoms))


def after(patience: Patience, health: Health, of: Incident | None = None) -> float:
    """Seconds from the opening until a person is told."""
    moment: datetime = patience.until(of or incident(), health)
    return (moment - NOW).total_seconds()


def test_what_another_object_is_to_blame_for_is_waited_for_until_that_may_be_over() -> None:
    of, crashing = incident(), failing(Symptom.CRASH_LOOP)
    assert (TEN.until(of, crashing, blames_another=True) - TEN.until(of, crashing)).total_seconds() == 270


def test_a_cluster_autoscaler_has_its_minutes_and_a_registry_more_than_one_of_the_kubelets_tries() -> None:
    assert after(TEN, failing(Symptom.UNSCHEDULABLE)) >= 180
    assert 30 < after(TEN, failing(Symptom.IMAGE_PULL)) <= 60
    assert after(TEN, failing(Symptom.JOB_FAILED)) == 10


def test_what_will_not_pass_is_not_kept_back_by_what_may() -> None:
    assert after(TEN, failing(Symptom.UNSCHEDULABLE, Symptom.JOB_FAILED)) == 10


def test_that_a_rollout_is_late_for_it_makes_nobody_less_patient_with_what_may_pass() -> None:
    assert after(TEN, failing(Symptom.UNSCHEDULABLE, Symptom.ROLLOUT_STUCK)) == 300
    assert after(TEN, failing(Symptom.CRASH_LOOP, Symptom.ROLLOUT_STUCK)) == 30


@pytest.mark.parametrize("symptoms", [[Symptom.ROLLOUT_STUCK], [Symptom.NOT_READY], sorted(BEING_LATE)])
def test_a_rollout_that_is_only_late_is_looked_at_again_before_a_person_is_told(symptoms: list[Symptom]) -> None:
    late = failing(*symptoms)
    assert after(TEN, late) == 10
    assert after(TEN, msgspec.structs.replace(late, ready=1, desired=1)) == 300
    assert after(TEN, msgspec.structs.replace(late, ready=1, desired=2)) == 10


@pytest.mark.parametrize("source", [Source.REQUEST, Source.WORDS])
def test_whoever_asks_is_told_at_once(source: Source) -> None:
    assert after(TEN, failing(Symptom.UNSCHEDULABLE), incident(source)) == 0


def test_with_no_grace_nothing_is_waited_for_and_with_much_of_it_not_for_ever() -> None:
    assert after(Patience(), failing(Symptom.UNSCHEDULABLE)) == 0
    assert after(Patience(grace_seconds=3600), failing(Symptom.UNSCHEDULABLE)) == LONGEST_SECONDS


def test_on_a_cluster_that_runs_faster_it_is_shorter() -> None:
    assert after(Patience(grace_seconds=10, speed=50), failing(Symptom.UNSCHEDULABLE)) == 6


def test_what_is_waited_for_is_looked_at_every_few_grace_periods_and_when_its_time_is_up() -> None:
    until = NOW + timedelta(seconds=100)
    assert TEN.next_look(until, NOW) <= NOW + timedelta(seconds=30)
    assert TEN.next_look(until, until - timedelta(seconds=5)) == until
    assert Patience(grace_seconds=10, speed=50).next_look(until, NOW) <= NOW + timedelta(seconds=30 / 50)


def test_every_wait_has_its_reason_and_is_longer_than_the_one_that_needs_none() -> None:
    assert all(wait.because and wait.periods > 1 for wait in WAITS.values())


def test_a_start_that_is_begun_over_and_over_is_over_after_three_of_its_own_deadlines() -> None:
    slow = deployment(progressDeadlineSeconds=100)
    for seconds, over in ((STARTS * 100 - 1, False), (STARTS * 100, True)):
        assert TEN.start_is_over(incident(), slow, NOW + timedelta(seconds=seconds)) is over
