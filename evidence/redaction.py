"""Masking what must not leave: passwords, tokens and keys in logs, messages, arguments and env values.

Masking is deterministic and errs on the side of masking. It is a second line: Secret objects are never read.
"""

from __future__ import annotations

import re
from typing import Any

MASK = "[masked]"
_SECRET_NAME = re.compile(
    r"passw(or)?d|passwd|secret|token|api[_-]?key|private[_-]?key|credential|access[_-]?key|connection[_-]?string|dsn$|auth$",
    re.IGNORECASE,
)
_IN_TEXT: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), MASK),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(\.[A-Za-z0-9_-]+)?"), MASK),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"), rf"\1 {MASK}"),
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://[^\s:/@]*):[^\s@/]+@"), rf"\1:{MASK}@"),
    (re.compile(r"\b(xox[abprs]-|gh[pousr]_|sk-|tvly-|AKIA|AIza|glpat-)[A-Za-z0-9_-]{8,}"), MASK),
    (re.compile(r"hooks\.slack\.com/\S+"), f"hooks.slack.com/{MASK}"),
    (
        re.compile(
            r"(?i)((?:[\w.-]*(?:passw(?:or)?d|passwd|secret|token|api[_-]?key|private[_-]?key|access[_-]?key)[\w.-]*)"
            r"[\"']?\s*[=:]\s*)(\"[^\"]*\"|'[^']*'|[^\s,;\"'}]+)"
        ),
        rf"\1{MASK}",
    ),
)
_DROPPED_ANNOTATIONS = ("kubectl.kubernetes.io/last-applied-configuration",)


def mask_text(text: str) -> str:
    """Text with everything masked that looks like a secret."""
    for pattern, replacement in _IN_TEXT:
        text = pattern.sub(replacement, text)
    return text


def mask_manifest(manifest: dict[str, Any]) -> dict[str, Any]:
    """A pruned copy of an object: no managed fields, no last-applied copy, env values and arguments masked."""
    metadata = {key: value for key, value in manifest.get("metadata", {}).items() if key != "managedFields"}
    annotations = metadata.get("annotations") or {}
    if annotations:
        kept = {key: text for key, text in annotations.items() if key not in _DROPPED_ANNOTATIONS}
        metadata["annotations"] = {key: _masked_value(key, text) for key, text in kept.items()}
    masked: dict[str, Any] = _mask({key: value for key, value in manifest.items() if key != "metadata"})
    return {**masked, "metadata": metadata}


def _mask(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        if key == "env" or not {"name", "value"} <= value.keys():
            return {name: _mask(item, name) for name, item in value.items()}
        return {**value, "value": _masked_value(str(value["name"]), value["value"])}
    if isinstance(value, list):
        return [_mask(item, key) for item in value]
    if isinstance(value, str) and key in ("args", "command", "message"):
        return mask_text(value)
    return value


def _masked_value(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return MASK if _SECRET_NAME.search(name) and value else mask_text(value)
