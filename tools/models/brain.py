"""What the agents see of models: who can be asked, and two ways of asking. None stands for "no model is configured".

A `Brain` hides which model answers, in which way it is asked, what stands in for it when it is gone, and what all of
it may cost. It gives a typed answer or one ModelError: whoever calls has rules to go on with. It never decides
anything and never touches a cluster; tools it is given only read.

Agents are named here as in the settings: `supervisor`, `auto_fixer`, `reviewer`, `researcher`, `coder` and
`help_seeker`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage
    from langchain_core.tools import BaseTool
    from pydantic import BaseModel

Answer = TypeVar("Answer", bound="BaseModel")

AGENTS = ("supervisor", "auto_fixer", "reviewer", "researcher", "coder", "help_seeker")


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What questions have cost. Where a server does not count tokens, they are what was set aside for the call."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def tokens(self) -> int:
        """Both ways together."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            calls=self.calls + other.calls,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
        )


@dataclass(frozen=True, kw_only=True)
class Reply(Generic[Answer]):
    """A typed answer, and where it came from."""

    answer: Answer
    model: str
    """The one that answered, as `provider:name`; for a remembered answer the one that gave it at the time."""
    cost: Cost = Cost()
    """Of this question alone, repairs and fallbacks included; nothing for a remembered answer."""
    cached: bool = False
    """Whether the answer was remembered from an earlier question with the same fingerprint."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How far one exploration may go. What is reached first ends the reading; the answer is asked for then."""

    model_calls: int = 6
    """Calls of the model, with two for the closing question and its repair; at least 3. Fallbacks and repeats of an
    answer that broke off come on top; the budget counts those too."""
    tool_calls: int = 8
    """Answers that tools give; calls beyond them are told so."""
    result_bytes: int = 4_000
    """The longest result of a tool that the model sees; the rest is cut off and marked."""
    seconds: float = 180.0
    """The whole exploration, in real seconds."""


class Brain(Protocol):
    """The models, as the agents see them. `app.models.open_brain` opens one, or answers None."""

    def knows(self, agent: str) -> bool:
        """Whether a model is configured for this agent."""

    async def ask(
        self,
        agent: str,
        schema: type[Answer],
        messages: "Sequence[BaseMessage | tuple[str, str]]",
        *,
        incident: str,
        fingerprint: str = "",
        prompt: str = "",
    ) -> Reply[Answer]:
        """One question, one typed answer.

        `messages` are (role, text) pairs (`system`, `user`, `assistant`) or LangChain's messages. `fingerprint` names
        the evidence in a canonical form; the same fingerprint, schema, agent, model and `prompt` (the version of the
        prompt's words) is answered from memory, without a call. An empty one is never remembered.

        Raises ModelError: ModelRefusal, ModelAnswerError, ModelUnavailable, ModelConfigurationError or BudgetSpent.
        Their texts are one line each and fit for a case. Raises StoreError when the store cannot be used.
        """

    async def explore(
        self,
        agent: str,
        schema: type[Answer],
        messages: "Sequence[BaseMessage | tuple[str, str]]",
        *,
        system: str,
        tools: "Sequence[BaseTool]",
        incident: str,
        fingerprint: str = "",
        prompt: str = "",
        limits: Limits = Limits(),
    ) -> Reply[Answer]:
        """The same, where the model may look things up first: it calls tools until it answers or a limit is reached.

        Tools are async LangChain tools that return text; an error they raise ends the exploration and reaches the
        caller, so what a model can cause (no such object, bad arguments) is returned as text instead. A model whose
        server knows no tools is asked without them. Raises as `ask` does.
        """

    async def spent(self, incident: str) -> Cost:
        """What one incident has cost so far, by whatever process; calls that failed included."""
