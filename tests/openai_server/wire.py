"""A message in the two protocols, whole or as a stream of server-sent events.

Shapes as OpenAI's API reference gives them (chat completions, responses).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.openai_server.asked import Asked
from tests.openai_server.saying import Message
from tests.openai_server.script import Call

_PIECE = 24  # characters of one event


def whole(message: Message, asked: Asked, number: int) -> dict[str, Any]:
    """The answer in one piece."""
    return _response(message, asked, number) if asked.responses else _completion(message, asked, number)


def pieces(message: Message, asked: Asked, number: int) -> Iterator[str]:
    """The answer as events, each ready to be sent."""
    if asked.responses:
        for event in _response_events(message, asked, number):
            yield f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"
    else:
        for chunk in _chunks(message, asked, number):
            yield f"data: {json.dumps(chunk)}\n\n"
        yield "data: [DONE]\n\n"


def other_providers(message: Message, asked: Asked) -> dict[str, Any]:
    """The same in the shape of another provider's API."""
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": asked.body.get("model", ""),
        "content": [{"type": "text", "text": message.text or "{}"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }


def error(text: str, code: str) -> dict[str, Any]:
    """An error as both protocols give it."""
    return {"error": {"message": text, "type": code, "param": None, "code": code}}


# --- chat completions


def _completion(message: Message, asked: Asked, number: int) -> dict[str, Any]:
    said: dict[str, Any] = {"role": "assistant", "content": message.text or None, "refusal": message.refusal or None}
    if message.calls:
        said["tool_calls"] = [_call(call, n, number) for n, call in enumerate(message.calls)]
    choice = {"index": 0, "message": said, "finish_reason": message.finish, "logprobs": None}
    answer = {**_head(asked, number, "chat.completion"), "choices": [choice]}
    return {**answer, "usage": _usage(message, asked)} if message.counted else answer


def _chunks(message: Message, asked: Asked, number: int) -> Iterator[dict[str, Any]]:
    head = _head(asked, number, "chat.completion.chunk")

    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        return {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}]}

    yield chunk({"role": "assistant", "content": ""})
    if message.refusal:
        yield chunk({"refusal": message.refusal})
    for piece in _cut(message.text):
        yield chunk({"content": piece})
    for n, call in enumerate(message.calls):
        whole_call = _call(call, n, number)
        arguments = whole_call["function"].pop("arguments")
        yield chunk(
            {"tool_calls": [{**whole_call, "index": n, "function": {**whole_call["function"], "arguments": ""}}]}
        )
        for piece in _cut(arguments):
            yield chunk({"tool_calls": [{"index": n, "function": {"arguments": piece}}]})
    yield chunk({}, message.finish)
    if message.counted and asked.wants_usage:
        yield {**head, "choices": [], "usage": _usage(message, asked)}


def _head(asked: Asked, number: int, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{number}", "object": kind, "created": 0, "model": asked.body.get("model", "")}


def _call(call: Call, n: int, number: int) -> dict[str, Any]:
    function = {"name": call.name, "arguments": json.dumps(call.arguments or {})}
    return {"id": f"call_{number}_{n}", "type": "function", "function": function}


def _usage(message: Message, asked: Asked) -> dict[str, Any]:
    read, written = asked.bytes // 4, message.tokens
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


# --- responses


def _response(message: Message, asked: Asked, number: int, *, status: str = "completed") -> dict[str, Any]:
    incomplete = message.finish == "length"
    answer = {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": 0,
        "status": "incomplete" if incomplete else status,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if incomplete else None,
        "instructions": None,
        "metadata": {},
        "model": asked.body.get("model", ""),
        "output": [] if status == "in_progress" else list(_items(message, number)),
        "parallel_tool_calls": True,
        "temperature": None,
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
    }
    if message.counted and status != "in_progress":
        answer["usage"] = _response_usage(message, asked)
    return answer


def _items(message: Message, number: int) -> Iterator[dict[str, Any]]:
    if message.text or message.refusal:
        part: dict[str, Any] = {"type": "output_text", "text": message.text, "annotations": []}
        if message.refusal:
            part = {"type": "refusal", "refusal": message.refusal}
        yield _item(f"msg_{number}", [part])
    for n, call in enumerate(message.calls):
        yield _function_call(call, n, number)


def _item(name: str, content: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "message", "id": name, "status": "completed", "role": "assistant", "content": content}


def _function_call(call: Call, n: int, number: int) -> dict[str, Any]:
    return {
        "type": "function_call",
        "id": f"fc_{number}_{n}",
        "call_id": f"call_{number}_{n}",
        "name": call.name,
        "arguments": json.dumps(call.arguments or {}),
        "status": "completed",
    }


def _response_usage(message: Message, asked: Asked) -> dict[str, Any]:
    read, written = asked.bytes // 4, message.tokens
    return {
        "input_tokens": read,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": read + written,
    }


def _response_events(message: Message, asked: Asked, number: int) -> Iterator[dict[str, Any]]:
    events = list(_inner_events(message, number))
    begun = _response(message, asked, number, status="in_progress")
    ended = _response(message, asked, number)
    kind = "response.incomplete" if ended["status"] == "incomplete" else "response.completed"
    every = [{"type": "response.created", "response": begun}, *events, {"type": kind, "response": ended}]
    for sequence, event in enumerate(every):
        yield {**event, "sequence_number": sequence}


def _inner_events(message: Message, number: int) -> Iterator[dict[str, Any]]:
    for index, item in enumerate(_items(message, number)):
        place = {"item_id": item["id"], "output_index": index}
        if item["type"] == "function_call":
            yield {"type": "response.output_item.added", "output_index": index, "item": {**item, "arguments": ""}}
            for piece in _cut(item["arguments"]):
                yield {"type": "response.function_call_arguments.delta", **place, "delta": piece}
            yield {"type": "response.function_call_arguments.done", **place, "arguments": item["arguments"]}
        else:
            yield {"type": "response.output_item.added", "output_index": index, "item": {**item, "content": []}}
            yield from _text_events(item["content"][0], place)
        yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _text_events(part: dict[str, Any], place: dict[str, Any]) -> Iterator[dict[str, Any]]:
    place = {**place, "content_index": 0}
    if part["type"] == "refusal":
        yield {"type": "response.content_part.added", **place, "part": {"type": "refusal", "refusal": ""}}
        yield {"type": "response.refusal.delta", **place, "delta": part["refusal"]}
        yield {"type": "response.refusal.done", **place, "refusal": part["refusal"]}
    else:
        yield {"type": "response.content_part.added", **place, "part": {**part, "text": ""}}
        for piece in _cut(part["text"]):
            yield {"type": "response.output_text.delta", **place, "delta": piece, "logprobs": []}
        yield {"type": "response.output_text.done", **place, "text": part["text"], "logprobs": []}
    yield {"type": "response.content_part.done", **place, "part": part}


def _cut(text: str) -> list[str]:
    size = max(_PIECE, len(text) // 200)
    return [text[start : start + size] for start in range(0, len(text), size)]
