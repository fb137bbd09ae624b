"""The graph's state: JSON values only, small. docs/architecture.md has the table of who writes which key."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, TypedDict

from langchain_core.messages import AIMessage, AnyMessage
from langgraph.graph.message import add_messages

from agents.standing import Agent, Saying, Standing
from incidents.codec import from_json
from incidents.incident import Incident, Outcome, Round
from incidents.symptoms import Symptom


class State(TypedDict, total=False):
    """What travels between nodes."""

    messages: Annotated[list[AnyMessage], add_messages]  # every node: what it said
    next: str  # Supervisor: who works next
    incident: dict[str, Any]  # Observe: the incident, and whether it has logs
    rounds: list[dict[str, Any]]  # Observe and AutoFixer: the rounds so far
    # AutoFixer, HelpSeeker, Observe: {"outcome": ..., "summary": ...}; AutoFixer, Observe: {"parked_until": ...}, and
    # Observe {"waited_out": [...]} with it; AutoFixer alone: {"request": ...}. The last two end the run, not the work
    outcome: dict[str, Any] | None
    usage: dict[str, int]  # Supervisor: model calls and tokens of the incident, its own questions of this run (routes)


def said(by: str, text: str) -> AIMessage:
    """A node's words as a message."""
    return AIMessage(content=text, name=by)


def standing_of(state: State) -> Standing:
    """The state as the agents see it. Only this incident's own messages count, not an earlier one's."""
    incident = from_json(state["incident"]["body"], Incident)
    outcome = state.get("outcome") or {}
    agents = {agent.value: agent for agent in Agent}
    messages = state.get("messages", [])
    start = max((n for n, message in enumerate(messages) if message.name == "Observe" and _opens(message)), default=0)
    return Standing(
        incident=incident,
        rounds=tuple(from_json(entry, Round) for entry in state.get("rounds", [])),
        sayings=tuple(
            Saying(agents[message.name], str(message.content)) for message in messages[start:] if message.name in agents
        ),
        outcome=Outcome(outcome["outcome"]) if "outcome" in outcome else None,
        parked_until=datetime.fromisoformat(outcome["parked_until"]) if "parked_until" in outcome else None,
        waited_out=tuple(Symptom(symptom) for symptom in outcome.get("waited_out", ())),
        request=str(outcome.get("request", "")),
        summary=str(outcome.get("summary", "")),
        has_logs=bool(state["incident"].get("has_logs")),
    )


def opening(text: str) -> AIMessage:
    """The first words about an incident; what was said before them was about another one."""
    return AIMessage(content=text, name="Observe", additional_kwargs={"opens": True})


def _opens(message: AnyMessage) -> bool:
    return bool(message.additional_kwargs.get("opens"))
