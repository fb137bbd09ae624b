"""Masking what must not leave: passwords, tokens and keys in logs, messages, arguments and env values.

Masking is deterministic and errs on the side of masking. It is a second line: Secret objects are never read.
The texts were written by strangers, so every pattern takes time that grows with the text and not with its
square: no pattern begins with an unbounded run of characters.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from incidents.changes import LeafChange
from incidents.masking import MASK
from incidents.pointers import ABSENT, parts_of, value_at

_NAMING_SECRETS = (
    r"passw(?:or)?d|passphrase|(?<![a-z])pass(?![a-z])|(?<![a-z])pwd(?![a-z])|secret|token|credential|authorization"
    r"|(?:api|private|access|account|encryption|signing)[_-]?key|connection[_-]?string"
)
_SECRET_NAME = re.compile(rf"{_NAMING_SECRETS}|[_-]key$|dsn$|auth$", re.IGNORECASE)
_FLAG = re.compile(r"--?[\w-]{1,64}")
_IN_TEXT: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)", re.DOTALL),
        MASK,
    ),
    (re.compile(r"\A[\w+/=\s\\]*-----END [A-Z ]{0,40}PRIVATE KEY-----"), MASK),  # the beginning was cut off
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(\.[A-Za-z0-9_-]+)?"), MASK),
    (re.compile(r"(?i)\b(bearer|basic)\s{1,8}[A-Za-z0-9._~+/=-]{8,}"), rf"\1 {MASK}"),
    (re.compile(r"(://[^\s:/@]*):[^\s/,\"']+@"), rf"\1:{MASK}@"),
    (
        re.compile(
            r"\b(xox[abprs]-|gh[pousr]_|github_pat_|glpat-|sk-|tvly-|hf_|npm_|AKIA|ASIA|AIza|ya29\.)[A-Za-z0-9_-]{8,}"
        ),
        MASK,
    ),
    (re.compile(r"hooks\.slack\.com/\S+"), f"hooks.slack.com/{MASK}"),
    (
        re.compile(
            # "token-service:1.2" is an image; a colon counts right behind the word, or before a space or a quote
            rf"((?:{_NAMING_SECRETS})(?:[\w.-]{{0,64}}[\"']?\s{{0,8}}(?:=|:(?=[\s\"']))|:)\s{{0,8}})"
            rf"(?!{re.escape(MASK)}|(?:bearer|basic) )(\"[^\"]*\"|'[^']*'|[^\s,;\"'}}]+)",
            re.IGNORECASE,
        ),
        rf"\1{MASK}",
    ),
)
# Without any of these, case folded, no pattern above matches: most messages are let through after one cheap look.
_HINTS = (
    *("-----", "eyj", "bearer", "basic", "://", "slack", "xox", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
    *("glpat-", "sk-", "tvly-", "hf_", "npm_", "akia", "asia", "aiza", "ya29.", "pass", "pwd", "secret", "token"),
    *("credential", "authorization", "key", "connection"),
)
_DROPPED_ANNOTATIONS = ("kubectl.kubernetes.io/last-applied-configuration",)


def mask_text(text: str) -> str:
    """Text with everything masked that looks like a secret."""
    folded = text.casefold()
    if not any(hint in folded for hint in _HINTS):
        return text
    for pattern, replacement in _IN_TEXT:
        text = pattern.sub(replacement, text)
    return text


def mask_manifest(manifest: dict[str, Any]) -> dict[str, Any]:
    """A pruned copy of an object: no managed fields, no last-applied copy, env values and arguments masked."""
    metadata = {key: value for key, value in manifest.get("metadata", {}).items() if key != "managedFields"}
    masked: dict[str, Any] = _mask({**manifest, "metadata": metadata})
    return masked


def mask_leaves(leaves: Sequence[LeafChange], before: dict[str, Any], after: dict[str, Any]) -> tuple[LeafChange, ...]:
    """A leaf difference as it may be shown: the same places, with the values of the masked objects."""
    old, new = mask_manifest(before), mask_manifest(after)
    return tuple(
        LeafChange(pointer=leaf.pointer, before=_shown(old, leaf.pointer), after=_shown(new, leaf.pointer))
        for leaf in leaves
    )


def _shown(document: dict[str, Any], pointer: str) -> Any:
    found = value_at(document, parts_of(pointer))
    return None if found is ABSENT else found


def _mask(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        if key == "annotations":
            kept = {name: text for name, text in value.items() if name not in _DROPPED_ANNOTATIONS}
            return {name: _masked_value(name, text) for name, text in kept.items()}
        masked = {name: _mask(item, name) for name, item in value.items()}
        if {"name", "value"} <= value.keys():  # an environment variable, an HTTP header
            masked["value"] = _masked_value(str(value["name"]), value["value"])
        return masked
    if isinstance(value, list):
        return _masked_words(value) if key in ("args", "command") else [_mask(item, key) for item in value]
    if isinstance(value, str) and key in ("message", "path"):
        return mask_text(value)
    return value


def _masked_words(words: list[Any]) -> list[Any]:
    """A command line: what follows a flag such as ``--password`` is its value."""
    masked: list[Any] = []
    flag = ""
    for word in words:
        text = word if isinstance(word, str) else str(word)
        masked.append(_masked_value(flag, text) if not text.startswith("-") else mask_text(text))
        flag = text if _FLAG.fullmatch(text) else ""
    return masked


def _masked_value(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return MASK if value and _SECRET_NAME.search(name) else mask_text(value)
