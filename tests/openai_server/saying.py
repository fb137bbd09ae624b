"""From a step to the message that is said: words, calls, a refusal; not yet in any protocol."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from tests.openai_server.asked import Asked
from tests.openai_server.script import Call, Misbehaviour, Step

HUGE_BYTES = 200_000
_FOREIGN = "抱歉，我认为问题出在镜像名称上，请检查部署的配置。"
_NONE = object()


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What the model says."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    refusal: str = ""
    finish: str = "stop"
    counted: bool = True

    @property
    def tokens(self) -> int:
        """About how many it is."""
        return max(1, len(json.dumps([self.text, self.refusal, [call.arguments for call in self.calls]])) // 4)


def message_of(step: Step, asked: Asked) -> Message:
    """What a step says to a request."""
    said = _well_said(step, asked)
    match step.misbehave:
        case Misbehaviour.WRONG_SCHEMA:
            return _as_object({"colour": "blue", "answer": 42}, asked)
        case Misbehaviour.PROSE:
            words = said.text or json.dumps(said.calls[0].arguments if said.calls else {})
            return Message(text=f"Certainly! Here is what I found: {words}\nLet me know if {{anything}} is unclear.")
        case Misbehaviour.UNKNOWN_TOOL:
            return Message(calls=(Call("kubectl_delete", {"name": "everything"}),), finish="tool_calls")
        case Misbehaviour.TOOL_LOOP:
            return _loop(asked)
        case Misbehaviour.REFUSAL:
            return Message(refusal="I'm sorry, but I can't help with that.")
        case Misbehaviour.HUGE:
            return Message(text="very " * (HUGE_BYTES // 5))
        case Misbehaviour.WRONG_LANGUAGE:
            return Message(text=_FOREIGN)
        case Misbehaviour.CUT_OFF:
            return Message(text=said.text[: len(said.text) // 2] or '{"half', finish="length")
        case Misbehaviour.NO_USAGE:
            return msgspec.structs.replace(said, counted=False)
    return said


def _well_said(step: Step, asked: Asked) -> Message:
    if step.calls:
        return Message(calls=tuple(_filled(call, asked) for call in step.calls), finish="tool_calls")
    if step.object is not None:
        return _as_object(step.object, asked)
    return Message(text=step.text)


def _as_object(value: dict[str, Any], asked: Asked) -> Message:
    """An answer in the form that was asked for: of a tool if there is one for it, which agents offer last."""
    if asked.form is None and asked.tools:
        name = asked.forced_tool or list(asked.tools)[-1]
        return Message(calls=(Call(name, value),), finish="tool_calls")
    return Message(text=json.dumps(value))


def _loop(asked: Asked) -> Message:
    if not asked.tools:
        return Message(text="Let me look at that once more.")
    return Message(calls=(_filled(Call(next(iter(asked.tools))), asked),), finish="tool_calls")


def _filled(call: Call, asked: Asked) -> Call:
    if call.arguments is not None:
        return call
    schema = asked.tools.get(call.name, {})
    return Call(call.name, {name: _example(part) for name, part in schema.get("properties", {}).items()})


def _example(schema: dict[str, Any]) -> Any:
    if schema.get("enum"):
        return schema["enum"][0]
    if (default := schema.get("default", _NONE)) is not _NONE:
        return default
    examples = {"integer": 1, "number": 1.0, "boolean": False, "array": [], "object": {}}
    return examples.get(schema.get("type", "string"), "x")
