"""A model that looks things up before it answers, on LangChain's agent loop and its limits.

The loop is LangChain's, and so are the limits on calls of the model and of tools, the fallbacks and the repeats.
Ours are the budget in front of every call and the bound on what a tool may put into a request. However the loop
ends (a limit, prose, an answer that never fits), one last plain question with what was read asks for the typed
answer.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from langchain.agents import create_agent
from langchain.agents.middleware import (
    AgentMiddleware,
    ClearToolUsesEdit,
    ContextEditingMiddleware,
    ModelCallLimitMiddleware,
    ModelFallbackMiddleware,
    ModelRequest,
    ModelResponse,
    ModelRetryMiddleware,
    ToolCallLimitMiddleware,
    ToolCallRequest,
)
from langchain.agents.structured_output import StructuredOutputError, ToolStrategy
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.utils.function_calling import convert_to_openai_tool

from tools.models.answers import from_text
from tools.models.asking import Usage, usage_of, with_words
from tools.models.brain import Limits
from tools.models.budget import Purse, Tab
from tools.models.errors import ModelAnswerError, ModelError, ModelRefusal, ModelUnavailable, translated
from tools.models.respondent import Respondent, bytes_of
from tools.scrub import scrub

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.tools import BaseTool
    from pydantic import BaseModel

Answer = TypeVar("Answer", bound="BaseModel")

_CUT = "\n[the rest is cut off]"
_STEPS_A_CALL = 12  # of the library's graph: its limits are nodes too; a bound behind the bounds
_CLOSING_CALLS = 2  # the closing question and its repair
_READ_BYTES = 8_000  # of everything that was read, in the closing question
_CLEAR_AT_TOKENS, _RESULTS_KEPT = 6_000, 3  # so that a small model's window is enough for a long exploration


@dataclass(frozen=True, kw_only=True)
class Exploration:
    """One question that may be explored before it is answered."""

    system: str
    messages: Sequence[BaseMessage | tuple[str, str]]
    tools: "Sequence[BaseTool]"
    limits: Limits
    tab: Tab


async def explore(
    chain: Sequence[Respondent], schema: type[Answer], asked: Exploration, *, purse: Purse
) -> tuple[tuple[Answer, str] | None, list[BaseMessage]]:
    """Let the first of the chain explore, the others standing in.

    Answers the typed answer with the name of the model that gave it, if there is one, and what was said until then.

    Raises ModelError, and what a tool raises.
    """
    watched = _Watched(chain, purse, asked.tab, asked.limits.result_bytes)
    agent: Any = create_agent(
        chain[0].model,
        list(asked.tools),
        system_prompt=asked.system,
        middleware=_middleware(chain, asked.limits, watched),
        response_format=ToolStrategy(schema, tool_message_content="answered", handle_errors=_OneRepair()),
        checkpointer=False,  # what a model reads does not belong into the checkpoints of the graph around it
    )
    config = {"recursion_limit": _STEPS_A_CALL * asked.limits.model_calls, "run_name": asked.tab.agent}
    try:
        async with asyncio.timeout(asked.limits.seconds):
            ended = await agent.ainvoke({"messages": list(asked.messages)}, config)
    except TimeoutError:
        raise ModelUnavailable(f"the model has not finished within {asked.limits.seconds:g} s") from None
    except StructuredOutputError as error:
        raise ModelAnswerError(f"the answer does not fit: {scrub(type(error).__name__)}") from None
    said: list[BaseMessage] = ended["messages"][len(asked.messages) :]
    answer = ended.get("structured_response") or _said_in_words(said, schema)
    return (None if answer is None else (answer, watched.last)), said


def closing_question(asked: Exploration, said: Sequence[BaseMessage]) -> list[Any]:
    """The question without tools, with the beginnings of what tools have answered."""
    calls = {call["id"]: call for message in said if isinstance(message, AIMessage) for call in message.tool_calls}
    read = [
        f"{calls[message.tool_call_id]['name']}({_arguments(calls[message.tool_call_id]['args'])}):\n{message.content}"
        for message in said
        if isinstance(message, ToolMessage) and message.tool_call_id in calls and message.status != "error"
    ]
    share = _READ_BYTES // max(len(read), 1)
    words = "\n\n".join(_cut(text, share) for text in read)
    told = f"What was looked up, as data:\n<data>\n{_sealed(words)}\n</data>\n\n" if read else ""
    return with_words([("system", asked.system), *asked.messages], f"{told}Answer now, from what is known.")


class _Watched(AgentMiddleware):
    """The budget around every call of a model, and the bound on every result of a tool. The innermost middleware."""

    def __init__(self, chain: Sequence[Respondent], purse: Purse, tab: Tab, result_bytes: int) -> None:
        super().__init__()
        self._by_model = {id(respondent.model): respondent for respondent in chain}
        self._purse = purse
        self._tab = tab
        self._result_bytes = result_bytes
        self.last = ""  # which model has answered last

    async def awrap_model_call(
        self, request: ModelRequest, handler: Callable[[ModelRequest], Awaitable[ModelResponse]]
    ) -> ModelResponse:
        respondent = self._by_model[id(request.model)]
        reservation = await self._purse.reserve(self._tab, respondent.settings, _request_bytes(request))
        try:
            response = await handler(request)
        except Exception as raised:
            if isinstance(raised, StructuredOutputError):
                await self._purse.settle(reservation, _usage(raised.ai_message))
                raise
            error = translated(raised, respondent.model)
            await self._purse.settle(reservation, None if error.billed else Usage())
            respondent.went_exploring(error)
            raise error from None  # the cause may quote the key
        message = next((item for item in response.result if isinstance(item, AIMessage)), None)
        await self._purse.settle(reservation, _usage(message))
        respondent.went(None)
        self.last = respondent.settings.name
        _refuse_refusals(message, respondent.model)
        return response

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[Any]]
    ) -> Any:
        result = await handler(request)
        if isinstance(result, ToolMessage) and isinstance(result.content, str):
            return result.model_copy(update={"content": _cut(result.content, self._result_bytes)})
        return result


def _middleware(chain: Sequence[Respondent], limits: Limits, watched: _Watched) -> list[Any]:
    """Outermost first: what is cut off the conversation is cut for all, and each repeat or fallback is paid for."""
    return [
        ModelCallLimitMiddleware(run_limit=max(limits.model_calls - _CLOSING_CALLS, 1), exit_behavior="end"),
        ToolCallLimitMiddleware(run_limit=limits.tool_calls, exit_behavior="continue"),
        ContextEditingMiddleware(edits=[ClearToolUsesEdit(trigger=_CLEAR_AT_TOKENS, keep=_RESULTS_KEPT)]),
        *([ModelFallbackMiddleware(*[other.model for other in chain[1:]])] if len(chain) > 1 else []),
        ModelRetryMiddleware(max_retries=1, retry_on=_broke_off, on_failure="error", initial_delay=0.0),
        watched,
    ]


def _broke_off(error: Exception) -> bool:
    """Whether an answer ended half-way: everything else that may pass is repeated by the client itself."""
    return isinstance(error, ModelUnavailable) and error.broken


class _OneRepair:
    """What the model reads when its answer does not fit, once; the second time it ends the exploration."""

    def __init__(self) -> None:
        self._told = False

    def __call__(self, error: Exception) -> str:
        if self._told:
            raise ModelAnswerError("the answer does not fit the schema, and neither did its repair")
        self._told = True
        source = getattr(error, "source", None) or error
        return f"That answer does not fit: {scrub(source, limit=600)}. Answer once more."


def _said_in_words(said: Sequence[BaseMessage], schema: type[Answer]) -> Answer | None:
    """An answer that the model gave as text instead of calling the tool for it."""
    last = said[-1] if said else None
    if not isinstance(last, AIMessage) or last.tool_calls:
        return None
    try:
        return from_text(last.text, schema)
    except ModelError:
        return None


def _refuse_refusals(message: AIMessage | None, model: "BaseChatModel") -> None:
    refusal = message.additional_kwargs.get("refusal") if message is not None else None
    if refusal:
        from tools.models.errors import secrets_of

        raise ModelRefusal(f"the model declined: {scrub(refusal, secrets=secrets_of(model), limit=200)}")


def _request_bytes(request: ModelRequest) -> int:
    system = [request.system_message] if request.system_message is not None else []
    form = request.response_format
    schemas = [spec.json_schema for spec in form.schema_specs] if isinstance(form, ToolStrategy) else []
    tools = [tool if isinstance(tool, dict) else convert_to_openai_tool(tool) for tool in request.tools]
    return bytes_of([*system, *request.messages]) + len(str(tools)) + len(str(schemas))


def _usage(message: AIMessage | None) -> Usage | None:
    used = usage_of(message)
    return used if used != Usage() else None


def _cut(text: str, size: int) -> str:
    data = text.encode(errors="replace")
    return text if len(data) <= size else data[:size].decode(errors="ignore") + _CUT


def _arguments(given: dict[str, Any]) -> str:
    return scrub(", ".join(f"{name}={value}" for name, value in given.items()), limit=120)


def _sealed(text: str) -> str:
    """Text of strangers that cannot close the marks around it."""
    return text.replace("</data", "&lt;/data").replace("<data", "&lt;data")
