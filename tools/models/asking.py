"""One question to a model, one typed answer.

What a model says is parsed into the schema that was asked for or it is an error: there is no third way, and no text of
a model goes anywhere unparsed. Every provider's library has its own exceptions; they end here, as four that say what to
do next, in text that holds no key.
"""

import asyncio
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from tools.models.chat import Method
from tools.scrub import scrub

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage, BaseMessage
    from pydantic import BaseModel, ValidationError

Answer = TypeVar("Answer", bound="BaseModel")

_CUT_OFF = "the answer was cut off: raise max_tokens"
_FENCE = re.compile(r"^```(?:json)?\s*|\s*```$")  # local models wrap JSON in a code block, told not to or not


class ModelError(Exception):
    """The model gave no usable answer. The text is short, single-line and holds no credential."""

    retryable = False
    """Whether asking the same again later may help."""


class ModelRefusal(ModelError):
    """The model declined to answer."""


class ModelAnswerError(ModelError):
    """The model answered with something that is not the schema asked for, or was cut off."""


class ModelUnavailable(ModelError):
    """Not reachable, too slow, over its rate limit, or broken on its side."""

    retryable = True


class ModelConfigurationError(ModelError):
    """The server refuses the key, the model's name or the way of asking: somebody has to change a setting."""


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
    form = _form(schema)
    asked = [*messages, _schema_message(form)] if method == "json_mode" else list(messages)
    strict = {"strict": True} if method == "json_schema" else {}
    try:
        structured = model.with_structured_output(form, method=method, include_raw=True, **strict)
        async with asyncio.timeout(deadline_seconds):
            result: Any = await structured.ainvoke(asked)
    except TimeoutError:
        raise ModelUnavailable(f"the model did not answer within {deadline_seconds:g} s") from None
    except Exception as error:  # noqa: BLE001  every provider raises types of its own; here they become ours
        _tell(on_usage, _usage_of_failure(error))
        raise _translated(error, model) from None  # the cause may quote the key
    _tell(on_usage, _usage(result["raw"]))
    return _parsed(result["raw"], schema, model)


def _form(schema: "type[BaseModel]") -> dict[str, Any]:
    """The schema as JSON schema.

    The library gets this rather than the class: given the class it parses the answer itself, and when that fails the
    answer is lost together with the tokens it cost. Defaults are left out, since strict servers refuse them.
    """
    form = _without_defaults(schema.model_json_schema())
    return {"title": schema.__name__, "description": schema.__name__, **form}


def _without_defaults(node: Any, *, names: bool = False) -> Any:
    if isinstance(node, list):
        return [_without_defaults(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: _without_defaults(value, names=key in ("properties", "$defs") and not names)
        for key, value in node.items()
        if names or key != "default"
    }


def _schema_message(form: dict[str, Any]) -> tuple[str, str]:
    return ("system", f"Answer with one JSON object that fits this JSON schema: {json.dumps(form)}")


def _parsed(raw: "AIMessage", schema: type[Answer], model: "BaseChatModel") -> Answer:
    from pydantic import ValidationError

    refusal = raw.additional_kwargs.get("refusal")
    if refusal:
        raise ModelRefusal(f"the model declined: {scrub(refusal, secrets=_secrets(model), limit=200)}")
    if raw.response_metadata.get("finish_reason") == "length":
        raise ModelAnswerError(_CUT_OFF)
    try:
        if raw.tool_calls:
            return schema.model_validate(raw.tool_calls[0]["args"])
        return schema.model_validate_json(_FENCE.sub("", raw.text.strip()))
    except ValidationError as error:
        raise ModelAnswerError(_misfit(schema.__name__, error)) from None  # the cause quotes the answer


def _misfit(name: str, error: "ValidationError") -> str:
    """What is wrong with an answer, without quoting it: it repeats the evidence that it was asked about."""
    fields = error.errors(include_url=False, include_context=False, include_input=False)
    wrong = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'the whole'}: {e['type']}" for e in fields[:3])
    return f"the answer is not a {name}: {scrub(wrong, limit=200)}"


def _translated(error: Exception, model: "BaseChatModel") -> ModelError:
    from langchain_core import exceptions as known
    from pydantic import ValidationError

    if isinstance(error, ValidationError):
        return ModelAnswerError(_misfit("usable message", error))
    said = f"{type(error).__name__} {scrub(error, secrets=_secrets(model), limit=200)}"
    if isinstance(error, known.ModelRateLimitError):
        return ModelUnavailable(f"the model's rate limit is reached: {said}")
    if isinstance(error, known.ModelTimeoutError | known.ModelConnectionError | known.ModelAPIError):
        return ModelUnavailable(f"the model is not available: {said}")
    if isinstance(error, known.ContextOverflowError):
        return ModelAnswerError(f"the question is too long for the model: {said}")
    if isinstance(error, known.ModelError | ValueError | NotImplementedError):
        return ModelConfigurationError(f"the model refuses the question: {said}")
    if type(error).__name__ == "LengthFinishReasonError":  # openai's, raised while parsing; known by name, not imported
        return ModelAnswerError(_CUT_OFF)
    return ModelError(f"the model failed: {said}")


def _usage(raw: "AIMessage | None") -> Usage:
    counted = getattr(raw, "usage_metadata", None) or {}
    return Usage(int(counted.get("input_tokens", 0)), int(counted.get("output_tokens", 0)))


def _usage_of_failure(error: Exception) -> Usage:
    """The tokens of an answer that came but was refused by the library (openai's LengthFinishReasonError holds it)."""
    counted = getattr(getattr(error, "completion", None), "usage", None)
    return Usage(getattr(counted, "prompt_tokens", 0), getattr(counted, "completion_tokens", 0))


def _tell(on_usage: Callable[[Usage], None] | None, usage: Usage) -> None:
    if on_usage is not None and usage != Usage():
        on_usage(usage)


def _secrets(model: "BaseChatModel") -> list[str]:
    from pydantic import SecretStr

    fields = (getattr(model, name, None) for name in type(model).model_fields)
    return [value.get_secret_value() for value in fields if isinstance(value, SecretStr)]
