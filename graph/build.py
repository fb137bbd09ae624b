"""Building the graph: nodes, edges and nothing else. Dependencies are closed over; run context holds JSON only."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from agents.auto_fixer import AutoFixer
from agents.coder import Coder
from agents.help_seeker import HelpSeeker
from agents.researcher import Researcher
from agents.standing import Agent
from agents.supervisor import Supervisor
from agents.thinking import Thinking
from evidence.collector import Collector
from evidence.readings import Readings
from graph.ending import Ending
from graph.nodes import after_fixing, fixing, supervising, working
from graph.observe import Observe
from graph.state import State
from graph.stepwise import Stepwise, stepwise
from graph.walks import Walks
from incidents.patience import Patience
from remediation import Remediation
from tools.cluster.owners import Owners
from tools.cluster.reader import Reader
from tools.store import Store

HOPS = 60  # nodes a run may pass; three rounds with every agent need fewer than thirty


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Everything the nodes work with."""

    reader: Reader
    owners: Owners
    store: Store
    collector: Collector
    remediation: Remediation
    supervisor: Supervisor
    researcher: Researcher
    coder: Coder
    help_seeker: HelpSeeker
    thinking: Thinking | None = None
    now: Callable[[], datetime]
    patience: Patience = field(default_factory=Patience)
    readings: Readings | None = None  # from grace to the run that follows; None where nothing comes before a run


def build_graph(
    parts: Parts, checkpointer: BaseCheckpointSaver[Any] | None = None, *, walks: Walks | None = None, by: str = ""
) -> CompiledStateGraph[State, None, State, State]:
    """The compiled supervisor graph.

    With ``walks`` AutoFixer's steps are nodes too, a person is asked by an interrupt instead of by a message, and
    ``by`` signs the answers that carry no name; the walks are the pace of the parts' remediation.
    """
    ending = Ending(reader=parts.reader, store=parts.store, now=parts.now)
    observe = Observe(
        reader=parts.reader,
        owners=parts.owners,
        store=parts.store,
        collector=parts.collector,
        rounds=parts.remediation.policy.bounds.rounds,
        now=parts.now,
        leases=walks is not None,
        patience=parts.patience,
        readings=parts.readings,
    )
    graph = StateGraph(State)
    graph.add_node("Observe", observe)
    graph.add_node("Supervisor", supervising(parts.supervisor, ending, parts.store))
    graph.add_node("Researcher", working(Agent.RESEARCHER, parts.researcher, parts.store))
    graph.add_node("Coder", working(Agent.CODER, parts.coder, parts.store))
    fixer = AutoFixer(parts.remediation, parts.store, parts.thinking)
    if walks is None:
        graph.add_node("AutoFixer", fixing(fixer, parts.store))
    else:
        fix = working(Agent.AUTO_FIXER, fixer, parts.store)
        nodes = Stepwise(fix=fix, walks=walks, store=parts.store, ending=ending, now=parts.now, by=by)
        graph.add_node("AutoFixer", stepwise(nodes))
        graph.add_conditional_edges("AutoFixer", _after_fixing, ["Observe", "Supervisor"])
    graph.add_node("HelpSeeker", working(Agent.HELP_SEEKER, parts.help_seeker, parts.store))
    graph.add_edge(START, "Observe")
    graph.add_edge("Observe", "Supervisor")
    for agent in ("Researcher", "Coder", "HelpSeeker"):
        graph.add_edge(agent, "Supervisor")
    targets: dict[Hashable, str] = {agent.value: agent.value for agent in Agent}
    graph.add_conditional_edges("Supervisor", _next, {**targets, Agent.FINISH.value: END})
    return graph.compile(checkpointer=checkpointer, name="k8s-auto-fixer")


async def _after_fixing(state: State) -> str:
    return after_fixing(state)


async def _next(state: State) -> str:  # LangGraph would run a plain function in a thread of its own
    return state["next"]
