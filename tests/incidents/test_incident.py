"""An incident that the guardrails have put off, or that may pass by itself."""

from datetime import timedelta

import msgspec
import pytest

from incidents.incident import Incident, Status
from incidents.objects import IncidentId
from incidents.symptoms import Symptom
from tests.builders import NOW, signal, subject


@pytest.mark.parametrize(
    ("ahead", "status", "left"),
    [
        (60, Status.OPEN, 60),
        (0, Status.OPEN, 0),
        (-60, Status.OPEN, 0),
        (60, Status.WAITING, 0),
        (3601, Status.OPEN, 0),
    ],
    ids=["a minute more", "just now", "past", "it is no longer open", "further off than any deferral"],
)
def test_it_is_put_off_until_its_moment_and_never_longer_than_guardrails_put_off(
    ahead: float, status: Status, left: float
) -> None:
    incident = Incident(
        id=IncidentId("i"),
        subject=subject(),
        status=status,
        first_signal=signal(),
        last_signal=signal(),
        signals=1,
        opened_at=NOW,
        parked_until=NOW + timedelta(seconds=ahead),
    )
    assert incident.parked_seconds(NOW, longest=3600) == left


@pytest.mark.parametrize(
    ("waited_out", "left"),
    [((), 60), ((Symptom.IMAGE_PULL,), 60), ((Symptom.UNSCHEDULABLE,), 0)],
    ids=["guardrails have put it off", "the signal is of what is waited out", "the signal is of something else"],
)
def test_what_is_waited_out_is_looked_at_with_a_signal_of_another_symptom(
    waited_out: tuple[Symptom, ...], left: float
) -> None:
    seen = msgspec.structs.replace(signal(), symptom=Symptom.IMAGE_PULL)
    incident = Incident(
        id=IncidentId("i"),
        subject=subject(),
        status=Status.OPEN,
        first_signal=seen,
        last_signal=seen,
        signals=1,
        opened_at=NOW,
        parked_until=NOW + timedelta(seconds=60),
        waited_out=waited_out,
    )
    assert incident.parked_seconds(NOW, longest=3600) == left
