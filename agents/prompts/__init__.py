"""What a model is told: one file an agent, shipped here, and another folder's file in its place where one is mounted.

A prompt is the file's words and a user message that code makes. Text from the cluster, the web or another model goes
between data marks, which it cannot close, and nothing else does. Together they fit in ``PROMPT_BYTES``, so that a model
of modest size can follow; whoever makes the user message asks here how much room there is. The words' digest goes
into the record, so that a case tells which version was used.
"""

from __future__ import annotations

import hashlib
import re
from importlib import resources
from pathlib import Path

import msgspec

PROMPT_BYTES = 12_000
LARGEST_BYTES = 4_000  # of one file: the evidence needs the rest
_MARKS_BYTES = len("<data>\n\n</data>")
_MARK = re.compile(r"<(?=/?\s{0,8}data)", re.IGNORECASE)


class PromptError(ValueError):
    """A prompt file that cannot be used; the text names it and the remedy."""


class Prompt(msgspec.Struct, frozen=True):
    """The words one agent's model is told, and the digest that names this version of them."""

    agent: str
    text: str
    version: str

    @property
    def room_bytes(self) -> int:
        """How long the user message may be."""
        return PROMPT_BYTES - len(self.text.encode())


class Prompts:
    """The prompts by agent."""

    def __init__(self, texts: dict[str, str]) -> None:
        self._prompts = {
            agent: Prompt(agent, text, hashlib.sha256(text.encode()).hexdigest()[:12]) for agent, text in texts.items()
        }

    def of(self, agent: str) -> Prompt:
        """One agent's prompt."""
        return self._prompts[agent]

    @property
    def versions(self) -> dict[str, str]:
        """Which version of each is in use."""
        return {agent: prompt.version for agent, prompt in sorted(self._prompts.items())}


def load_prompts(folder: Path | None = None) -> Prompts:
    """The shipped prompts, with those of ``folder`` (``AGENT.md``) in their place. Raises PromptError."""
    texts = {
        page.name.removesuffix(".md"): page.read_text(encoding="utf-8").strip()
        for page in resources.files("agents.prompts").iterdir()
        if page.name.endswith(".md")
    }
    if folder is None:
        return Prompts(texts)
    if not folder.is_dir():
        raise PromptError(f"prompts: {folder} is not a folder")
    for page in sorted(folder.glob("*.md")):
        if page.stem not in texts:
            raise PromptError(f"prompts: {page.name} is the prompt of no agent: use {', '.join(sorted(texts))}")
        texts[page.stem] = _read(page)
    return Prompts(texts)


def _read(page: Path) -> str:
    try:
        text = page.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise PromptError(f"prompts: {page.name} cannot be read as UTF-8 text ({type(error).__name__})") from error
    if not text or len(text.encode()) > LARGEST_BYTES:
        raise PromptError(f"prompts: {page.name} has to have 1 to {LARGEST_BYTES} bytes of text")
    return text


def fenced(text: str, room_bytes: int = PROMPT_BYTES) -> str:
    """Text of strangers between the marks, which it cannot close itself; so many bytes in all."""
    return f"<data>\n{cut(_MARK.sub('&lt;', text), room_bytes - _MARKS_BYTES)}\n</data>"


def cut(text: str, room_bytes: int) -> str:
    """The beginning of a text in so many bytes of UTF-8; a cut is marked."""
    encoded = text.encode()
    if len(encoded) <= room_bytes:
        return text
    return encoded[: max(room_bytes - 4, 0)].decode(errors="ignore") + " …"
