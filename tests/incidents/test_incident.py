"""An incident that the guardrails have put off."""

from datetime import timedelta

import pytest

from incidents.incident import Incident, Status
from incidents.objects import IncidentId
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
