"""One request as it came in, whichever of the two protocols it is in."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

_NOT_THE_QUESTION = ("stream", "stream_options", "user", "metadata", "store")


@dataclass(frozen=True)
class Asked:
    """What was asked, and how many bytes it took. `key` is what the caller showed for one."""

    path: str
    body: dict[str, Any]
    bytes: int
    key: str = ""

    @property
    def responses(self) -> bool:
        """Whether it is the newer of the two protocols."""
        return self.path.endswith("/responses")

    @property
    def stream(self) -> bool:
        """Whether the answer is wanted as a stream."""
        return bool(self.body.get("stream"))

    @property
    def wants_usage(self) -> bool:
        """Whether tokens are to be counted in the answer: in a stream of chat completions only if asked for."""
        options = self.body.get("stream_options") or {}
        return self.responses or not self.stream or bool(options.get("include_usage"))

    @cached_property
    def tools(self) -> dict[str, dict[str, Any]]:
        """The tools offered: the schema of their arguments by name."""
        offered = [tool.get("function", tool) for tool in self.body.get("tools") or []]
        return {tool["name"]: tool.get("parameters") or {} for tool in offered if "name" in tool}

    @property
    def forced_tool(self) -> str | None:
        """The tool that has to be called."""
        choice = self.body.get("tool_choice")
        if not isinstance(choice, dict):
            return None
        name = (choice.get("function") or choice).get("name")
        return str(name) if name else None

    @property
    def form(self) -> str | None:
        """The name of the schema that the text has to fit; "" for any JSON object; None for free text."""
        given = self.body.get("response_format") or (self.body.get("text") or {}).get("format") or {}
        match given.get("type"):
            case "json_schema":
                return str((given.get("json_schema") or given).get("name", ""))
            case "json_object":
                return ""
        return None

    @property
    def names(self) -> set[str]:
        """Everything that has a name in it: the schema, and the tools."""
        return {*self.tools, *([self.form] if self.form else [])}

    @cached_property
    def texts(self) -> list[str]:
        """The words of each message in order, results of tools included."""
        messages = self.body.get("messages")
        if messages is None:
            given = self.body.get("input", "")
            messages = given if isinstance(given, list) else [{"content": given}]
            messages = [{"content": self.body.get("instructions") or ""}, *messages]
        return [_words(message) for message in messages]

    @property
    def text(self) -> str:
        """All of them."""
        return "\n".join(self.texts)

    @property
    def results(self) -> int:
        """How many results of tools it holds."""
        messages = self.body.get("messages") or self.body.get("input") or []
        return sum(
            1
            for message in messages
            if isinstance(message, dict)
            and (message.get("role") == "tool" or message.get("type") == "function_call_output")
        )

    @cached_property
    def digest(self) -> str:
        """The same for the same question."""
        question = {name: value for name, value in self.body.items() if name not in _NOT_THE_QUESTION}
        return hashlib.sha256(json.dumps([self.path, question], sort_keys=True).encode()).hexdigest()


def _words(message: Any) -> str:
    if not isinstance(message, dict):
        return str(message)
    content = message.get("content", message.get("output", ""))
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return str(content or "")
