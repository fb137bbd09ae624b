"""What any queue of keys promises, on a clock that only moves when the test says so.

Another implementation is added to ``QUEUES`` and has to pass all of it.
"""

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scraper.queue import Key, KeyQueue, Queue

A, B = Key("a"), Key("b")
QUEUES: dict[str, Callable[[Callable[[], float], int, int | None], Queue]] = {
    "in process": lambda now, capacity, share: KeyQueue(now, capacity=capacity, share=share),
}
Make = Callable[..., Queue]
KEYS = st.sampled_from([Key(name) for name in "abcd"])


class Moment:
    """A monotonic clock that is set by hand; counts how often it was looked at."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.looks = 0

    def __call__(self) -> float:
        self.looks += 1
        return self.seconds


@pytest.fixture(params=QUEUES)
def make(request: pytest.FixtureRequest) -> Make:
    """Makes a queue of the implementation under test."""
    build = QUEUES[request.param]
    return lambda now=None, capacity=1000, share=None: build(now or Moment(), capacity, share)


async def taken(queue: Queue) -> Key | None:
    """The key that can be had now, or None."""
    taking = asyncio.ensure_future(queue.take())
    for _ in range(5):
        await asyncio.sleep(0)
    if taking.done():
        return taking.result()
    taking.cancel()
    await asyncio.gather(taking, return_exceptions=True)
    return None


async def test_a_key_waits_once_however_often_it_is_added(make: Make) -> None:
    queue = make()
    for _ in range(100):
        queue.add(A)
    assert len(queue) == 1
    assert await taken(queue) == A
    queue.done(A)
    assert await taken(queue) is None


async def test_a_key_in_flight_is_not_handed_out_a_second_time(make: Make) -> None:
    queue = make()
    queue.add(A)
    assert await taken(queue) == A
    queue.add(A)
    assert await taken(queue) is None


async def test_a_key_added_while_in_flight_is_handed_out_afterwards(make: Make) -> None:
    queue = make()
    queue.add(A)
    await taken(queue)
    queue.add(A)
    queue.done(A)
    assert await taken(queue) == A


async def test_a_key_in_flight_does_not_hold_up_the_others(make: Make) -> None:
    queue = make()
    queue.add(A)
    await taken(queue)
    queue.add(A)
    queue.add(B)
    assert await taken(queue) == B


@pytest.mark.parametrize("delays", [(5.0, 1.0), (1.0, 5.0)])
async def test_of_two_moments_the_earlier_one_counts(make: Make, delays: tuple[float, float]) -> None:
    moment = Moment()
    queue = make(moment)
    for delay in delays:
        queue.add(A, delay_seconds=delay)
    assert await taken(queue) is None
    moment.seconds = 1.0
    assert await taken(queue) == A
    queue.done(A)
    moment.seconds = 10.0
    assert await taken(queue) is None


async def test_keys_come_in_the_order_in_which_they_are_due(make: Make) -> None:
    moment = Moment()
    queue = make(moment)
    queue.add(A, delay_seconds=2)
    queue.add(B, delay_seconds=1)
    moment.seconds = 3
    assert [await taken(queue), await taken(queue)] == [B, A]


async def test_whoever_waits_is_woken_by_a_new_key(make: Make) -> None:
    queue = make()
    taking = asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    queue.add(A)
    assert await asyncio.wait_for(taking, 5) == A


async def test_whoever_waits_for_a_key_in_flight_is_woken_when_it_is_done(make: Make) -> None:
    queue = make()
    queue.add(A)
    await taken(queue)
    queue.add(A)
    taking = asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    queue.done(A)
    assert await asyncio.wait_for(taking, 5) == A


@pytest.mark.parametrize("in_flight", [True, False])
async def test_waiting_is_not_a_busy_loop(make: Make, in_flight: bool) -> None:
    moment = Moment()
    queue = make(moment)
    queue.add(A)
    await taken(queue)
    queue.add(A if in_flight else B, delay_seconds=0 if in_flight else 3600)
    taking = asyncio.create_task(queue.take())
    before = moment.looks
    for _ in range(200):
        await asyncio.sleep(0)
    assert moment.looks - before <= 2
    taking.cancel()


async def test_giving_up_waiting_loses_no_key(make: Make) -> None:
    queue = make()
    waiting = [asyncio.create_task(queue.take()) for _ in range(3)]
    await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    queue.add(A)
    await asyncio.gather(*waiting, return_exceptions=True)
    assert await taken(queue) == A


async def test_groups_take_turns_however_many_keys_one_of_them_has(make: Make) -> None:
    queue = make()
    for number in range(50):
        queue.add(Key(f"noisy-{number}"), group="noisy")
    queue.add(A, group="quiet")
    queue.add(B, group="silent")
    first = [await taken(queue) for _ in range(4)]
    assert {A, B} < set(first)


async def test_a_full_queue_refuses_new_keys_and_still_knows_the_old_ones(make: Make) -> None:
    queue = make(capacity=1)
    assert queue.add(A)
    assert not queue.add(B)
    assert queue.add(A)
    assert [await taken(queue), await taken(queue)] == [A, None]
    assert queue.add(B)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), KEYS, st.integers(0, 3)),
        st.tuples(st.just("take"), KEYS, st.just(0)),
        st.tuples(st.just("done"), KEYS, st.just(0)),
        st.tuples(st.just("later"), KEYS, st.integers(1, 3)),
    ),
    max_size=40,
)


@pytest.mark.parametrize("build", QUEUES.values(), ids=QUEUES)
@given(steps=STEPS)
def test_it_does_what_a_dictionary_of_due_moments_would(build: Make, steps: list[tuple[str, Key, int]]) -> None:
    asyncio.run(_compare(build, steps))


async def _compare(build: Make, steps: list[tuple[str, Key, int]]) -> None:
    moment = Moment()
    queue, due, flying = build(moment, 1000, None), dict[Key, float](), set[Key]()
    for step, key, number in steps:
        if step == "add":
            queue.add(key, delay_seconds=number)
            due[key] = min(due.get(key, moment.seconds + number), moment.seconds + number)
        elif step == "later":
            moment.seconds += number
        elif step == "done" and key in flying:
            queue.done(key)
            flying.discard(key)
        elif step == "take":
            ready = {name: at for name, at in due.items() if at <= moment.seconds and name not in flying}
            got = await taken(queue)
            assert (got is None) == (not ready)
            if got is not None:
                assert ready[got] == min(ready.values())
                del due[got]
                flying.add(got)
        assert len(queue) == len(due)


async def test_a_group_whose_keys_take_long_leaves_workers_for_the_others_to_come(make: Make) -> None:
    queue = make(share=2)
    for number in range(9):
        queue.add(Key(f"noisy-{number}"), group="noisy")
    held = [key for _ in range(4) if (key := await taken(queue)) is not None]
    assert len(held) == 2
    queue.add(A, group="quiet")
    assert await taken(queue) == A
    queue.done(held[0])
    assert str(await taken(queue)).startswith("noisy")
    assert await taken(queue) is None


async def test_whoever_waits_for_a_group_that_has_its_share_is_woken_when_one_is_done(make: Make) -> None:
    queue = make(share=1)
    queue.add(A)
    queue.add(B)
    held = await taken(queue)
    assert held is not None
    taking = asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    queue.done(held)
    assert {held, await asyncio.wait_for(taking, 5)} == {A, B}
