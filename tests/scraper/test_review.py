"""The review of what people have: answers that are no longer needed, what the case rests on, and the daily reminder."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from incidents.decisions import Request, RequestState
from incidents.incident import Incident, Outcome, Status
from incidents.objects import AUTOSCALER, CLAIM, reference
from incidents.policy import Verdict
from incidents.signals import Source
from incidents.snapshot import spec_digest
from scraper.handed_over import REMINDER_SECONDS
from scraper.turns import ROUTINE_SECONDS
from tests.builders import NOW, container, deployment, pod, proposal, replica_set, signal, subject, template, waiting
from tests.scraper.seeing import Seeing, seeing, thing

Object = dict[str, Any]
BROKEN = [deployment(ready=0), replica_set(), pod(waiting("ImagePullBackOff", "no such image"))]
WELL = [deployment(ready=1), replica_set(), pod(ready=True)]
SETTLED = 61.0


async def held(found: Seeing, status: Status, *, of: Object | None = None) -> Incident:
    """An incident that a person has, with an open request where one is waited for."""
    incident, _ = await found.store.open_or_join(subject(), signal())
    outcome = Outcome.ESCALATED if status is Status.HANDED_OVER else None
    incident = msgspec.structs.replace(
        incident, status=status, outcome=outcome, spec=spec_digest(of or BROKEN[0]), summary="nobody knew", ended_at=NOW
    )
    await found.store.save_incident(incident)
    if status is Status.WAITING:
        await found.store.ask(
            Request(
                id="request-1",
                incident=incident.id,
                round=1,
                digest="d",
                proposal=proposal(),
                verdict=Verdict(()),
                diff=(),
                asked_at=NOW,
                expires_at=NOW.replace(year=2027),
            )
        )
    return incident


async def states(found: Seeing) -> set[RequestState]:
    return {request.state for request in await found.store.requests()}


async def test_a_subject_that_heals_while_a_person_is_asked_ends_the_request_and_the_incident(tmp_path: Path) -> None:
    async with seeing(tmp_path, *WELL) as found:
        await held(found, Status.WAITING)
        await found.handed_over.review()
        found.clock.advance(SETTLED)
        assert await found.handed_over.review() == []
        incident = await found.only()
        assert (incident.status, incident.outcome) == (Status.CLOSED, Outcome.SUPPRESSED)
        assert await states(found) == {RequestState.VOID}
        assert [notice.title for notice in found.told.notices] == ["Over: deployment/web in shop"]


async def test_a_subject_that_somebody_else_changes_while_a_person_is_asked_is_worked_on_anew(tmp_path: Path) -> None:
    async with seeing(tmp_path, *BROKEN) as found:
        asked = await held(found, Status.WAITING, of=deployment(template(container(image="nginx:1.0"))))
        (again,) = await found.handed_over.review()
        assert (again.id, again.status) == (asked.id, Status.OPEN)
        assert await states(found) == {RequestState.VOID}


async def test_while_nothing_changes_a_request_stays_open_and_nobody_is_reminded(tmp_path: Path) -> None:
    async with seeing(tmp_path, *BROKEN) as found:
        await held(found, Status.WAITING)
        found.clock.advance(REMINDER_SECONDS * 2)
        assert await found.handed_over.review() == []
        assert await states(found) == {RequestState.OPEN}
        assert found.told.notices == []


async def test_a_person_is_reminded_once_a_day_and_not_more_often(tmp_path: Path) -> None:
    async with seeing(tmp_path, *BROKEN) as found:
        await held(found, Status.HANDED_OVER)
        reminders = []
        for _ in range(50):
            await found.handed_over.review()
            reminders.append(len(found.told.notices))
            found.clock.advance(3600)
        assert (reminders[23], reminders[24], reminders[47], reminders[48]) == (0, 1, 1, 2)
    assert {notice.title for notice in found.told.notices} == {"Still needs a person: deployment/web in shop"}


def mounting(storage_class: str) -> list[Object]:
    web = template(volumes=[{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}])
    revision = replica_set(web)
    return [
        deployment(web, ready=0),
        revision,
        pod(waiting("CreateContainerConfigError", "no key"), of=revision),
        thing(CLAIM, "data", spec={"storageClassName": storage_class}, status={"phase": "Bound"}),
    ]


@pytest.mark.parametrize(
    ("changed", "follows"),
    [(mounting("a"), False), (mounting("b"), True)],
    ids=["nothing", "a claim"],
)
async def test_a_change_of_what_the_case_rests_on_is_a_reason_to_try_again(
    tmp_path: Path, changed: list[Object], follows: bool
) -> None:
    before = mounting("a")
    async with seeing(tmp_path, *before) as found:
        first = await held(found, Status.HANDED_OVER, of=before[0])
        assert await found.handed_over.review() == []
        found.cluster.serve(*changed)
        found.clock.advance(ROUTINE_SECONDS)
        due = await found.handed_over.review()
        assert [one.follows for one in due] == ([first.id] if follows else [])


async def test_signals_that_take_turns_to_name_two_objects_change_nothing_that_it_rests_on(tmp_path: Path) -> None:
    """Which autoscalers are read with a workload depends on the last signal; that is no work of anybody's."""
    scalers = [thing(AUTOSCALER, name, spec={"minReplicas": number}) for number, name in enumerate(("one", "two"))]
    async with seeing(tmp_path, *BROKEN, *scalers) as found:
        first = await held(found, Status.HANDED_OVER)
        for scaler in (*scalers, *scalers):
            present = await found.store.incident(first.id)
            assert present is not None
            last = msgspec.structs.replace(present.last_signal, about=reference(scaler))
            await found.store.save_incident(msgspec.structs.replace(present, last_signal=last))
            found.clock.advance(ROUTINE_SECONDS)
            assert await found.handed_over.review() == []
        scalers[1]["spec"] = {"minReplicas": 7}
        found.cluster.serve(*BROKEN, *scalers)
        found.clock.advance(ROUTINE_SECONDS)
        (due,) = await found.handed_over.review()
        assert due.follows == first.id


async def test_what_follows_an_incident_that_a_person_has_asked_for_was_asked_for_by_nobody(tmp_path: Path) -> None:
    async with seeing(tmp_path, *BROKEN) as found:
        first = await held(found, Status.HANDED_OVER, of=deployment(template(container(image="nginx:1.0"))))
        asked = msgspec.structs.replace(first.last_signal, source=Source.REQUEST)
        await found.store.save_incident(msgspec.structs.replace(first, first_signal=asked, last_signal=asked))
        (again,) = await found.handed_over.review()
        assert again.follows == first.id
        assert again.first_signal.source is Source.SWEEP


async def test_what_a_person_answers_while_it_is_looked_at_is_not_closed(tmp_path: Path) -> None:
    async with seeing(tmp_path, *WELL) as found:
        asked = await held(found, Status.WAITING)
        await found.handed_over.review()
        found.clock.advance(SETTLED)
        read = found.store.incidents

        async def answered_meanwhile(*statuses: Status, limit: int = 1000) -> list[Incident]:
            seen = await read(*statuses, limit=limit)
            await found.store.save_incident(msgspec.structs.replace(asked, status=Status.OPEN))
            return seen

        found.store.incidents = answered_meanwhile  # type: ignore[method-assign]  # the moment cannot be hit otherwise
        assert await found.handed_over.review() == []
        present = await found.store.incident(asked.id)
        assert present is not None
        assert present.status is Status.OPEN
        assert await states(found) == {RequestState.OPEN}
