"""Whose turn it is to be looked at closely, among the incidents that a person has.

A close look costs requests, and there may be thousands of such incidents: so there is room for so many looks a turn,
however many wait. The sweep, which reads everything anyway, says who has a reason: whose subject it did not see in
trouble (it has healed, is gone, or is of a kind that no sweep sees), or whose spec has moved since the last look. The
others have their turn all the same, less often: only a close look sees what a case rests on besides its subject.
Whoever was looked at longest ago comes first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from incidents.health import State
from incidents.incident import Incident
from tools.clock import Clock

LOOKS = 24  # in one turn, of up to four requests each: with a turn every 15 s at most some six requests a second
WITH_REASON = 18  # of them; the rest is kept for those without
ROUTINE_SECONDS = 60.0  # between two looks at an incident without a reason, if there is room


@dataclass(frozen=True, kw_only=True)
class Sight:
    """What the last whole sweep saw of subjects that have an incident: those in trouble, with their generation."""

    at: datetime
    troubled: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class _Look:
    at: datetime
    state: State | None  # None: it could not be read, or is gone
    generation: int


class Turns:
    """Remembers the last look at each incident. ``settle_seconds``: how long after being well it is looked at again."""

    def __init__(self, clock: Clock, *, settle_seconds: float) -> None:
        self._clock = clock
        self._settle = timedelta(seconds=settle_seconds / clock.speed)
        self._routine = timedelta(seconds=ROUTINE_SECONDS / clock.speed)
        self._looks: dict[str, _Look] = {}

    def next(self, incidents: Sequence[Incident], sight: Sight | None, urgent: Iterable[str] = ()) -> list[Incident]:
        """Those to look at now, at most ``LOOKS``. ``urgent``: ids that have a reason of their own."""
        now, known = self._clock.now(), {incident.id for incident in incidents}
        self._looks = {key: look for key, look in self._looks.items() if key in known}
        waiting, hurried = sorted(incidents, key=self._age), set(urgent)
        with_reason = [one for one in waiting if one.id in hurried or self._has_reason(one, sight, now)]
        chosen, late = with_reason[:WITH_REASON], {one.id for one in with_reason[WITH_REASON:]}
        taken = {one.id for one in chosen}
        others = [one for one in waiting if one.id not in taken and (one.id in late or self._is_due(one, now))]
        return [*chosen, *others[: LOOKS - len(chosen)]]

    def looked(self, incident: Incident, state: State | None, generation: int = 0) -> None:
        """It was looked at just now, and this was seen."""
        self._looks[incident.id] = _Look(at=self._clock.now(), state=state, generation=generation)

    def _age(self, incident: Incident) -> tuple[bool, float]:
        look = self._looks.get(incident.id)
        return (look is not None, look.at.timestamp() if look is not None else incident.opened_at.timestamp())

    def _has_reason(self, incident: Incident, sight: Sight | None, now: datetime) -> bool:
        look = self._looks.get(incident.id)
        if look is not None and look.state is State.WELL:
            return now - look.at >= self._settle  # well for as long as that, it is over
        if sight is None or (look is not None and sight.at < look.at):
            return False  # no sweep has come since
        generation = sight.troubled.get(incident.subject.key)
        if look is None:
            return generation is None
        return generation != look.generation or look.state is not State.FAILING

    def _is_due(self, incident: Incident, now: datetime) -> bool:
        look = self._looks.get(incident.id)
        return look is None or now - look.at >= self._routine
