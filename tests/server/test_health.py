"""The port for a kubelet and a Prometheus."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx
import pytest

from server.health import Answer, CannotListen, Vitals, serving
from tools.telemetry import Telemetry


class Patient:
    """What is asked, as a test wants it answered."""

    def __init__(self) -> None:
        self.fine = True
        self.telemetry = Telemetry()

    async def answer(self) -> Answer:
        return self.fine, "as it is"

    async def counts(self) -> Mapping[str, Mapping[str, float]]:
        return {"incidents": {"open": 2.0, "waiting": 0.0}}

    @property
    def vitals(self) -> Vitals:
        return Vitals(healthy=self.answer, ready=self.answer, counts=self.counts, registry=self.telemetry.registry)


@asynccontextmanager
async def asking(patient: Patient) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        serving("127.0.0.1:0", patient.vitals) as address,
        httpx.AsyncClient(base_url=f"http://{address}") as client,
    ):
        yield client


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_a_probe_is_answered_with_200_or_503_and_one_line(path: str) -> None:
    patient = Patient()
    async with asking(patient) as client:
        assert ((await client.get(path)).status_code, (await client.get(path)).text) == (200, "as it is\n")
        patient.fine = False
        assert (await client.get(path)).status_code == 503


async def test_metrics_are_what_was_counted_and_what_the_store_holds() -> None:
    patient = Patient()
    patient.telemetry.signals.labels("event", "oom-killed").inc(3)
    async with asking(patient) as client:
        text = (await client.get("/metrics")).text
    assert 'k8s_auto_fixer_signals_total{source="event",symptom="oom-killed"} 3.0' in text
    assert 'k8s_auto_fixer_incidents{state="open"} 2.0' in text


async def test_nothing_else_is_served_and_nothing_can_be_sent() -> None:
    async with asking(Patient()) as client:
        assert (await client.get("/")).status_code == 404
        assert (await client.post("/healthz")).status_code == 405


async def test_an_address_that_is_taken_is_one_clear_error() -> None:
    patient = Patient()
    async with serving("127.0.0.1:0", patient.vitals) as address:
        with pytest.raises(CannotListen, match=rf"cannot listen at {address}: .*--listen"):
            async with serving(address, patient.vitals):
                pass


async def test_two_processes_parts_do_not_share_their_counters() -> None:
    one, other = Telemetry(), Telemetry()
    one.watch_restarts.inc()
    assert other.registry.get_sample_value("k8s_auto_fixer_watch_restarts_total") == 0
