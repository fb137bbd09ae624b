"""Plain words as input: ``deployment: nginx, namespace: default, event: Back-off pulling image 'nginx:latess'``.

Understood without a model: a kind and a name, a namespace, and what was seen. What is missing is named in one
clear sentence.
"""

from __future__ import annotations

import re
from itertools import zip_longest

import msgspec

from incidents.objects import WORKLOADS, Kind
from incidents.signals import clean

EXAMPLE = "deployment: nginx, namespace: default, event: Back-off pulling image 'nginx:latess'"
_KINDS = {kind.lower(): kind for kind in WORKLOADS}
_FIELD = re.compile(rf"\b(?P<key>{'|'.join(_KINDS)}|namespace|event)\s*[:=/]\s*", re.IGNORECASE)
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


class UnclearWords(ValueError):
    """Words that do not name a workload; the text says what is missing and shows an example."""


class PlainWords(msgspec.Struct, frozen=True, kw_only=True):
    """Which workload is meant, and what somebody saw."""

    kind: Kind
    name: str
    namespace: str
    event: str


def parse_words(text: str) -> PlainWords:
    """Read plain words. Raises UnclearWords."""
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
    if not _NAME.fullmatch(value):
        raise UnclearWords(f"{key}: {value[:80]!r} is not a name Kubernetes allows. Write for example: {EXAMPLE}")
    return value
