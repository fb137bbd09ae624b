"""A brain of made-up answers, for tests of one agent: it answers what it is told to, and keeps what it was asked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agents.prompts import load_prompts
from agents.reasoning import Reasoning
from tools.models import ModelError
from tools.models.brain import Answer, Cost, Limits, Reply
from tools.store import Store


@dataclass(frozen=True)
class Asked:
    """One question."""

    agent: str
    text: str
    fingerprint: str
    tools: tuple[Any, ...] = ()
    system: str = ""


@dataclass
class ScriptedBrain:
    """Answers each agent's questions in order, the last answer again and again; an error is raised."""

    answers: dict[str, Sequence[dict[str, Any] | ModelError]]
    asked: list[Asked] = field(default_factory=list)
    use_tools: Callable[[dict[str, Any]], Any] | None = None

    def knows(self, agent: str) -> bool:
        return agent in self.answers

    async def ask(self, agent: str, schema: type[Answer], messages: Sequence[Any], **rest: Any) -> Reply[Answer]:
        return self._reply(agent, schema, Asked(agent, messages[-1][1], rest["fingerprint"], (), messages[0][1]))

    async def explore(
        self, agent: str, schema: type[Answer], messages: Sequence[Any], *, system: str, tools: Any, **rest: Any
    ) -> Reply[Answer]:
        if self.use_tools is not None:
            await self.use_tools({tool.name: tool for tool in tools})
        assert isinstance(rest["limits"], Limits)
        return self._reply(agent, schema, Asked(agent, messages[-1][1], rest["fingerprint"], tuple(tools), system))

    async def spent(self, incident: str) -> Cost:
        return Cost(calls=len(self.asked), input_tokens=10 * len(self.asked))

    def of(self, agent: str) -> list[Asked]:
        """What one agent's model was asked."""
        return [one for one in self.asked if one.agent == agent]

    def _reply(self, agent: str, schema: type[Answer], asked: Asked) -> Reply[Answer]:
        answers = self.answers[agent]
        answer = answers[min(len(self.of(agent)), len(answers) - 1)]
        self.asked.append(asked)
        if isinstance(answer, ModelError):
            raise answer
        return Reply(answer=schema.model_validate(answer), model="made-up:one", cost=Cost(calls=1, input_tokens=10))


def reasoning_with(
    brain: ScriptedBrain | None, store: Store, *, now: Callable[[], datetime] | None = None, prompts: Path | None = None
) -> Reasoning:
    """What the agents ask through."""
    return Reasoning(brain, load_prompts(prompts), store, now=now or (lambda: datetime.now(UTC)))


def fix(*proposals: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """An answer of AutoFixer's model."""
    return {
        "family": "image",
        "cause": "container web cannot pull its image: ImagePullBackOff",
        "rests_on": ["container web waits with ImagePullBackOff"],
        "confidence": 0.95,
        "proposals": list(proposals),
        "declined": "" if proposals else "nothing that one change would end",
        **fields,
    }


def setting(path: str, expected: Any, value: Any, **fields: Any) -> dict[str, Any]:
    """A proposed change of one field."""
    return {
        "action": "set",
        "edits": [{"path": path, "expected": expected, "value": value}],
        "ends": "image-pull",
        "reason": f"set {path.rpartition('/')[2]} to {value}",
        "confidence": 0.95,
        **fields,
    }


def look(*, veto: bool = False, confidence: float = 0.9) -> dict[str, Any]:
    """An answer of the reviewer's model."""
    return {"veto": veto, "confidence": confidence, "reason": "it fits what is seen"}
