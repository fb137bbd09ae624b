"""One model, and what has been learned of it since the program started.

Servers differ in what they understand: structured answers by a native schema, by a tool call, or neither. What one
refuses is tried the next simpler way, down to a plain request for JSON, and the way that worked is the first one next
time. An answer that does not fit may be repaired in one turn. A server that has failed twice in a row is left alone for
a minute: an incident storm and a dead model would otherwise mean that every incident waits for it.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from tools.models.answers import form_of
from tools.models.asking import Usage, ask, with_words
from tools.models.budget import Purse, Tab
from tools.models.chat import Method, ModelSettings, without_temperature
from tools.models.errors import ModelAnswerError, ModelConfigurationError, ModelError, ModelUnavailable

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage
    from pydantic import BaseModel

Answer = TypeVar("Answer", bound="BaseModel")

FAILURES_BEFORE_REST = 2
REST_SECONDS = 60.0
_SIMPLER: dict[Method, Method] = {"json_schema": "function_calling", "function_calling": "text", "json_mode": "text"}

log = structlog.get_logger(__name__)


class Respondent:
    """Asks one model. `steady` is seconds of a clock that nobody sets."""

    def __init__(
        self,
        settings: ModelSettings,
        model: "BaseChatModel",
        *,
        purse: Purse,
        steady: Callable[[], float],
        deadline_seconds: float = 90.0,
    ) -> None:
        self.settings = settings
        self.model = model
        self.knows_tools = True
        """Whether its server has not yet refused a request with tools in it."""
        self._purse = purse
        self._steady = steady
        self._deadline_seconds = deadline_seconds
        self._method: Method = settings.method
        self._failures = 0
        self._rests_until = 0.0

    @property
    def rests(self) -> bool:
        """Whether it has failed lately, and is not to be asked now."""
        return self._failures >= FAILURES_BEFORE_REST and self._steady() < self._rests_until

    def went(self, error: ModelError | None) -> None:
        """Remember how a call ended: whoever is not there is left alone for a while."""
        if isinstance(error, ModelUnavailable | ModelConfigurationError):
            self._failures += 1
            self._rests_until = self._steady() + REST_SECONDS
            if self._failures == FAILURES_BEFORE_REST:
                log.warning("model.rests", model=self.settings.name, seconds=REST_SECONDS, because=str(error))
        else:
            self._failures = 0

    def went_exploring(self, error: ModelError) -> None:
        """The same for a call with tools: a server that refuses those may answer without them."""
        if not isinstance(error, ModelConfigurationError) or not error.about_the_form:
            self.went(error)
        elif not _about_temperature(error):
            self.knows_tools = False

    def leaves_temperature(self, error: ModelConfigurationError) -> bool:
        """Whether it was the temperature that was refused; it is left to the server from now on."""
        if not _about_temperature(error) or getattr(self.model, "temperature", None) is None:
            return False
        self.model = without_temperature(self.model)
        return True

    async def ask(self, schema: type[Answer], messages: "Sequence[BaseMessage | tuple[str, str]]", tab: Tab) -> Answer:
        """One question with at most one repair. Raises ModelError; every call is set aside for and settled."""
        try:
            answer = await self._with_repair(schema, messages, tab)
        except ModelError as error:
            self.went(error)
            raise
        self.went(None)
        return answer

    async def _with_repair(self, schema: type[Answer], messages: Sequence[Any], tab: Tab) -> Answer:
        try:
            return await self._down_the_ladder(schema, messages, tab)
        except ModelAnswerError as error:
            if not error.billed:  # too long a question: saying more does not make it shorter
                raise
            wrong, said = str(error), error.said
        answer = await self._once(schema, _repair(messages, schema, wrong, said), "text", tab)
        if self._method != "text" and "{" not in said:
            self._learn("text", "it answers in prose where a schema is given another way")
        return answer

    async def _down_the_ladder(self, schema: type[Answer], messages: Sequence[Any], tab: Tab) -> Answer:
        method = self._method
        while True:
            try:
                answer = await self._once(schema, messages, method, tab)
            except ModelConfigurationError as error:
                if not error.about_the_form:
                    raise
                if self.leaves_temperature(error):
                    continue
                if (simpler := _SIMPLER.get(method)) is not None:
                    method = simpler
                else:
                    raise
            else:
                if method != self._method:
                    self._learn(method, "it refuses the ways before")
                return answer

    def _learn(self, method: Method, because: str) -> None:
        log.info("model.asked_in_another_way", model=self.settings.name, method=method, because=because)
        self._method = method

    async def _once(self, schema: type[Answer], messages: Sequence[Any], method: Method, tab: Tab) -> Answer:
        """One call; repeated once if the answer broke off while it came, which no client repeats by itself."""
        try:
            return await self._call(schema, messages, method, tab)
        except ModelUnavailable as error:
            if not error.broken:
                raise
        return await self._call(schema, messages, method, tab)

    async def _call(self, schema: type[Answer], messages: Sequence[Any], method: Method, tab: Tab) -> Answer:
        size = bytes_of(messages) + len(str(form_of(schema)))
        reservation = await self._purse.reserve(tab, self.settings, size)
        used: list[Usage] = []
        try:
            answer = await ask(
                self.model,
                schema,
                messages,
                method=method,
                deadline_seconds=self._deadline_seconds,
                on_usage=used.append,
            )
        except ModelError as error:
            await self._purse.settle(reservation, used[-1] if used else None if error.billed else Usage())
            raise
        await self._purse.settle(reservation, used[-1] if used else None)
        return answer


def _about_temperature(error: ModelError) -> bool:
    return "temperature" in str(error).lower()


def bytes_of(messages: "Sequence[BaseMessage | tuple[str, str]]") -> int:
    """How many bytes of words messages hold, with some for each one's frame."""
    return sum(len(_words(message).encode(errors="replace")) + 40 for message in messages)


def _words(message: "BaseMessage | tuple[str, str]") -> str:
    if isinstance(message, tuple):
        return message[1]
    calls = getattr(message, "tool_calls", None) or ""
    return f"{message.content}{calls}"


def _repair(messages: Sequence[Any], schema: "type[BaseModel]", wrong: str, said: str) -> list[Any]:
    words = f"That is not usable: {wrong}. Try once more."
    told = [*messages, ("assistant", said), ("user", words)] if said.strip() else with_words(messages, words)
    return list(told)
