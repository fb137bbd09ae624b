"""``undo``: one change taken back by a person, or the three-way difference that stands in the way."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.settings import Settings
from app.sole import free_the_dead, holder_name
from app.version import USER_AGENT
from cli.failures import Exit, fail
from cli.speaking import decided_in, say, the_one, who
from incidents.changes import Change, ChangeState
from incidents.decisions import SwitchName
from incidents.policy import Policy
from remediation import Remediation, open_remediation
from remediation.undo import ThreeWay, UndoRefused
from tools.clock import Clock
from tools.cluster.reader import Reader
from tools.cluster.transport import connect
from tools.store import Store


async def undo_change(settings: Settings, change: str, *, despite_kill_switch: bool, name: str | None) -> int:
    """Take it back exactly, if nobody has changed its fields since. Raises ClusterError and StoreError."""
    by, words = who(name), ("undo", change)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(decided_in(settings, *words))
        listed = [(one.id, one) for one in await store.changes_in(*ChangeState)]
        found = await the_one(listed, change, kind="change", store=store, settings=settings, words=words)
        await free_the_dead(store)
        remediation = await _remediation(stack, settings, store, found)
        try:
            await remediation.take_back(found, by=by, despite_kill_switch=despite_kill_switch)
        except UndoRefused as error:
            if error.differences:
                Console().print(_table(error.differences))
            hint = await _hint(store, found, despite_kill_switch=despite_kill_switch)
            raise fail(f"change {found.id} is not undone: {error.message}{hint}", Exit.NOT_UNDONE) from None
    say(f"undone by {by}: change {found.id} of {found.target}; its incident is yours now")
    return Exit.OK


async def _remediation(stack: AsyncExitStack, settings: Settings, store: Store, change: Change) -> Remediation:
    transport = await connect(
        user_agent=USER_AGENT,
        kubeconfig=settings.kubeconfig,
        context=settings.context,
        in_cluster=settings.in_cluster,
    )
    stack.push_async_callback(transport.aclose)
    reader = Reader(transport)
    incident = await store.incident(change.incident)
    if incident is None or incident.subject.cluster != await reader.cluster_id():
        raise fail(
            f"change {change.id} was made to another cluster than {reader.server}; name it with --kubeconfig FILE "
            "and --context NAME",
            Exit.KUBECONFIG,
        )
    return open_remediation(
        transport,
        reader,
        store,
        policy=Policy(mode=settings.mode),
        clock=Clock(),
        settle_seconds=settings.settle_seconds,
        holder=holder_name(daemon=False),
    )


async def _hint(store: Store, change: Change, *, despite_kill_switch: bool) -> str:
    """What a person can do about the refusal, if something in the store says so."""
    kill = await store.switch(SwitchName.KILL)
    if kill is not None and kill.is_on(Clock().now()) and not despite_kill_switch:
        return "; to undo it all the same: add --despite-kill-switch"
    later = [
        other.id
        for other in await store.changes_in(ChangeState.APPLIED, ChangeState.KEPT, ChangeState.VERIFIED)
        if other.concerns(change.object.uid) and other.id != change.id and other.prepared_at > change.prepared_at
    ]
    return f"; change {later[-1]} was made to the object after it: undo that one first" if later else ""


def _table(differences: tuple[ThreeWay, ...]) -> Table:
    table = Table(title="Changed by somebody else since", title_justify="left", box=None, pad_edge=False)
    for heading in ("FIELD", "BEFORE", "SET BY THE CHANGE", "THERE NOW"):
        table.add_column(heading, overflow="fold")
    for one in differences:
        table.add_row(*(escape(text) for text in (one.pointer, *map(json.dumps, (one.before, one.set, one.now)))))
    return table
