"""``kill-switch``, ``pause``, ``resume``: what stops the program, and how far."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import typer

from app.place import commands_of
from app.settings import Settings
from cli.failures import Exit, fail
from cli.speaking import decided_in, elsewhere, say, who
from incidents.changes import ChangeState
from incidents.decisions import Switch, SwitchName
from tools.clock import Clock
from tools.scrub import plain_text
from tools.store import Store

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"(\d{1,6})([smhd])")
_STANDING = (ChangeState.SENT, ChangeState.APPLIED, ChangeState.KEPT, ChangeState.UNDOING)


async def turn_kill_switch(settings: Settings, position: str, *, reason: str, name: str | None) -> int:
    """Stop every write, undo included, or let them through again; list what stays unverified. Raises StoreError."""
    if position not in ("on", "off", "status"):
        raise fail(f"{position!r}: write `kill-switch on`, `kill-switch off` or `kill-switch status`", Exit.USAGE)
    words = ("kill-switch", position)
    by = who(name) if position != "status" else ""
    async with decided_in(settings, *words) as store:
        if position != "status":
            await _set(store, SwitchName.KILL, on=position == "on", by=by, reason=reason, until=None)
        await _show(store, SwitchName.KILL, "kill switch", "no write leaves the program on this store, undo included")
        if position != "off":
            await _list_standing(store, settings)
        await _warn(settings, store, *words)
    return Exit.OK


async def pause(settings: Settings, *, lasting: str | None, reason: str, name: str | None) -> int:
    """Begin no new change, for a while or until `resume`. What is begun is verified and, if need be, undone."""
    now = Clock().now()
    until = now + duration(lasting) if lasting is not None else None
    by = who(name)
    async with decided_in(settings, "pause") as store:
        await _set(store, SwitchName.PAUSE, on=True, by=by, reason=reason, until=until)
        await _show(store, SwitchName.PAUSE, "pause", "no new change is begun")
        await _warn(settings, store, "pause")
    return Exit.OK


async def resume(settings: Settings, *, name: str | None) -> int:
    """End a pause; what it has deferred is taken up again at once. Raises StoreError."""
    by = who(name)
    async with decided_in(settings, "resume") as store:
        await _set(store, SwitchName.PAUSE, on=False, by=by, reason="", until=None)
        await _show(store, SwitchName.PAUSE, "pause", "")
        kill = await store.switch(SwitchName.KILL)
        if kill is not None and kill.is_on(Clock().now()):
            off = commands_of(settings).spoken("kill-switch", "off", signed=True)
            say(f"the kill switch is still on; to turn it off: {off}")
    return Exit.OK


def duration(text: str) -> timedelta:
    """A duration such as 30m, 2h or 1d; anything else is one clear line and the end."""
    parts = _DURATION.fullmatch(text.strip())
    if parts is None or int(parts[1]) == 0:
        raise fail(f"--for: {text!r} is no duration; write a number with s, m, h or d, such as 2h", Exit.USAGE)
    return timedelta(seconds=int(parts[1]) * _UNITS[parts[2]])


async def _set(store: Store, name: SwitchName, *, on: bool, by: str, reason: str, until: datetime | None) -> None:
    now = Clock().now()
    await store.set_switch(Switch(name=name, on=on, by=by, reason=reason.strip()[:500], at=now, until=until))


async def _show(store: Store, name: SwitchName, title: str, effect: str) -> None:
    switch, now = await store.switch(name), Clock().now()
    if switch is None:
        say(f"{title}: off, in the store {store.path.absolute()}")
        return
    state = "on" if switch.is_on(now) else "off"
    until = f" until {switch.until:%Y-%m-%d %H:%M} UTC" if switch.until is not None and state == "on" else ""
    why = f" ({switch.reason})" if switch.reason else ""
    told = f": {effect}" if effect and state == "on" else ""
    by = f"by {switch.by} at {switch.at:%Y-%m-%d %H:%M} UTC"
    say(f"{title}: {state}{until}, in the store {store.path.absolute()}, {by}{why}{told}")


async def _list_standing(store: Store, settings: Settings) -> None:
    """Changes that nobody has verified: with the switch on nobody takes them back but a person."""
    standing = await store.changes_in(*_STANDING)
    if not standing:
        say("no change stands unverified")
        return
    say(f"{len(standing)} change(s) stand unverified; to undo one:")
    for change in reversed(standing):
        command = commands_of(settings).undo(change.id, despite_kill_switch=True)
        told = "it cannot be taken back" if change.for_good else command
        say(f"  {change.target}, {change.state.value}: {told}")


async def _warn(settings: Settings, store: Store, *words: str) -> None:
    """A switch stops the daemon of its own store; whoever else works on the cluster is named."""
    if told := await elsewhere(settings, store, *words):
        told = plain_text(f"k8s-auto-fixer: this does not stop everybody{told}")
        typer.secho(told, err=True, fg=typer.colors.YELLOW)
