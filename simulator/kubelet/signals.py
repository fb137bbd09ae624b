"""Something that may happen to a pod or a container, and waiting for the first of several such things.

As `asyncio.Event`, which costs a task for each event where several are waited for at once, and room for waiters
before there are any; a pod waits for half a dozen for as long as it lives, and a cluster has thousands of pods.
"""

import asyncio


class Signal:
    """Set or not; confined to one event loop."""

    __slots__ = ("_set", "_waiters")

    def __init__(self) -> None:
        self._set = False
        self._waiters: list[asyncio.Future[bool]] = []

    def is_set(self) -> bool:
        return self._set

    def set(self) -> None:
        """Wakes everybody who waits; harmless to repeat."""
        self._set = True
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            _answer(waiter, happened=True)

    def clear(self) -> None:
        self._set = False

    async def wait(self) -> None:
        """Returns at once if it is set."""
        await first_of((self,), seconds=None)

    def join(self, waiter: "asyncio.Future[bool]") -> None:
        """Answers the waiter with True when it is set."""
        self._waiters.append(waiter)

    def leave(self, waiter: "asyncio.Future[bool]") -> None:
        """Whoever does not wait any longer."""
        if waiter in self._waiters:
            self._waiters.remove(waiter)


async def first_of(signals: tuple[Signal, ...], *, seconds: float | None) -> bool:
    """Wait until one of them is set, at most so many real seconds (None: for ever); False when none was."""
    if any(signal.is_set() for signal in signals):
        return True
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[bool] = loop.create_future()
    alarm = None if seconds is None else loop.call_later(max(0.0, seconds), lambda: _answer(waiter, happened=False))
    for signal in signals:
        signal.join(waiter)
    try:
        return await waiter
    finally:
        if alarm is not None:
            alarm.cancel()
        for signal in signals:
            signal.leave(waiter)


def _answer(waiter: "asyncio.Future[bool]", *, happened: bool) -> None:
    if not waiter.done():
        waiter.set_result(happened)
