"""AutoFixer's inner steps as a graph of their own, with a person's answer among them: for Studio and notebooks.

propose ► pre_guard ► dry_run ► guard ► [approval] ► apply ► verify. The nodes decide nothing: they walk along the road
that the daemon takes, which may lead back (a model whose proposal was refused proposes again) or end anywhere.

A person's answer becomes the decision record that ``approve`` and ``reject`` write, single use, bound to the digest of
what was shown. Then the world is observed again, and the change is made only if it is still that one. What stands
before the interrupt in ``approval`` only reads: it runs again with the answer. While it waits neither lease nor walk is
held, and the store says that the incident waits: the command line may answer as well.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import Any, Protocol

import msgspec
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command, interrupt

from graph.answers import BadAnswer, parse_answer, question
from graph.ending import Ending
from graph.nodes import Node
from graph.observe import WORDS_LEASE_SECONDS, over
from graph.state import State, said, standing_of
from graph.walks import Ended, Stop, Walk, Walks
from incidents.decisions import Decision, DecisionKind, RequestState
from incidents.incident import Incident, Status
from incidents.objects import IncidentId
from remediation.steps import Step
from tools.store import Store

PROPOSE, APPROVAL = "propose", "approval"
_AHEAD: dict[Step, tuple[str, ...]] = {  # as it is drawn; a refused proposal of a model leads back from the guard
    Step.PRE_GUARD: (Step.DRY_RUN.value,),
    Step.DRY_RUN: (Step.GUARD.value,),
    Step.GUARD: (APPROVAL, Step.APPLY.value, Step.PRE_GUARD.value),
    Step.APPLY: (Step.VERIFY.value,),
    Step.VERIFY: (),
}
Move = Command[str]


class StepsState(State, total=False):
    """The graph's state, and where the walk is."""

    walk: str  # the steps: the walk's name in this process
    asked: str  # guard: the request that a person has to decide


class StepNode(Protocol):
    """The node of one step."""

    def __call__(self, state: StepsState) -> Awaitable[Move]:
        """Take it."""


class Stepwise:
    """The nodes. ``fix`` is the daemon's own node of AutoFixer; ``by`` signs answers that carry no name."""

    def __init__(
        self, *, fix: Node, walks: Walks, store: Store, ending: Ending, now: Callable[[], datetime], by: str
    ) -> None:
        self._fix = fix
        self._walks = walks
        self._store = store
        self._ending = ending
        self._now = now
        self._by = by

    async def propose(self, state: StepsState) -> Move:
        """Begin to walk, unless the store knows that what this thread is about to do has been done."""
        incident = await self._store.incident(IncidentId(str(state["incident"]["id"])))
        if incident is None:
            return _shown("the store has forgotten this incident")
        key, lease = incident.subject.lease, str(state["incident"].get("lease", ""))
        if text := over(incident):
            await self._store.release_lease(key, lease)
            return _shown(text)
        if lease and not await self._store.acquire_lease(key, lease, seconds=WORDS_LEASE_SECONDS):
            return _shown(f"{incident.subject} is being worked on by another run")
        if await self._is_behind(state, incident):
            return _out({"messages": [said(PROPOSE, "this round has been tried already: the world is observed again")]})
        walk = await self._walks.begin(incident.id, partial(self._fix, state))
        return await self._on(PROPOSE, state, walk)

    def step(self, step: Step) -> StepNode:
        """The node of one of the road's steps."""

        async def take(state: StepsState) -> Move:
            walk = self._walks.find(IncidentId(str(state["incident"]["id"])), state.get("walk", ""), step)
            if walk is None:
                text = "what had been read for this step is not here any more: begun anew"
                return Command(goto=PROPOSE, update={"messages": [said(step.value, text)]})
            return await self._on(step.value, state, walk)

        return take

    async def approval(self, state: StepsState) -> Move:
        """Ask the person at the other end, and write down what they say."""
        request = await self._store.request(state.get("asked", ""))
        if request is None:
            return _out({"messages": [said(APPROVAL, "there is nothing to decide any more")]})
        asked, wrong = question(request), ""
        while True:
            try:
                answer = parse_answer(interrupt(asked | ({"wrong": wrong} if wrong else {})), by=self._by)
                break
            except BadAnswer as error:
                wrong = str(error)
        decision = Decision(
            id=str(uuid.uuid4()),
            kind=answer.kind,
            incident=request.incident,
            request=request.id,
            digest=request.digest,
            by=answer.by,
            reason=answer.reason,
            decided_at=self._now(),
        )
        return _out({"outcome": None, "messages": [said(APPROVAL, await self._decided(decision))]})

    async def _decided(self, decision: Decision) -> str:
        if not await self._store.decide(decision):
            present = await self._store.request(decision.request)
            state = present.state if present is not None else RequestState.VOID
            return f"nothing is decided by this: the request is {state.value}" + (
                " and its time has passed" if state is RequestState.OPEN else ""
            )
        await self._store.note(decision.incident, decision.kind.value, by=decision.by, because=decision.reason)
        waiting = await self._store.incident(decision.incident)
        if waiting is not None and waiting.status is Status.WAITING:
            await self._store.save_incident(msgspec.structs.replace(waiting, status=Status.OPEN, summary=""))
        await self._store.delivered(decision.id)  # last: until then a daemon would act on it, should this run not
        verb = "approved" if decision.kind is DecisionKind.APPROVE else "rejected"
        return f"{decision.by} has {verb} it" + (f": {decision.reason}" if decision.reason else "")

    async def _on(self, node: str, state: StepsState, walk: Walk) -> Move:
        try:
            heard = await walk.go_on()
        except asyncio.CancelledError:
            await asyncio.shield(self._give_back(state))
            raise
        if isinstance(heard, Stop):
            return Command(goto=heard.step.value, update={"walk": walk.name, "messages": [said(node, heard.said)]})
        return await self._end(state, heard)

    async def _end(self, state: StepsState, ended: Ended) -> Move:
        if ended.error is not None:
            await self._give_back(state)
            raise ended.error
        update = {"walk": "", **(ended.update or {})}
        request = str((update.get("outcome") or {}).get("request", ""))
        if not request:
            return _out(update)
        asking: StepsState = {
            **state,
            "rounds": update.get("rounds", state.get("rounds", [])),
            "outcome": update["outcome"],
        }
        await self._ending.write(standing_of(asking), lease=str(state["incident"].get("lease", "")))
        incident = {**state["incident"], "lease": ""}
        return Command(goto=APPROVAL, update={**update, "outcome": None, "asked": request, "incident": incident})

    async def _give_back(self, state: StepsState) -> None:
        subject = standing_of(state).incident.subject
        await self._store.release_lease(subject.lease, str(state["incident"].get("lease", "")))

    async def _is_behind(self, state: StepsState, incident: Incident) -> bool:
        """Whether the store has gone on with the round that this thread is about to try, or with a later one.

        Nor is a proposal tried that the store does not know as this round's: threads can be edited.
        """
        here = standing_of(state).current
        if here is None or here.tried:
            return False
        known = await self._store.rounds(incident.id)
        if any(entry.tried and entry.number >= here.number for entry in known):
            return True
        return here.proposal is not None and all(
            (entry.number, entry.proposal) != (here.number, here.proposal) for entry in known
        )


def stepwise(nodes: Stepwise) -> CompiledStateGraph[StepsState, None, StepsState, StepsState]:
    """The compiled graph of the steps, to be a node of another one."""
    graph = StateGraph(StepsState)
    graph.add_node(PROPOSE, nodes.propose, destinations=(Step.PRE_GUARD.value, Step.VERIFY.value, END))
    for step, following in _AHEAD.items():
        graph.add_node(step.value, nodes.step(step), destinations=(*following, END))
    graph.add_node(APPROVAL, nodes.approval, destinations=(END,))
    graph.add_edge(START, PROPOSE)
    return graph.compile(name="AutoFixer")


def _shown(text: str) -> Move:
    return _out({"outcome": {"summary": text, "shown": True}, "messages": [said(PROPOSE, text)]})


def _out(update: dict[str, Any]) -> Move:
    return Command(goto=END, update=update)
