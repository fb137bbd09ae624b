"""From a schema to what a model is shown of it, and from what a model says to a typed answer.

An answer is parsed into the schema or it is an error: there is no third way. Models of modest size wrap their JSON in
prose, in a code block, or in a tool call written out as text; an object that fits is found there. What does not fit
is described by its fields, never quoted.
"""

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from tools.models.errors import CUT_OFF, ModelAnswerError, ModelRefusal, misfit, secrets_of
from tools.scrub import scrub

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage
    from pydantic import BaseModel

Answer = TypeVar("Answer", bound="BaseModel")

LONGEST_ANSWER = 64_000  # characters; what is longer has lost its thread, and nobody reads it
_ECHOED = 2_000  # characters of a useless answer that the model is shown again
_OBJECTS_TRIED = 20
_FENCE = re.compile(r"^```(?:json)?\s*|\s*```$")  # local models wrap JSON in a code block, told not to or not
_WRAPPERS = ("arguments", "parameters", "input", "args")  # of a tool call that was written out as text


def form_of(schema: "type[BaseModel]") -> dict[str, Any]:
    """The schema as JSON schema.

    The library gets this rather than the class: given the class it parses the answer itself, and when that fails the
    answer is lost together with the tokens it cost. Defaults are left out, since strict servers refuse them.
    """
    form = _without_defaults(schema.model_json_schema())
    return {"title": schema.__name__, "description": schema.__name__, **form}


def schema_words(form: dict[str, Any]) -> str:
    """How the schema is said in words, for a model that is not given it in another way."""
    return f"Answer with one JSON object that fits this JSON schema, and with nothing else: {json.dumps(form)}"


def parsed(raw: "AIMessage", schema: type[Answer], model: "BaseChatModel") -> Answer:
    """The typed answer in a message. Raises ModelRefusal or ModelAnswerError."""
    refusal = raw.additional_kwargs.get("refusal") or _refusal_block(raw)
    if refusal:
        raise ModelRefusal(f"the model declined: {scrub(refusal, secrets=secrets_of(model), limit=200)}")
    if raw.response_metadata.get("finish_reason") == "length":
        raise _useless(CUT_OFF, raw.text)
    if raw.tool_calls:
        return _from_call(raw, schema)
    return from_text(raw.text, schema)


def from_text(text: str, schema: type[Answer]) -> Answer:
    """The first object in a text that fits the schema. Raises ModelAnswerError."""
    from pydantic import ValidationError

    if len(text) > LONGEST_ANSWER:
        raise _useless(f"the answer is {len(text):,} characters long; {LONGEST_ANSWER:,} are read", text)
    try:
        return schema.model_validate_json(_FENCE.sub("", text.strip()))
    except ValidationError as error:
        wrong = misfit(schema.__name__, error)
    for value in _objects(text):
        try:
            return schema.model_validate(value)
        except ValidationError as error:
            wrong = misfit(schema.__name__, error)
    raise _useless(wrong, text)


def _from_call(raw: "AIMessage", schema: type[Answer]) -> Answer:
    """The call of the schema's own tool, or of whichever the model thought up."""
    from pydantic import ValidationError

    calls = sorted(raw.tool_calls, key=lambda call: call["name"] != schema.__name__)
    given = json.dumps(calls[0]["args"])
    if len(given) > LONGEST_ANSWER:
        raise _useless(f"the answer is {len(given):,} characters long; {LONGEST_ANSWER:,} are read", given)
    try:
        return schema.model_validate(calls[0]["args"])
    except ValidationError as error:
        raise _useless(misfit(schema.__name__, error), given) from None  # the cause quotes the answer


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """JSON objects that stand in a text, and what is wrapped in them."""
    decoder, start = json.JSONDecoder(), text.find("{")
    for _ in range(_OBJECTS_TRIED):
        if start < 0:
            return
        try:
            value, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            start = text.find("{", start + 1)
            continue
        start = text.find("{", end)
        yield value
        yield from (value[name] for name in _WRAPPERS if isinstance(value.get(name), dict))


def _useless(wrong: str, said: str) -> ModelAnswerError:
    error = ModelAnswerError(wrong)
    error.said = said[:_ECHOED]
    return error


def _refusal_block(raw: "AIMessage") -> str:
    """A refusal as the responses API gives it: a block among the others."""
    blocks = raw.content if isinstance(raw.content, list) else []
    return next((str(b["refusal"]) for b in blocks if isinstance(b, dict) and b.get("refusal")), "")


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
