"""One question to a model in one way, one typed answer. The ladder of ways is climbed down elsewhere."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from tools.models.answers import form_of, parsed, schema_words
from tools.models.chat import Method
from tools.models.errors import (
    BudgetSpent,
    ModelAnswerError,
    ModelConfigurationError,
    ModelError,
    ModelRefusal,
    ModelUnavailable,
    translated,
)

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage, BaseMessage
    from pydantic import BaseModel

__all__ = [
    "BudgetSpent",
    "ModelAnswerError",
    "ModelConfigurationError",
    "ModelError",
    "ModelRefusal",
    "ModelUnavailable",
    "Usage",
    "ask",
    "usage_of",
    "with_words",
]

Answer = TypeVar("Answer", bound="BaseModel")


@dataclass(frozen=True)
class Usage:
    """Tokens of one question and answer; 0 where the server does not say."""

    input_tokens: int = 0
    output_tokens: int = 0


async def ask(
    model: "BaseChatModel",
    schema: type[Answer],
    messages: "Sequence[BaseMessage | tuple[str, str]]",
    *,
    method: Method = "json_schema",
    deadline_seconds: float = 90.0,
    on_usage: Callable[[Usage], None] | None = None,
) -> Answer:
    """Ask once and return the parsed answer.

    `deadline_seconds` covers the library's retries as well. `on_usage` is told the tokens of every answer that
    came, the useless ones included (they were paid), if the server counts them. Raises ModelRefusal,
    ModelAnswerError, ModelUnavailable or ModelConfigurationError.
    """
    try:
        async with asyncio.timeout(deadline_seconds):
            raw = await _answer(model, form_of(schema), list(messages), method)
    except TimeoutError:
        raise ModelUnavailable(f"the model did not answer within {deadline_seconds:g} s") from None
    except Exception as error:  # noqa: BLE001  every provider raises types of its own; here they become ours
        _tell(on_usage, _usage_of_failure(error))
        raise translated(error, model) from None  # the cause may quote the key
    _tell(on_usage, usage_of(raw))
    return parsed(raw, schema, model)


def usage_of(raw: "AIMessage | None") -> Usage:
    """The tokens that a message says it cost."""
    counted = getattr(raw, "usage_metadata", None) or {}
    return Usage(int(counted.get("input_tokens", 0)), int(counted.get("output_tokens", 0)))


async def _answer(model: "BaseChatModel", form: dict[str, Any], messages: list[Any], method: Method) -> "AIMessage":
    if method in ("json_mode", "text"):
        messages = with_words(messages, schema_words(form))
    if method == "text":
        return await model.ainvoke(messages)
    openai = type(model).__module__.startswith("langchain_openai")  # others are strict by themselves, or warn
    strict = {"strict": True} if method == "json_schema" and openai else {}
    structured = model.with_structured_output(form, method=method, include_raw=True, **strict)
    raw: AIMessage = await _without_parser(structured).ainvoke(messages)
    return raw


def _without_parser(structured: Any) -> Any:
    """The part that asks, of a chain that asks and parses.

    The library's parser of JSON takes minutes over a long answer that is none, and holds up everything else meanwhile.
    Every provider builds the chain in one way: a map with the message under `raw`, then the parser.
    """
    return structured.first.steps__["raw"]


def with_words(messages: "Sequence[BaseMessage | tuple[str, str]]", words: str) -> list[Any]:
    """Messages with more words of the user at their end.

    They join the last message where that is the user's: the templates of many local models refuse two in a row.
    """
    from langchain_core.messages import HumanMessage, convert_to_messages

    given = convert_to_messages(list(messages))
    if given and isinstance(given[-1], HumanMessage) and isinstance(given[-1].content, str):
        return [*given[:-1], HumanMessage(f"{given[-1].content}\n\n{words}")]
    return [*given, HumanMessage(words)]


def _usage_of_failure(error: Exception) -> Usage:
    """The tokens of an answer that came but was refused by the library (openai's LengthFinishReasonError holds it)."""
    counted = getattr(getattr(error, "completion", None), "usage", None)
    return Usage(getattr(counted, "prompt_tokens", 0), getattr(counted, "completion_tokens", 0))


def _tell(on_usage: Callable[[Usage], None] | None, usage: Usage) -> None:
    if on_usage is not None and usage != Usage():
        on_usage(usage)
