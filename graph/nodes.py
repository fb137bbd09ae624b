"""The agents as nodes: state in, state out. What an agent said becomes a message under its name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any, Literal, Protocol

from langgraph.types import Command

from agents.standing import Agent, Standing, Turn
from agents.supervisor import Supervisor
from graph.ending import Ending
from graph.state import State, said, standing_of
from incidents.codec import to_json
from incidents.evidence import Evidence
from incidents.objects import IncidentId
from tools.store import Store


class Node(Protocol):
    """A node: it is handed the state and answers what changes in it."""

    def __call__(self, state: State) -> Awaitable[dict[str, Any]]:
        """Do one step."""


class FixingNode(Protocol):
    """A node that also says where to go next."""

    def __call__(self, state: State) -> Awaitable[Command[Literal["Observe", "Supervisor"]]]:
        """Do one step."""


class Worker(Protocol):
    """An agent that works on what was read."""

    async def work(self, standing: Standing, evidence: Evidence | None) -> Turn:
        """Do its one kind of work."""


@asynccontextmanager
async def _lease_given_back(state: State, store: Store) -> AsyncIterator[None]:
    """Give back the lease that the run took itself, where it ends within the block by an error or is cancelled."""
    try:
        yield
    except BaseException:
        if lease := str(state["incident"].get("lease", "")):
            await asyncio.shield(store.release_lease(standing_of(state).incident.subject.lease, lease))
        raise


def supervising(supervisor: Supervisor, ending: Ending, store: Store) -> Node:
    """The Supervisor as a node; when it says FINISH the incident's end is written down first."""

    async def supervise(state: State) -> dict[str, Any]:
        outcome = state.get("outcome") or {}
        if "body" not in (state.get("incident") or {}) or outcome.get("shown"):
            return {"next": Agent.FINISH.value}  # words that named nothing, or an incident that was only shown
        standing = standing_of(state)
        async with _lease_given_back(state, store):
            choice, reason, usage = await supervisor.next(standing, state.get("usage") or {})
            if choice is Agent.FINISH:
                await ending.write(standing, lease=str(state["incident"].get("lease", "")))
        text = f"{choice.value}: {reason}"
        return {"next": choice.value, "usage": usage, "messages": [said("Supervisor", text)]}

    return supervise


def working(agent: Agent, worker: Worker, store: Store) -> Node:
    """An agent as a node."""

    async def work(state: State) -> dict[str, Any]:
        standing = standing_of(state)
        async with _lease_given_back(state, store):
            evidence = await store.latest_evidence(IncidentId(standing.incident.id))
            turn = await worker.work(standing, evidence)
            await store.note(standing.incident.id, agent.value, says=turn.text[:4000])
        update: dict[str, Any] = {"messages": [said(agent.value, turn.text)]}
        if turn.entry is not None:
            kept = [entry for entry in state.get("rounds", []) if entry["number"] != turn.entry.number]
            update["rounds"] = sorted([*kept, to_json(turn.entry)], key=lambda entry: entry["number"])
        if turn.parked_until is not None:
            update["outcome"] = {"parked_until": turn.parked_until.isoformat(), "summary": turn.text[:500]}
        elif turn.request:
            update["outcome"] = {"request": turn.request, "summary": turn.text[:500]}
        elif turn.outcome is not None and standing.outcome is None:
            update["outcome"] = {"outcome": turn.outcome.value, "summary": turn.text[:500]}
        return update

    return work


def fixing(worker: Worker, store: Store) -> FixingNode:
    """AutoFixer as a node: back to Observe when the world has changed and the work goes on."""
    work = working(Agent.AUTO_FIXER, worker, store)

    async def fix(state: State) -> Command[Literal["Observe", "Supervisor"]]:
        update = await work(state)
        after: State = {"rounds": state.get("rounds", []), **update}  # type: ignore[typeddict-item] # what changed
        return Command(goto=after_fixing(after), update=update)

    return fix


def after_fixing(state: State) -> Literal["Observe", "Supervisor"]:
    """Where AutoFixer leads: to Observe when the world has changed and the work goes on.

    A round that was thought about and has come to nothing is an open question, which the Supervisor has answers to.
    """
    last = (state.get("rounds") or [{}])[-1]
    come_to_nothing = last.get("thought") and not (last.get("proposal") or last.get("verdict") or last.get("change"))
    return "Supervisor" if state.get("outcome") or come_to_nothing else "Observe"
