"""Coder: runs Python in the sandbox. Its default job is to digest long logs into the lines that matter.

Where there is more in the logs than that digest shows and a model is configured, the model writes one program of its
own. What it prints is evidence for a reader, never an action: nobody acts on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import structlog

from agents.answers import Program
from agents.prompts import cut, fenced
from agents.reasoning import Reasoning
from agents.standing import Standing, Turn
from evidence.brief import events, fitting, states
from evidence.fingerprint import fingerprint
from evidence.redaction import mask_text
from incidents.codec import digest
from incidents.evidence import Evidence
from incidents.signals import clean
from tools.sandbox.contract import JSON, Sandbox, SandboxError, SandboxResult
from tools.sandbox.digest import digest_logs

LINES = 25
TRIES = 2  # programs a run: the first, and one that has seen the first one's error
RESULT_CHARACTERS = 2_000
AGENT = "coder"

log = structlog.get_logger(__name__)


class Coder:
    """Works on what was read; it has no way to read more."""

    def __init__(self, sandbox: Sandbox, *, reasoning: Reasoning | None = None) -> None:
        self._sandbox = sandbox
        self._reasoning = reasoning

    async def work(self, standing: Standing, evidence: Evidence | None) -> Turn:
        """The lines of the logs that matter, and what a program has found in them, if one was written."""
        logs = {
            f"{item.container}{' (previous)' if item.previous else ''}": item.text
            for item in (evidence.logs if evidence is not None else ())
        }
        try:
            lines = await digest_logs(self._sandbox, logs, max_lines=LINES)
            computed = await self._computed(standing, evidence, logs, lines) if evidence is not None else []
        except SandboxError as error:
            log.warning("coder.failed", incident=standing.incident.id, error=str(error))
            return Turn(text=f"The logs could not be digested: {error}")
        return Turn(text="\n".join([*lines, *computed]) if lines else "The logs are empty.")

    async def _computed(
        self, standing: Standing, evidence: Evidence, logs: Mapping[str, str], lines: Sequence[str]
    ) -> list[str]:
        """What a model's program says of the logs; nothing where the digest shows them whole, or no model answers."""
        reasoning = self._reasoning
        long = sum(len(text.splitlines()) for text in logs.values()) > LINES
        if reasoning is None or not long or not reasoning.knows(AGENT, standing.incident):
            return []
        inputs: dict[str, JSON] = {"logs": _encodable(logs), "events": events(evidence), "states": states(evidence)}
        failed = ""
        for _ in range(TRIES):
            room = reasoning.prompt(AGENT).room_bytes
            program = await reasoning.ask(
                AGENT,
                Program,
                question_of(evidence, logs, lines, failed, room_bytes=room),
                incident=standing.incident,
                fingerprint=digest(fingerprint(evidence), failed),
            )
            if program is None:
                return []
            result = await self._sandbox.run(program.python, inputs)
            if result.ok:
                return _told(program, result)
            failed = f"{result.error}\n{cut(program.python, 2000)}"
        return [f"A program that was to find out more has failed: {clean(failed.partition(chr(10))[0], 200)}"]


def question_of(
    evidence: Evidence, logs: Mapping[str, str], lines: Sequence[str], failed: str, *, room_bytes: int
) -> str:
    """What the logs are and what of them is known, in so many bytes."""
    sizes = "\n".join(f"{name}: {len(text.splitlines())} lines" for name, text in logs.items())
    parts = [
        f"Logs:\n{fenced(sizes, 600)}",
        f"What fails:\n{fenced(chr(10).join(fitting(states(evidence), 1500)), 1600)}",
        *([f"Your first program and how it failed:\n{fenced(failed, 2400)}"] if failed else []),
    ]
    room = room_bytes - sum(len(part.encode()) + 1 for part in parts) - 60
    ends = "\n".join(f"{name}:\n{text[-1200:]}" for name, text in logs.items())
    half = room // 2
    digested = f"Their telling lines:\n{fenced(chr(10).join(lines), half)}"
    return "\n".join([*parts, digested, f"How they end:\n{fenced(ends, half - 40)}"])


def _told(program: Program, result: SandboxResult) -> list[str]:
    value = result.value if isinstance(result.value, list) else [result.value] if result.value is not None else []
    said = [str(one) for one in value] or result.output.splitlines()
    text = mask_text("\n".join(clean(one, 300) for one in said[:20]))[:RESULT_CHARACTERS]
    return [f"Computed ({clean(program.purpose, 200)}):", *text.splitlines()] if text.strip() else []


def _encodable(logs: Mapping[str, str]) -> dict[str, JSON]:
    """Logs may hold half a character; a sandbox takes none."""
    return {name: text.encode("utf-8", "replace").decode("utf-8") for name, text in logs.items()}
