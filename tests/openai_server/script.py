"""What the server says to whom: steps in order, each for the requests that it is meant for.

A step without a `when` is for the next request, whatever it is. It is used `times` times; 0 is for ever. The first one
that is meant for a request, and not used up, answers it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from tests.openai_server.asked import Asked


class Misbehaviour(StrEnum):
    """Ways to go wrong. Where a step says something as well, that is what is spoilt."""

    TOO_MANY_REQUESTS = "too_many_requests"  # 429, with `retry_after`
    SERVER_ERROR = "server_error"
    STALL = "stall"  # the connection stays open, and nothing comes
    HALF_STREAM = "half_stream"  # the connection ends in the middle of an answer
    WRONG_SCHEMA = "wrong_schema"
    PROSE = "prose"  # what is said stands between words
    UNKNOWN_TOOL = "unknown_tool"
    TOOL_LOOP = "tool_loop"  # calls whatever tool is offered first, whatever it has answered
    REFUSAL = "refusal"
    HUGE = "huge"  # 200 kB of words
    WRONG_LANGUAGE = "wrong_language"
    OTHER_FORMAT = "other_format"  # the shape of another provider's answers
    NO_USAGE = "no_usage"
    CUT_OFF = "cut_off"  # the longest answer was reached in the middle of a word
    NOT_JSON = "not_json"  # a proxy's page in HTML
    NO_SCHEMAS = "no_schemas"  # refuses requests with a native schema; says the step's words to others
    NO_TOOLS = "no_tools"  # refuses requests with tools
    NO_TEMPERATURE = "no_temperature"  # refuses requests that set one
    BAD_KEY = "bad_key"


class Call(msgspec.Struct, frozen=True):
    """A call of a tool. Without arguments some that fit its schema are made up."""

    name: str
    arguments: dict[str, Any] | None = None


class When(msgspec.Struct, frozen=True, kw_only=True):
    """Which requests a step is for; everything that is given has to hold."""

    contains: str = ""
    """Words that stand somewhere in its messages."""
    named: str = ""
    """A schema or a tool in it."""
    results: int | None = None
    """How many results of tools it holds."""

    def fits(self, asked: Asked) -> bool:
        """Whether it is one of them."""
        if self.results is not None and asked.results != self.results:
            return False
        return self.contains in asked.text and (not self.named or self.named in asked.names)


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One answer: words, an object in whatever form was asked for, calls of tools, or a misbehaviour."""

    when: When = When()
    times: int = 1
    text: str = ""
    object: dict[str, Any] | None = None
    calls: tuple[Call, ...] = ()
    misbehave: Misbehaviour | None = None
    retry_after: float = 0.0
    """Seconds, of a 429."""


Policy = Callable[[Asked], Step | None]


class Script:
    """Steps, and how often each has been used."""

    def __init__(self, steps: tuple[Step, ...], otherwise: Policy | None = None) -> None:
        self._steps = steps
        self._used = [0] * len(steps)
        self._otherwise = otherwise

    @classmethod
    def of(cls, *steps: Step, otherwise: Policy | None = None) -> Script:
        """A script of these; `otherwise` decides on requests that none of them is for."""
        return cls(steps, otherwise)

    @classmethod
    def always(cls, step: Step) -> Script:
        """The same to everybody, for ever."""
        return cls((msgspec.structs.replace(step, times=0),))

    def __call__(self, asked: Asked) -> Step | None:
        """The answer to a request; None where the script has none."""
        for number, step in enumerate(self._steps):
            if step.when.fits(asked) and (step.times == 0 or self._used[number] < step.times):
                self._used[number] += 1
                return step
        return self._otherwise(asked) if self._otherwise is not None else None

    @property
    def left(self) -> int:
        """How many steps have not been used as often as they might, endless ones aside."""
        return sum(1 for step, used in zip(self._steps, self._used, strict=True) if step.times and used < step.times)


def load_script(path: Path) -> Script:
    """A script from a JSON file: a list of steps. Raises ValueError that names what is wrong with it."""
    try:
        return Script(msgspec.convert(json.loads(path.read_text(encoding="utf-8")), tuple[Step, ...]))
    except (OSError, ValueError, msgspec.ValidationError) as error:
        raise ValueError(f"{path}: not a script ({error}); it is a JSON list of steps") from error
