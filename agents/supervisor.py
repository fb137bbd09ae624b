"""Who works next: by rule where the rules decide, by a model only where no playbook was certain.

A model may choose between looking things up, digesting logs, thinking about a repair and asking a person, and each of
them works once a round. It cannot choose a change: what AutoFixer thinks of takes the road of every proposal. It
cannot end an incident that no person has been told about either. Whatever it says, the steps are counted, and the
rules lead to FINISH.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import structlog

from agents.answers import Route
from agents.prompts import cut, fenced
from agents.reasoning import Reasoning
from agents.standing import Agent, Standing
from incidents.changes import ChangeState
from incidents.codec import digest
from incidents.incident import CLOSING, Round

ROUTES = 6  # questions about the way in one run; a rule answers when they are used up
STEPS = 24  # turns of agents in one run; three rounds with everybody need half of them
AGENT = "supervisor"

log = structlog.get_logger(__name__)


class Supervisor:
    """Decides who works next."""

    def __init__(self, reasoning: Reasoning | None = None) -> None:
        self._reasoning = reasoning

    async def next(self, standing: Standing, usage: Mapping[str, int]) -> tuple[Agent, str, dict[str, int]]:
        """The next agent, the reason, and what has been used up so far."""
        choice, reason = route_by_rule(standing, thinking=self._thinking(standing))
        free = free_agents(standing, thinking=self._thinking(standing))
        used = dict(usage)
        routes = used.get("routes", 0) if standing.sayings else 0  # where nobody has spoken, a run begins
        if choice in free and routes < ROUTES and self._may_ask(standing, free):
            used["routes"] = routes + 1
            choice, reason = await self._ask(standing, free, choice, reason)
        return choice, reason, await self._counted(standing, used)

    def _thinking(self, standing: Standing) -> bool:
        """Whether AutoFixer has a model to think with."""
        return self._reasoning is not None and self._reasoning.knows("auto_fixer", standing.incident)

    def _may_ask(self, standing: Standing, free: Sequence[Agent]) -> bool:
        """Whether there is anything to choose, and a model to choose it."""
        if self._reasoning is None or len(free) < 2:
            return False
        return standing.outcome is None and not standing.request and self._reasoning.knows(AGENT, standing.incident)

    async def _counted(self, standing: Standing, used: dict[str, int]) -> dict[str, int]:
        spent = await self._reasoning.spent(standing.incident) if self._reasoning is not None else {}
        return {**used, **spent}

    async def _ask(self, standing: Standing, free: Sequence[Agent], choice: Agent, reason: str) -> tuple[Agent, str]:
        assert self._reasoning is not None  # noqa: S101 - the caller has looked; this tells the type checker
        question = question_of(standing, free, choice, reason, room_bytes=self._reasoning.prompt(AGENT).room_bytes)
        route = await self._reasoning.ask(
            AGENT, Route, question, incident=standing.incident, fingerprint=_fingerprint(standing, free)
        )
        if route is None:
            by_rule, because = route_by_rule(standing, thinking=self._thinking(standing))
            return by_rule, f"{because} (by rule: the model gave no usable answer)"
        picked = Agent(route.next)
        if picked not in free:
            return choice, f"{reason} (the model asked for {picked}, which is not free)"
        return picked, route.reason


def route_by_rule(standing: Standing, *, thinking: bool = False) -> tuple[Agent, str]:
    """What design and safety decide without anybody's opinion. ``thinking``: AutoFixer has a model."""
    current = standing.current
    if standing.parked_until is not None:
        return Agent.FINISH, f"deferred until {standing.parked_until:%Y-%m-%d %H:%M:%S} UTC"
    if standing.request and standing.outcome is None:
        if standing.spoke(Agent.HELP_SEEKER):
            return Agent.FINISH, "a person has been asked"
        return Agent.HELP_SEEKER, "a person has to decide"
    if standing.outcome is not None:
        if standing.outcome in CLOSING or standing.spoke(Agent.HELP_SEEKER):
            return Agent.FINISH, f"the outcome is {standing.outcome}"
        return Agent.HELP_SEEKER, f"a person has to know: {standing.outcome}"
    if len(standing.sayings) >= STEPS:
        return Agent.HELP_SEEKER, f"{STEPS} steps have led nowhere"
    if current is not None and current.proposal is not None and not current.tried:
        return Agent.AUTO_FIXER, "a playbook is certain" if not current.proposal.by_model else "a model has proposed it"
    if any(_stands(entry.change_state) for entry in standing.rounds):
        return Agent.AUTO_FIXER, "changes stand that have not ended the trouble"
    return _open_question(free_agents(standing, thinking=thinking))


def free_agents(standing: Standing, *, thinking: bool = False) -> list[Agent]:
    """Who may work next where the rules leave it open, in the order that the rules would take."""
    free, current = [], standing.current
    if thinking and current is not None and current.open_to_thought and standing.incident.subject.is_workload:
        free.append(Agent.AUTO_FIXER)
    if not standing.spoke(Agent.RESEARCHER):
        free.append(Agent.RESEARCHER)
    if standing.has_logs and not standing.spoke(Agent.CODER):
        free.append(Agent.CODER)
    return [*free, Agent.HELP_SEEKER]


def _open_question(free: Sequence[Agent]) -> tuple[Agent, str]:
    reasons = {
        Agent.AUTO_FIXER: "no playbook is certain: a model may know",
        Agent.RESEARCHER: "no playbook is certain",
        Agent.CODER: "there are logs to digest",
        Agent.HELP_SEEKER: "nobody here is certain",
    }
    return free[0], reasons[free[0]]


def _stands(state: ChangeState | None) -> bool:
    return state in (ChangeState.SENT, ChangeState.APPLIED, ChangeState.UNDOING)


def question_of(standing: Standing, free: Sequence[Agent], choice: Agent, reason: str, *, room_bytes: int) -> str:
    """What the model is asked, in so many bytes: the trouble, what was tried and said, who is free."""
    signal = standing.incident.last_signal
    head = f"Free: {', '.join(free)}.\nThe rules' opinion: {choice} ({cut(reason, 200)})."
    trouble = f"{standing.incident.subject.kind}: {signal.symptom} ({signal.reason}): {signal.message}"
    tried = "\n".join(_tried(entry) for entry in standing.rounds if entry.tried or entry.thought) or "nothing"
    said = "\n".join(f"{saying.by}: {cut(saying.text, 900)}" for saying in standing.sayings) or "nobody yet"
    room = room_bytes - len(head.encode()) - 200  # the headings and the marks
    parts = (("Trouble", trouble, room // 5), ("Tried so far", tried, room // 5), ("Said so far", said, room // 2))
    return "\n".join([head, *(f"{name}:\n{fenced(text, most)}" for name, text, most in parts)])


def _tried(entry: Round) -> str:
    what = entry.proposal.reason if entry.proposal else (entry.thought.declined if entry.thought else "")
    came = entry.verification.result if entry.verification else ("refused" if entry.verdict else "not tried")
    return f"round {entry.number}: {what}: {came}"


def _fingerprint(standing: Standing, free: Sequence[Agent]) -> str:
    """The same question: what is free, what was tried, and the trouble without its times and counts."""
    signal, subject = standing.incident.last_signal, standing.incident.subject
    tried = [
        (
            one.number,
            one.proposal.action if one.proposal else None,
            one.verification.result if one.verification else None,  # its words name pods
        )
        for one in standing.rounds
    ]
    spoken = [saying.by for saying in standing.sayings]
    return digest(subject.key, signal.symptom, signal.reason, list(free), tried, spoken)
