"""What grace has read is handed on to the run that follows at once, and to nothing else."""

from datetime import UTC, datetime, timedelta

import msgspec

from evidence.readings import FRESH_SECONDS, Readings
from graph.observe import spoken_signal
from incidents.incident import Incident, Status
from incidents.objects import IncidentId, ObjectRef, Uid
from incidents.snapshot import Snapshot
from tests.builders import deployment, pod, subject

NOW = datetime(2026, 1, 1, tzinfo=UTC)
POD = ObjectRef(api_version="v1", kind="Pod", namespace="shop", name="web-1", uid=Uid("uid-web-1"))
READ = Snapshot(workload=deployment(), pods=(pod(),), read_at=NOW)


def incident() -> Incident:
    signal = spoken_signal(POD, "Back-off pulling image", NOW)
    return Incident(
        id=IncidentId("one"),
        subject=subject(),
        status=Status.OPEN,
        first_signal=signal,
        last_signal=signal,
        signals=1,
        opened_at=NOW,
    )


def readings(*, seconds_later: float = 0.0, speed: float = 1.0) -> Readings:
    """With the reading of ``incident()`` kept, so many seconds ago."""
    found = Readings(lambda: NOW + timedelta(seconds=seconds_later), speed=speed)
    found.keep(incident(), READ)
    return found


def test_a_reading_serves_the_first_look_and_no_later_one() -> None:
    found = readings()
    assert found.take(incident()) is READ
    assert found.take(incident()) is None


def test_a_reading_serves_no_other_incident() -> None:
    assert readings().take(msgspec.structs.replace(incident(), id=IncidentId("another"))) is None


def test_a_reading_does_not_outlast_a_wait() -> None:
    assert readings(seconds_later=FRESH_SECONDS * 1.01).take(incident()) is None


def test_on_a_cluster_that_runs_faster_a_reading_is_stale_sooner() -> None:
    assert readings(seconds_later=FRESH_SECONDS / 2, speed=20.0).take(incident()) is None


def test_a_clock_that_was_put_back_makes_no_reading_fresh() -> None:
    assert readings(seconds_later=-60.0).take(incident()) is None


def test_a_reading_is_not_enough_once_the_signals_are_about_another_object() -> None:
    other = msgspec.structs.replace(POD, name="web-2", uid=Uid("uid-web-2"))
    signal = spoken_signal(other, "Back-off pulling image", NOW)
    assert readings().take(msgspec.structs.replace(incident(), last_signal=signal)) is None


def test_readings_that_nobody_took_are_not_kept_for_ever() -> None:
    now = [NOW]
    found = Readings(lambda: now[0])
    found.keep(incident(), READ)
    now[0] += timedelta(hours=1)
    found.keep(msgspec.structs.replace(incident(), id=IncidentId("later")), READ)
    assert list(found._kept) == ["later"]
