"""The port for a kubelet and a Prometheus."""

import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import yaml

from app.settings import load_settings
from server.health import Answer, CannotListen, Vitals, serving
from tests.world import clean_environment as clean_environment
from tools.telemetry import Telemetry

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


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


def own_address() -> str:
    """An address of this machine that is not loopback; no packet is sent for it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            asked.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback")
        return str(asked.getsockname()[0])


def free_port() -> int:
    with socket.socket() as tried:
        tried.bind(("", 0))
        return int(tried.getsockname()[1])


async def test_the_shipped_installation_answers_a_kubelet_which_asks_at_the_pods_address() -> None:
    host, _, port = yaml.safe_load((DEPLOY / "settings.yaml").read_text())["listen"].rpartition(":")
    pod = yaml.safe_load((DEPLOY / "deployment.yaml").read_text())["spec"]["template"]["spec"]
    assert [one["containerPort"] for one in pod["containers"][0]["ports"]] == [int(port)]
    here, free = own_address(), free_port()
    async with serving(f"{host}:{free}", Patient().vitals), httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"http://{here}:{free}/healthz")).status_code == 200


@pytest.mark.usefixtures("clean_environment")
async def test_no_port_is_opened_by_default_and_one_of_loopback_stays_there() -> None:
    assert load_settings().listen is None
    here = own_address()
    async with serving("127.0.0.1:0", Patient().vitals) as address, httpx.AsyncClient(trust_env=False) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(f"http://{here}:{address.rpartition(':')[2]}/healthz")


async def test_two_processes_parts_do_not_share_their_counters() -> None:
    one, other = Telemetry(), Telemetry()
    one.watch_restarts.inc()
    assert other.registry.get_sample_value("k8s_auto_fixer_watch_restarts_total") == 0
