"""Incidents in the middle of their work, made up for one test each."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from agents.standing import Standing
from incidents.incident import Incident, Status
from incidents.objects import ClusterId, IncidentId, ObjectRef, Uid
from incidents.proposals import Proposal
from incidents.signals import Signal
from incidents.subjects import Subject
from incidents.symptoms import Symptom, symptom_of
from tests.builders import proposal

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SUBJECT = Subject(
    cluster=ClusterId("c"), api_version="apps/v1", kind="Deployment", namespace="acme-shop", name="ledger", uid=Uid("u")
)


def signal(message: str, reason: str = "Failed") -> Signal:
    about = ObjectRef(api_version="v1", kind="Pod", namespace="acme-shop", name="ledger-6f9-x2b", uid=Uid("p"))
    return Signal(
        about=about,
        reason=reason,
        symptom=Symptom(symptom_of(reason, message)),
        message=message,
        first_seen=NOW,
        last_seen=NOW,
    )


def standing(message: str = "", reason: str = "Failed", **fields: Any) -> Standing:
    incident = Incident(
        id=IncidentId("i"),
        subject=SUBJECT,
        status=Status.OPEN,
        first_signal=signal(message, reason),
        last_signal=signal(message, reason),
        signals=1,
        opened_at=NOW,
    )
    return Standing(incident=incident, **fields)


def that_says(reason: str) -> Proposal:
    """A proposal with these words for it."""
    return msgspec.structs.replace(proposal(), reason=reason)
