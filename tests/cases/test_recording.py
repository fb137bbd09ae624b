"""What is written down of a run: masked, bounded, forgotten in time, and never in the way of the run itself."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.recorded import without_values
from graph.recording import Recorder
from incidents.changes import LeafChange
from incidents.codec import encode
from incidents.objects import IncidentId
from incidents.policy import Policy
from incidents.recording import About, Decided, Run, Searched, Start
from remediation.guardrails import View
from remediation.recorded import Guarding
from tests.builders import NOW, signal, subject
from tests.clocks import FakeClock
from tests.store.values import change_of
from tools.cluster.errors import Unreachable
from tools.recorded import RecordedSearch
from tools.search.contract import Finding
from tools.store import Store, StoreError
from tools.store import sqlite_runs as kept
from tools.store.sqlite import open_store

ABOUT = About(version="1", playbooks={}, policy=Policy())
SECRETS = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=10, max_size=20).map("zq{}".format)


def run_of(start: Start, number: int = 1) -> Run:
    return Run(began=NOW, about=ABOUT, start=start, told=(), decided=(Decided(node="Observe", says=(f"{number}",)),))


class Shelf:
    """A search that finds one page."""

    async def find(self, query: str, *, limit: int) -> list[Finding]:
        return [Finding(title="a", excerpt="b", source="runbook:c", score=1.0)]


class TestTheStore:
    """Of each incident the newest runs, for as long as the incident is kept."""

    async def test_only_the_newest_runs_are_kept_and_they_go_with_their_incident(self, tmp_path: Path) -> None:
        clock = FakeClock()
        async with open_store(tmp_path / "store.sqlite", now=clock.now) as store:
            incident, _ = await store.open_or_join(subject(), signal())
            start = await store.start_of(incident.id)
            assert start is not None
            for number in range(kept.RUNS_KEPT + 3):
                assert await store.save_run(run_of(start, number))
            found = [run.decided[0].says for run in await store.runs(incident.id)]
            assert found == [(f"{number}",) for number in range(3, kept.RUNS_KEPT + 3)]
            await store.succeed(incident, signal("event-2"))
            assert await store.prune(before=clock.now() + timedelta(days=1)) == [incident.id]
            assert await store.runs(incident.id) == []

    async def test_a_run_that_takes_too_much_room_is_not_kept(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(kept, "RUN_BYTES", 500)
        async with open_store(tmp_path / "store.sqlite", now=FakeClock().now) as store:
            incident, _ = await store.open_or_join(subject(), signal())
            start = await store.start_of(incident.id)
            assert start is not None
            assert not await store.save_run(run_of(start))
            assert await store.runs(incident.id) == []

    async def test_an_incident_is_restored_as_it_stood(self, tmp_path: Path) -> None:
        async with open_store(tmp_path / "store.sqlite", now=FakeClock().now) as store:
            incident, _ = await store.open_or_join(subject(), signal())
            await store.save_change(change_of(incident.id))
            start = await store.start_of(incident.id)
        assert start is not None
        async with open_store(tmp_path / "other.sqlite", now=FakeClock().now) as store:
            assert await store.start_of(incident.id) is None
            await store.restore(start)
            assert await store.start_of(incident.id) == start


class TestRecorder:
    """One row when the run has ended; a run that decided nothing leaves none."""

    async def _recorded(self, store: Store, error: Exception | None) -> list[Run]:
        incident, _ = await store.open_or_join(subject(), signal())
        recorder = Recorder(store, ABOUT, lambda: NOW, models=lambda _: ())
        try:
            async with recorder.run(incident) as recording:
                await RecordedSearch(Shelf()).find("why", limit=3)
                recording.add("Supervisor", {"next": "FINISH"})
                if error is not None:
                    raise error
        except type(error or StoreError()):
            pass
        return await store.runs(incident.id)

    async def test_what_was_told_and_decided_is_one_run(self, tmp_path: Path) -> None:
        async with open_store(tmp_path / "store.sqlite", now=FakeClock().now) as store:
            (run,) = await self._recorded(store, None)
        (told,) = run.told
        assert isinstance(told, Searched)
        assert (told.query, told.findings[0]["source"]) == ("why", "runbook:c")
        assert [step.next for step in run.decided] == ["FINISH"]

    async def test_a_run_that_failed_is_kept_with_its_error(self, tmp_path: Path) -> None:
        async with open_store(tmp_path / "store.sqlite", now=FakeClock().now) as store:
            (run,) = await self._recorded(store, ValueError("password: hunter2"))
        assert run.failed == "ValueError: password: [masked]"

    async def test_a_run_that_is_to_be_repeated_is_not_kept(self, tmp_path: Path) -> None:
        async with open_store(tmp_path / "store.sqlite", now=FakeClock().now) as store:
            assert await self._recorded(store, Unreachable("away")) == []

    async def test_outside_of_a_run_nothing_is_kept(self) -> None:
        assert len(await RecordedSearch(Shelf()).find("why", limit=3)) == 1


@given(secrets=st.lists(SECRETS, min_size=5, max_size=5, unique=True))
def test_no_secret_of_an_object_is_written_down(secrets: list[str]) -> None:
    password, token, annotation, address, other = secrets
    change = change_of(IncidentId("incident-1"))
    live = _workload(password, token, annotation, address)
    leaf = "/spec/template/spec/containers/0/env/0/value"
    change = msgspec.structs.replace(change, diff=(LeafChange(pointer=leaf, before=password, after=other),))
    guarding = Guarding(change.proposal)
    guarding.view = View(
        policy=Policy(), proposal=change.proposal, live=live, replica_sets=(live,), read_generation=1,
        recent=(change,), now=NOW,
    )  # fmt: skip
    guarding.late = guarding.view
    guarding.rehearsed = (change, _workload(other, token, annotation, address))
    text = encode(guarding.told(NOW)) + encode(without_values(change))
    assert not [secret for secret in secrets if secret in text]
    assert leaf in text


def _workload(password: str, token: str, annotation: str, address: str) -> dict[str, Any]:
    env = [{"name": "DB_PASSWORD", "value": password}, {"name": "URL", "value": f"https://me:{address}@db"}]
    container = {"name": "main", "image": "shop/web:1", "env": env, "command": ["run", "--token", token]}
    annotations = {"shop/api-key": annotation, "kubectl.kubernetes.io/last-applied-configuration": password}
    metadata = {"name": "web", "namespace": "shop", "uid": "uid-web", "annotations": annotations}
    template = {"metadata": {"annotations": annotations}, "spec": {"containers": [container]}}
    return {"kind": "Deployment", "metadata": metadata, "spec": {"template": template}}
