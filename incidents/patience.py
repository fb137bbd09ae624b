"""How long trouble may stand before a person is told of it: one pure table from symptom to patience, with reasons.

What nobody can repair with certainty is only handed over, and much of it passes by itself: a person who is called for
a pull that works at the kubelet's next try will not believe the next call. So the table bounds the telling and not the
looking. A repair that a playbook is certain of is made after one grace period, whatever stands here; and one that it
becomes certain of meanwhile within a few more: what is waited for is looked at again every so often, and one period
after a signal has named a symptom that was not waited for.

The unit is the grace period of the settings, so that there is one thing to set: with none, nothing is waited for.
The reasons speak of the default of 10 s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import msgspec

from incidents.health import PROGRESS_DEADLINE_SECONDS, Health, State
from incidents.incident import Incident
from incidents.objects import Manifest
from incidents.signals import Source
from incidents.symptoms import Symptom

LONGEST_SECONDS = 3600.0  # whatever the grace period is: a patience that outlasts every deferral would never end
LOOK_PERIODS = 3.0  # between two looks at what is waited for: ten of some fifteen requests for the longest wait
STARTS = 3  # a start that is begun over and over, as when pods are evicted before they are ready, is none after three


class Wait(msgspec.Struct, frozen=True):
    """So many grace periods, and why."""

    periods: float
    because: str


ANOTHER = Wait(30.0, "what it needs is starting or being mended; the next sweeps see whether that fails by itself")
ONE = Wait(1.0, "nothing is known to end it")
BEING_LATE = frozenset({Symptom.ROLLOUT_STUCK, Symptom.NOT_READY})  # what is said of it while nothing else fails
LATE = Wait(30.0, "all its pods are ready just now: it is only late, or one of them is about to show what fails")
WAITS: Mapping[Symptom, Wait] = {
    Symptom.UNSCHEDULABLE: Wait(30.0, "a cluster autoscaler needs minutes to add a node"),
    Symptom.IMAGE_PULL: Wait(5.0, "the kubelet pulls again after 10 and 30 s, which ends a registry's short outage"),
    Symptom.SANDBOX_FAILING: Wait(6.0, "the network of a node that is restarted or has just come takes a minute"),
    Symptom.CONFIG_ERROR: Wait(6.0, "what it names may be on its way: the kubelet looks again within the minute"),
    Symptom.CLAIM_PENDING: Wait(3.0, "a claim that is made anew, or has just got its class, is bound within seconds"),
    Symptom.CREATE_FORBIDDEN: Wait(3.0, "a webhook that is rolled out is away for a moment, and pods are tried again"),
    Symptom.CRASH_LOOP: Wait(3.0, "what it depends on may be starting too: the kubelet restarts it after 10 and 20 s"),
}


def wait_for(symptoms: Iterable[Symptom]) -> Wait:
    """The shortest patience with any of the symptoms: what will not pass is not kept back by what may.

    That a rollout is late for it says nothing of whether it passes.
    """
    found = frozenset(symptoms)
    telling = (found - {Symptom.ROLLOUT_STUCK}) or found
    return min((WAITS.get(symptom, ONE) for symptom in telling), key=lambda wait: wait.periods, default=ONE)


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """The table on one cluster. ``grace_seconds``: one period; ``speed`` divides it, as all durations there."""

    grace_seconds: float = 0.0
    speed: float = 1.0

    def until(self, incident: Incident, health: Health, *, blames_another: bool = False) -> datetime:
        """The moment from which a person may be told what fails. Whoever has asked for it is told at once.

        ``blames_another``: another object's trouble is known to be the cause, which may be about to end.
        """
        asked = {incident.first_signal.source, incident.last_signal.source} & {Source.REQUEST, Source.WORDS}
        if asked or health.state is not State.FAILING:
            return incident.opened_at
        late = health.symptoms <= BEING_LATE and health.ready >= health.desired > 0
        wait = ANOTHER if blames_another else LATE if late else wait_for(health.symptoms)
        seconds = min(wait.periods * self.grace_seconds, LONGEST_SECONDS)
        return incident.opened_at + timedelta(seconds=seconds / self.speed)

    def next_look(self, until: datetime, now: datetime) -> datetime:
        """When what is waited for ``until`` then is looked at again: a playbook may be certain of it by that time."""
        return min(until, now + timedelta(seconds=LOOK_PERIODS * self.grace_seconds / self.speed))

    def start_is_over(self, incident: Incident, workload: Manifest, now: datetime) -> bool:
        """Whether something has been starting for so long, with an open incident, that it is no start any more."""
        allowed = int(workload.get("spec", {}).get("progressDeadlineSeconds") or PROGRESS_DEADLINE_SECONDS)
        return (now - incident.opened_at).total_seconds() * self.speed >= STARTS * allowed
