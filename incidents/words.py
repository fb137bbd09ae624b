"""Plain words as input: ``deployment: nginx, namespace: default, event: Back-off pulling image 'nginx:latess'``.

Understood without a model: a kind and a name, a namespace, and what was seen. What is missing is named in one
clear sentence. The same may come as a JSON object: with these words as its keys, or an incident as this program
writes it, whose id counts only where it is known.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

import msgspec

from incidents.objects import WORKLOADS, Kind, is_name
from incidents.signals import clean

EXAMPLE = "deployment: nginx, namespace: default, event: Back-off pulling image 'nginx:latess'"
_JSON_EXAMPLE = 'Write for example: {"deployment": "nginx", "namespace": "default", "event": "Back-off pulling image"}'
_LONGEST_JSON = 100_000
_KINDS = {kind.lower(): kind for kind in WORKLOADS}
_FIELD = re.compile(rf"\b(?P<key>{'|'.join(_KINDS)}|namespace|event)\s*[:=/]\s*", re.IGNORECASE)


class UnclearWords(ValueError):
    """Words that do not name a workload; the text says what is missing and shows an example."""


class PlainWords(msgspec.Struct, frozen=True, kw_only=True):
    """Which workload is meant, and what somebody saw."""

    kind: Kind
    name: str
    namespace: str
    event: str


def parse_words(text: str) -> PlainWords:
    """Read plain words, or the JSON object that they may be. Raises UnclearWords."""
    fields = json_object(text)
    return _in_words(text) if fields is None else parse_fields(fields)


def json_object(text: str) -> dict[str, Any] | None:
    """The JSON object that a text is; None for any other text. Raises UnclearWords where it only begins like one."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        return msgspec.json.decode(text[:_LONGEST_JSON], type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError) as error:
        raise UnclearWords(f"the text begins with a brace and is no JSON object ({error}). {_JSON_EXAMPLE}") from error


def parse_fields(fields: Mapping[str, Any]) -> PlainWords:
    """Read them as keys, or from an incident as this program writes one. Raises UnclearWords."""
    subject = fields.get("subject")
    named = {**fields, **subject} if isinstance(subject, Mapping) else fields
    texts = {str(key).lower(): value for key, value in named.items() if isinstance(value, str)}
    kind = next((key for key in texts if key in _KINDS), None)
    name = texts[kind] if kind is not None else texts.get("name", "")
    kind = kind or texts.get("kind", "").lower()
    if kind not in _KINDS:
        raise UnclearWords(f"which workload? {_JSON_EXAMPLE}")
    signal = fields.get("last_signal")
    seen = texts.get("event") or (signal.get("message") if isinstance(signal, Mapping) else "")
    return PlainWords(
        kind=WORKLOADS[_KINDS[kind]],
        name=_checked(kind, name),
        namespace=_checked("namespace", texts.get("namespace") or "default"),
        event=clean(seen, 4000) if isinstance(seen, str) else "",
    )


def _in_words(text: str) -> PlainWords:
    text = clean(text, 4000)
    marks = list(_FIELD.finditer(text))
    fields: dict[str, str] = {}
    for mark, following in zip_longest(marks, marks[1:]):
        key = mark["key"].lower()
        if key == "event":
            fields.setdefault(key, text[mark.end() :].strip())
            break
        end = following.start() if following is not None else len(text)
        fields.setdefault(key, text[mark.end() : end].strip(" ,;\n"))
    kind = next((key for key in fields if key in _KINDS), None)
    if kind is None:
        raise UnclearWords(f"which workload? Write for example: {EXAMPLE}")
    return PlainWords(
        kind=WORKLOADS[_KINDS[kind]],
        name=_checked(kind, fields[kind]),
        namespace=_checked("namespace", fields.get("namespace") or "default"),
        event=fields.get("event", ""),
    )


def _checked(key: str, value: str) -> str:
    if not is_name(value):
        raise UnclearWords(f"{key}: {value[:80]!r} is not a name Kubernetes allows. Write for example: {EXAMPLE}")
    return value
