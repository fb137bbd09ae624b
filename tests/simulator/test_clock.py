"""Time, the work queue and quantities."""

from datetime import timedelta

import pytest

from simulator.clock import SimClock, parse_time
from simulator.quantities import parse, to_bytes, to_millicores
from simulator.workqueue import WorkQueue


def test_speed_divides_waits_and_leaves_timestamps_real() -> None:
    clock = SimClock(20)
    assert clock.real_seconds(600) == 30
    assert clock.simulated_seconds(timedelta(seconds=3)) == 60
    assert abs((parse_time(clock.timestamp()) - clock.now()).total_seconds()) < 2


@pytest.mark.parametrize("speed", [0, -1, float("nan")])
def test_a_speed_that_is_not_positive_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="speed must be a positive number"):
        SimClock(speed)


async def test_a_key_waits_once_and_comes_back_when_asked_for_during_work() -> None:
    queue: WorkQueue[str] = WorkQueue(SimClock(1000))
    queue.add("a")
    queue.add("a")
    assert await queue.get() == "a"
    queue.add("a")
    queue.add("b")
    assert await queue.get() == "b"
    queue.done("a")
    assert await queue.get() == "a"


async def test_delayed_keys_come_in_the_order_they_are_due_and_the_earliest_wish_counts() -> None:
    queue: WorkQueue[str] = WorkQueue(SimClock(1000))
    queue.add_after("late", 20)
    queue.add_after("soon", 10)
    queue.add_after("late", 5)
    queue.add_after("late", 30)
    assert [await queue.get(), await queue.get()] == ["late", "soon"]


async def test_failures_wait_longer_and_longer_until_forgotten() -> None:
    queue: WorkQueue[str] = WorkQueue(SimClock(1000))
    for _ in range(3):
        queue.retry("a")
        assert await queue.get() == "a"
        queue.done("a")
    assert queue._failures == {"a": 3}
    queue.forget("a")
    assert queue._failures == {}


@pytest.mark.parametrize(
    ("text", "value"), [("64Mi", 64 * 2**20), ("1G", 10**9), ("1.5Ki", 1536), ("128974848", 128974848)]
)
def test_memory_is_read_in_bytes(text: str, value: int) -> None:
    assert to_bytes(text) == value


@pytest.mark.parametrize(("text", "value"), [("100m", 100), ("2", 2000), ("0.1", 100), (1, 1000)])
def test_cpu_is_read_in_millicores(text: str, value: int) -> None:
    assert to_millicores(text) == value


def test_what_is_no_quantity_is_refused_in_the_api_servers_words() -> None:
    with pytest.raises(ValueError, match="quantities must match the regular expression"):
        parse("64Mo")
