"""Rules over time: what has been changed lately, and what people have switched off.

All of them look at the changes this store has made to the cluster; none looks at the object. Where one objects, the
change is not wrong but early: the answer is a deferral with the moment at which it may be looked at again. They speak
only where something would be changed; in the other modes a person is told at once. What an incident has begun it
may go on with: its own rounds are bound by the caps and the switches alone.

Hundreds of incidents may wait for one cap. Each is told a moment of its own, which follows from its id: one of those at
which a place comes free, and a little later. So the places are taken as they come, and not all asked for at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from incidents.changes import Change, ChangeState
from incidents.decisions import SwitchName
from incidents.policy import Answer, Ruling
from remediation.guardrails.view import View

_UNDER_WAY = frozenset({ChangeState.PREPARED, ChangeState.SENT, ChangeState.APPLIED, ChangeState.UNDOING})


def kill_switch(view: View) -> Iterator[Ruling]:
    """Nothing is written while it is on, dry runs included."""
    yield from _switched(view, SwitchName.KILL, "kill-switch", "nothing is written")


def paused_switch(view: View) -> Iterator[Ruling]:
    """Nothing new is begun while it is on."""
    if _acting(view):
        yield from _switched(view, SwitchName.PAUSE, "paused-by-a-person", "no new change is begun")


def _switched(view: View, name: SwitchName, rule: str, effect: str) -> Iterator[Ruling]:
    for switch in view.switches:
        if switch.name is name and switch.is_on(view.now):
            latest = view.now + timedelta(seconds=view.windows.switched)
            until = min(switch.until, latest) if switch.until is not None else latest
            why = f": {switch.reason}" if switch.reason else ""
            yield Ruling(rule, Answer.DEFER, f"{switch.by} has turned it on, {effect}{why}", until)


def cooldown(view: View) -> Iterator[Ruling]:
    """A subject is left alone for a while after the last change of another incident."""
    window, uid = view.windows.cooldown, view.proposal.target.uid
    ends = [_last(change, view.now) for change in _of_others(view, window) if change.concerns(uid)]
    yield from _until(view, "cool-down", max(ends, default=None), window, "it was changed only lately")


def concurrency(view: View) -> Iterator[Ruling]:
    """Only so many changes are unverified at once. One whose verification should long have ended counts no more."""
    standing = [
        change.deadline
        for change in view.recent
        if change.state in _UNDER_WAY and change.incident != view.incident and view.now < change.deadline
    ]
    if _acting(view) and len(standing) >= view.windows.concurrent:
        reason = f"{len(standing)} changes are being verified; {view.windows.concurrent} may be at once"
        soon = view.now + timedelta(seconds=view.windows.beside)
        yield Ruling("concurrency", Answer.DEFER, reason, min(soon, *standing))


def hourly_cap(view: View) -> Iterator[Ruling]:
    """Only so many changes an hour, of any kind."""
    made = sorted(change.prepared_at for change in _of_the_last_hour(view))
    limit = view.windows.per_hour
    yield from _capped(view, "hourly-cap", made, limit, f"{len(made)} changes were made within the hour")


def namespace_share(view: View) -> Iterator[Ruling]:
    """Only a share of a namespace's workloads is changed within an hour, though always a few."""
    target = view.proposal.target
    last: dict[str, datetime] = {}
    for change in _of_the_last_hour(view):
        if change.target.namespace == target.namespace:
            last[change.target.uid] = max(change.prepared_at, last.get(change.target.uid, change.prepared_at))
    if target.uid in last:
        return  # it has its place already
    limit = max(view.windows.namespace_floor, int(view.windows.namespace_share * view.workloads))
    reason = f"{len(last)} workloads of {target.namespace} were changed within the hour"
    yield from _capped(view, "namespace-share", sorted(last.values()), limit, reason)


def breaker(view: View) -> Iterator[Ruling]:
    """Where the changes of several incidents had to be undone, nothing new is begun for a while."""
    if any(change.state is not ChangeState.ABANDONED for change in view.earlier):
        return
    window = view.windows.breaker
    since = view.now - timedelta(seconds=window)
    undone: dict[str, datetime] = {}
    for change in _of_others(view, window):
        if change.state is ChangeState.UNDONE and _last(change, view.now) > since:
            undone[change.incident] = max(_last(change, view.now), undone.get(change.incident, since))
    if len(undone) >= view.windows.breaker_undone:
        reason = f"the changes of {len(undone)} incidents had to be undone lately"
        yield from _until(view, "breaker", max(undone.values()), window, reason, spread=view.windows.spread)


def same_field(view: View) -> Iterator[Ruling]:
    """A field that another incident has set within the window is set again only if a person agrees.

    Waiting would not make it right: what was set there did not last.
    """
    since = view.now - timedelta(seconds=view.windows.same_field)
    touched = {leaf.pointer for leaf in view.diff}
    for change in reversed(_of_others(view, view.windows.same_field)):
        same_object = change.concerns(view.proposal.target.uid)
        if not _acting(view) or not same_object or _last(change, view.now) <= since:
            continue
        twice = sorted(touched & {leaf.pointer for leaf in change.diff})
        if twice:
            reason = f"change {change.id} has set {twice[0]} already, for incident {change.incident}"
            yield Ruling("same-field", Answer.NEEDS_APPROVAL, reason)
            return


def _acting(view: View) -> bool:
    return view.policy.mode.acts


def _of_others(view: View, seconds: float) -> list[Change]:
    """Changes that reached an object, of incidents that this one does not go on from.

    What lies further ahead than the window of ``seconds`` was dated by a clock that was wrong: counted until that day
    comes, it would hold up everything for as long.
    """
    ahead = view.now + timedelta(seconds=seconds)
    return [
        change
        for change in view.recent
        if change.state is not ChangeState.ABANDONED
        and (change.ended_at or change.prepared_at) <= ahead
        and change.incident != view.incident
        and change.incident not in view.continues
    ]


def _of_the_last_hour(view: View) -> list[Change]:
    hour = timedelta(seconds=view.windows.hour)  # and as far ahead at most, as above
    begun = [change for change in view.recent if change.state is not ChangeState.ABANDONED]
    return [change for change in begun if view.now - hour < change.prepared_at <= view.now + hour]


def _last(change: Change, now: datetime) -> datetime:
    """When something was last done about it. A clock that was set back makes nothing lie in the future."""
    return min(change.ended_at or change.prepared_at, now)


def _until(
    view: View, rule: str, since: datetime | None, seconds: float, reason: str, *, spread: float = 0.0
) -> Iterator[Ruling]:
    if since is None or not _acting(view):
        return
    free = since + timedelta(seconds=seconds)
    if view.now < free:
        until = free + timedelta(seconds=spread * _own_part(view, rule))
        yield Ruling(rule, Answer.DEFER, f"{reason}; left alone until {until:%Y-%m-%d %H:%M:%S} UTC", until)


def _capped(view: View, rule: str, made: Sequence[datetime], limit: int, reason: str) -> Iterator[Ruling]:
    """Deferred until so many of them are an hour old that there is room for one more: this one or a later one."""
    if len(made) >= limit:
        places = made[len(made) - limit :] if limit > 0 else [view.now]
        place = places[int(len(places) * _own_part(view, f"{rule}/place"))]
        yield from _until(view, rule, min(place, view.now), view.windows.hour, reason, spread=view.windows.spread)


def _own_part(view: View, what: str) -> float:
    """A number from 0 up to 1 that is the incident's own: the same whenever it is asked for."""
    drawn = hashlib.sha256(f"{view.incident}/{what}".encode()).digest()
    return int.from_bytes(drawn[:8]) / 2**64
