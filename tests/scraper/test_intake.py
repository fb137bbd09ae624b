"""From events to incidents: what is old, what is nothing new, and what a storm costs."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from incidents.incident import Status
from scraper.intake import STORM
from tests.builders import deployment, pod, replica_set, signal, stamp, subject, waiting
from tests.scraper.seeing import Seeing, seeing
from tools.store import StoreError

Object = dict[str, Any]
BROKEN = [deployment(ready=0), replica_set(), pod(waiting("ImagePullBackOff", "no such image"))]
WELL = [deployment(ready=1), replica_set(), pod(ready=True)]


def event(
    number: int = 1, *, count: int = 1, seconds_ago: float = 0, reason: str = "Failed", name: str = "web-1"
) -> Object:
    about = {"apiVersion": "v1", "kind": "Pod", "namespace": "shop", "name": name, "uid": f"uid-{name}"}
    return {
        "metadata": {"uid": f"event-{number}", "namespace": "shop"},
        "involvedObject": about,
        "reason": reason,
        "message": "Error: ErrImagePull",
        "count": count,
        "lastTimestamp": stamp(seconds_ago),
    }


async def taken(found: Seeing, *events: Object) -> int:
    """How many signals the incidents have counted, once these events are in."""
    for one in events:
        await found.intake.take(one)
    await found.intake.write()
    return sum(incident.signals for incident in await found.incidents())


async def test_an_old_warning_about_a_subject_that_is_well_now_opens_nothing(tmp_path: Path) -> None:
    async with seeing(tmp_path, *WELL) as found:
        assert await taken(found, event(seconds_ago=3000), event(2, seconds_ago=3000)) == 0


async def test_an_old_warning_about_a_subject_that_is_gone_opens_nothing(tmp_path: Path) -> None:
    async with seeing(tmp_path, *WELL[1:]) as found:
        assert await taken(found, event(seconds_ago=3000)) == 0


async def test_an_old_warning_about_a_subject_that_is_broken_now_opens_an_incident(tmp_path: Path) -> None:
    async with seeing(tmp_path, *BROKEN) as found:
        assert await taken(found, event(seconds_ago=3000)) == 1


async def test_an_old_warning_about_a_subject_that_cannot_be_judged_opens_an_incident(tmp_path: Path) -> None:
    odd = deployment(ready=0)
    odd["spec"]["replicas"] = "many"
    async with seeing(tmp_path, odd, *BROKEN[1:]) as found:
        assert await taken(found, event(seconds_ago=3000)) == 1
        asked = len(found.cluster.requests)
        assert await taken(found, *(event(number, seconds_ago=3000) for number in range(2, 9))) == 8
        assert len(found.cluster.requests) == asked


async def test_a_warning_whose_subject_cannot_be_found_for_its_shape_costs_no_other(tmp_path: Path) -> None:
    odd = pod(name="odd-1")
    odd["metadata"]["ownerReferences"] = ["web"]
    async with seeing(tmp_path, *BROKEN, odd) as found:
        assert await taken(found, event(1, name="odd-1"), event(2)) == 1


async def test_a_fresh_warning_opens_an_incident_although_health_sees_nothing(tmp_path: Path) -> None:
    async with seeing(tmp_path, *WELL) as found:
        assert await taken(found, event(reason="FailedSync")) == 1


async def test_an_old_warning_is_counted_where_an_incident_is_open(tmp_path: Path) -> None:
    async with seeing(tmp_path, *WELL) as found:
        assert await taken(found, event(1), event(2, seconds_ago=3000)) == 2


async def test_one_look_serves_for_all_old_warnings_of_a_subject(tmp_path: Path) -> None:
    async with seeing(tmp_path, *WELL) as found:
        await taken(found, event(1, seconds_ago=3000))
        asked = len(found.cluster.requests)
        await taken(found, *(event(number, seconds_ago=3000) for number in range(2, 50)))
        assert len(found.cluster.requests) == asked


async def test_a_series_that_grows_is_one_signal_and_the_same_event_again_is_none(tmp_path: Path) -> None:
    async with seeing(tmp_path, *BROKEN) as found:
        assert await taken(found, event(count=1), event(count=1), event(count=4), event(count=4)) == 4
        assert await taken(found, event(count=3)) == 4


async def test_a_storm_is_written_in_a_few_transactions_and_asks_for_nothing_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with seeing(tmp_path, *BROKEN) as found:
        batches: list[int] = []
        write = found.store.open_or_join_all

        async def counting(batch: Any) -> Any:
            batches.append(len(batch))
            return await write(batch)

        monkeypatch.setattr(found.store, "open_or_join_all", counting)
        await found.intake.take(event(0))
        asked = len(found.cluster.requests)
        assert await taken(found, *(event(number) for number in range(1, 1000))) == 1000
        assert len(found.cluster.requests) == asked
        assert batches == [1, 999]  # what comes alone is written at once


async def test_what_the_store_refuses_is_written_when_it_works_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with seeing(tmp_path, *BROKEN) as found:

        async def full(_: Any) -> Any:
            raise StoreError("the disk is full")

        with monkeypatch.context() as broken:
            broken.setattr(found.store, "open_or_join_all", full)
            assert await taken(found, event(1), event(2)) == 0
        assert await taken(found) == 2


async def test_every_open_incident_that_is_joined_is_queued_and_one_that_a_person_has_is_not(tmp_path: Path) -> None:
    async with seeing(tmp_path, *BROKEN) as found:
        await taken(found, event(1))
        incident = await found.only()
        await taken(found, event(2))
        assert [one.id for one in found.queued] == [incident.id] * 2
        handed = msgspec.structs.replace(await found.only(), status=Status.HANDED_OVER)
        await found.store.save_incident(handed)
        await taken(found, event(3))
        assert len(found.queued) == 2


async def test_an_event_that_cannot_be_read_is_refused_and_the_next_one_is_taken(tmp_path: Path) -> None:
    async with seeing(tmp_path, *BROKEN) as found:
        assert await taken(found, {"involvedObject": {}, "metadata": {}}, event()) == 1


async def test_while_the_store_refuses_everything_the_stream_waits_and_memory_does_not_grow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scraper.intake.PENDING", 3)
    async with seeing(tmp_path, *BROKEN) as found:
        refused = 0

        async def full(_: Any) -> Any:
            nonlocal refused
            refused += 1
            if refused == 10:
                broken.undo()
            raise StoreError("the disk is full")

        with monkeypatch.context() as broken:
            broken.setattr(found.store, "open_or_join_all", full)
            for number in range(3):
                await found.intake.take(event(number))
        assert refused == 10
        assert await taken(found) == 3


@pytest.mark.parametrize(("warnings", "is_alone"), [(STORM, False), (STORM // 10, True)])
async def test_only_the_batches_of_a_storm_hold_back_what_comes_after_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warnings: int, is_alone: bool
) -> None:
    """An event that came long before its incident was closed must not be written after that, and open another."""
    async with seeing(tmp_path, *BROKEN) as found:
        write = found.store.open_or_join_all

        async def slow(batch: Any) -> Any:
            found.clock.advance(0.2)
            return await write(batch)

        await found.intake.take(event(0))
        monkeypatch.setattr(found.store, "open_or_join_all", slow)
        assert await taken(found, *(event(number) for number in range(1, warnings + 1))) == warnings + 1
        await found.intake.take(event(warnings + 1))
        (incident,) = await found.incidents()
        assert (incident.signals == warnings + 2) is is_alone


async def test_a_warning_of_the_last_seconds_before_the_start_opens_nothing_once_its_incident_is_closed(
    tmp_path: Path,
) -> None:
    """A restart in the middle of a repair: the list of events may come after the repair has ended."""
    async with seeing(tmp_path, *WELL) as found:
        repaired, _ = await found.store.open_or_join(subject(), signal("event-1"))
        await found.store.save_incident(msgspec.structs.replace(repaired, status=Status.CLOSED))
        await taken(found, event(1, seconds_ago=3))
        assert [one.id for one in await found.incidents()] == [repaired.id]
