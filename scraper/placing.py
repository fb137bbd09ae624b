"""Placing signals: whose trouble each one is. Many are placed side by side, and an object is asked about once.

A storm is about pods that nobody has heard of; three requests for each, one after the other, would hold everything up
for as long as the storm lasts. What cannot be placed is not lost: the series goes on while the trouble lasts, and the
sweep sees what stays broken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

import structlog

from incidents.objects import ObjectRef
from incidents.policy import Policy
from incidents.signals import Signal
from incidents.subjects import Subject
from tools.cluster.errors import ODD_OBJECT, ClusterError
from tools.cluster.owners import Owners

AT_ONCE = 8  # walks up to an owner, each one request at a time

log = structlog.get_logger(__name__)


class Placing:
    """Finds the subjects of signals, as far as the policy covers them."""

    def __init__(self, owners: Owners, policy: Policy) -> None:
        self._owners = owners
        self._policy = policy

    def wants(self, signal: Signal) -> bool:
        """Whether the object of a signal is one that may be looked at."""
        return not signal.about.namespace or self._policy.covers(signal.about.namespace)

    def at_hand(self, signal: Signal) -> Subject | None:
        """The subject, if nobody has to be asked."""
        subject = self._owners.known(signal.about)
        return subject if subject is not None and self._policy.covers(subject.namespace) else None

    async def place(self, signal: Signal) -> Subject | None:
        """The subject; None if there is none or it is none of ours. Raises ClusterError."""
        subject = await self._owners.subject(signal.about)
        if subject is None:
            log.debug("event.no_subject", about=str(signal.about), reason=signal.reason)
            return None
        return subject if self._policy.covers(subject.namespace) else None

    async def place_all(self, signals: Sequence[Signal]) -> list[tuple[Subject, Signal]]:
        """Those that have a subject of ours, in their order. What cannot be read is logged."""
        abouts = dict.fromkeys(signal.about for signal in signals)
        await self._learn(abouts)
        walking = asyncio.Semaphore(AT_ONCE)
        one_each = {signal.about: signal for signal in signals}
        found = await asyncio.gather(*(self._placed(one_each[about], walking) for about in abouts))
        subjects = dict(zip(abouts, found, strict=True))
        return [(subject, signal) for signal in signals if (subject := subjects[signal.about]) is not None]

    async def _learn(self, abouts: Iterable[ObjectRef]) -> None:
        try:
            await self._owners.learn(abouts)
        except (ClusterError, *ODD_OBJECT) as error:
            log.debug("owners.unlisted", error=str(error))  # each is then asked about by itself

    async def _placed(self, signal: Signal, walking: asyncio.Semaphore) -> Subject | None:
        async with walking:
            try:
                return await self.place(signal)
            except (ClusterError, *ODD_OBJECT) as error:
                log.warning("event.unplaced", about=str(signal.about), error=f"{type(error).__name__}: {error}")
                return None
