"""What keeps thousands of pods cheap changes no answer: shortcuts, and how they are told from errors."""

import asyncio
import gc
import threading
from typing import Any

import pytest

from simulator.apiserver.kind import Kind
from simulator.apiserver.schema import Misfit, Reading, read, struct
from simulator.apiserver.store import Store
from simulator.collector import patient_collector
from simulator.informer import Object
from simulator.kubelet.signals import Signal, first_of
from tests.simulator.test_scheduler_filters import asking, attempt, node, pod

POD = Kind("", "v1", "Pod", "pods")
MANY, FOREVER_SECONDS = 1500, 600.0


def stored_pod(number: int) -> Object:
    meta = {"name": f"p{number}", "namespace": "d", "labels": {"n": str(number)}}
    return {"kind": "Pod", "apiVersion": "v1", "metadata": meta, "spec": {"nodeName": "n"}}


def read_pod(**spec: Any) -> tuple[Object, list[str]]:
    reading = Reading()
    found = read({"metadata": {"name": "p"}, "spec": spec}, struct("core/v1.Pod"), reading)
    return found, reading.unknown


class TestTheStore:
    def test_reads_an_object_that_was_put_by_as_it_was_written(self) -> None:
        store = Store([POD])
        written = [store.write(POD, stored_pod(number)) for number in range(MANY)]
        for number, stored in enumerate(written):
            expected = stored_pod(number)
            expected["metadata"]["resourceVersion"] = str(number + 1)
            assert stored.body == expected

    def test_removes_and_lists_the_same_among_many(self) -> None:
        store = Store([POD])
        for number in range(MANY):
            store.write(POD, stored_pod(number))
        last = store.of(POD).get("d", "p7")
        assert last is not None
        store.remove(POD, last.body)
        assert store.of(POD).get("d", "p7") is None
        assert len(store.of(POD).entries("d")) == MANY - 1


class TestReadingAnObject:
    def test_tells_what_it_does_not_know_wherever_it_stands(self) -> None:
        found, unknown = read_pod(containers=[{"name": "c", "imagee": None}], hostNet=True)
        assert unknown == ["spec.containers[0].imagee", "spec.hostNet"]
        assert found["spec"]["containers"][0]["name"] == "c"

    def test_names_the_field_that_does_not_fit(self) -> None:
        with pytest.raises(Misfit, match=r"array into Go struct field .*spec\.containers\.image of type string"):
            read_pod(containers=[{"name": "c", "image": []}])

    def test_makes_quantities_canonical_and_drops_what_is_empty(self) -> None:
        limits = {"cpu": "1000m", "memory": 1024}
        found, unknown = read_pod(containers=[{"name": "c", "args": [], "env": None, "resources": {"limits": limits}}])
        assert found["spec"]["containers"] == [{"name": "c", "resources": {"limits": {"cpu": "1", "memory": "1024"}}}]
        assert unknown == []


class TestThePlaceOfAPod:
    def test_is_found_though_one_node_of_a_hundred_fits(self) -> None:
        nodes = [node(f"n{number}", unschedulable=True) for number in range(50)]
        nodes += [node(f"n{number}") for number in range(50, 100)]
        full = [pod(f"full{number}", where=f"n{number}", containers=[asking("1900m")]) for number in range(50, 99)]
        fitting, refusals = attempt(pod(containers=[asking("200m")]), nodes, full).refusals()
        assert [info.name for info in fitting] == ["n99"]
        assert refusals.message() == ("0/100 nodes are available: 49 Insufficient cpu, 50 node(s) were unschedulable.")

    def test_may_be_an_overfull_node_for_a_pod_that_asks_for_nothing(self) -> None:
        there = [pod(f"big{number}", where="n", containers=[asking("1900m")]) for number in range(2)]
        assert attempt(pod(), [node()], there).refusals()[0]


class TestWaitingForSignals:
    async def test_ends_with_the_first_of_them(self) -> None:
        one, other = Signal(), Signal()
        asyncio.get_running_loop().call_soon(other.set)
        assert await first_of((one, other), seconds=FOREVER_SECONDS)

    async def test_ends_when_its_time_is_up(self) -> None:
        assert not await first_of((Signal(), Signal()), seconds=0.0)

    async def test_does_not_begin_if_one_is_set(self) -> None:
        one = Signal()
        one.set()
        assert await first_of((Signal(), one), seconds=None)
        one.clear()
        assert not await first_of((one,), seconds=0.0)

    async def test_wakes_all_who_wait(self) -> None:
        one = Signal()
        waits = [asyncio.create_task(one.wait()) for _ in range(3)]
        await asyncio.sleep(0)
        one.set()
        async with asyncio.timeout(FOREVER_SECONDS):
            await asyncio.gather(*waits)

    async def test_can_be_cancelled_and_is_forgotten_then(self) -> None:
        one = Signal()
        wait = asyncio.create_task(one.wait())
        await asyncio.sleep(0)
        wait.cancel()
        with pytest.raises(asyncio.CancelledError):
            await wait
        one.set()
        assert one.is_set()


def test_the_collector_is_as_it_was_after_the_last_cluster() -> None:
    before = gc.get_threshold()
    with patient_collector():
        while_one_runs = gc.get_threshold()
        other = threading.Thread(target=_run_beside, daemon=True)
        other.start()
        other.join(FOREVER_SECONDS)
        assert gc.get_threshold() == while_one_runs
    assert while_one_runs > before
    assert gc.get_threshold() == before


def _run_beside() -> None:
    with patient_collector():
        pass
