"""Lists: selection, pages, and the version they are consistent with.

A page is cut from the objects as they stood when the first page was made; the snapshot is remembered
for a bounded number of lists, and a token whose snapshot is gone is 410 Expired, as a compacted etcd
answers. `limit` together with resourceVersion=0 is ignored, as the real watch cache ignores it.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from simulator.apiserver import status_errors
from simulator.apiserver.kinds import Kind
from simulator.apiserver.paths import Target
from simulator.apiserver.selectors import (
    FieldSelector,
    LabelSelector,
    Selection,
    SelectorSyntaxError,
    UnknownFieldError,
)
from simulator.apiserver.store import Store, Stored

_SNAPSHOTS = 64
_TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. "
    "You can start a new list without the continue parameter."
)


def selection(kind: Kind, query: Mapping[str, str]) -> Selection:
    """The selectors of a query. Raises StatusError 400."""
    try:
        labels = LabelSelector.parse(query.get("labelSelector", ""))
        return Selection(labels, FieldSelector.parse(query.get("fieldSelector", ""), kind.selectable))
    except UnknownFieldError as error:
        if kind.field_labels:
            raise status_errors.bad_request(f"field label not supported: {error}") from error
        only = ", ".join(f'"{one}"' for one in kind.selectable)
        raise status_errors.bad_request(f'"{error}" is not a known field selector: only {only}') from error
    except SelectorSyntaxError as error:
        raise status_errors.bad_request(str(error)) from error


def whole_number(query: Mapping[str, str], field: str) -> int:
    """A number of a query, 0 if absent. Raises StatusError 400."""
    text = query.get(field, "")
    if not text:
        return 0
    if not text.isdigit():
        raise status_errors.bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)


def asked_version(query: Mapping[str, str]) -> int:
    """The resourceVersion of a query, 0 if absent. Raises StatusError 400."""
    text = query.get("resourceVersion", "")
    if text and not text.isdigit():
        raise status_errors.bad_request(f"Invalid value: {text!r}: resourceVersion: must be a whole number")
    return int(text or 0)


@dataclass(frozen=True)
class Page:
    """Part of a list, in key order; `more` continues it, `remaining` is known for lists without selectors."""

    items: list[Stored]
    version: int
    more: str = ""
    remaining: int | None = None

    def metadata(self) -> dict[str, object]:
        """The list's ListMeta."""
        meta: dict[str, object] = {"resourceVersion": str(self.version)}
        if self.more:
            meta["continue"] = self.more
        if self.remaining:
            meta["remainingItemCount"] = self.remaining
        return meta

    def encode(self, kind: Kind) -> bytes:
        """The whole typed list."""
        head = {"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": self.metadata()}
        items = b",".join([one.item() for one in self.items])
        return orjson.dumps(head)[:-1] + b',"items":[' + items + b"]}"


class Lister:
    """Answers lists from the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._snapshots: OrderedDict[str, list[Stored]] = OrderedDict()

    def page(self, target: Target, query: Mapping[str, str]) -> Page:
        """Raises StatusError 400, 410 or 504."""
        chosen, limit = selection(target.kind, query), whole_number(query, "limit")
        if query.get("continue"):
            version, start, snapshot = self._resume(query["continue"])
        else:
            version, start, snapshot = self._store.version, 0, self._all(target, query, chosen)
        if query.get("resourceVersion") == "0" and not query.get("continue"):
            limit = 0
        end = start + limit if limit else len(snapshot)
        if end >= len(snapshot):
            return Page(snapshot[start:], version)
        more = self._remember(version, end, snapshot)
        remaining = len(snapshot) - end if chosen.everything else None
        return Page(snapshot[start:end], version, more, remaining)

    def _all(self, target: Target, query: Mapping[str, str], chosen: Selection) -> list[Stored]:
        asked = asked_version(query)
        if asked > self._store.version:
            raise status_errors.version_too_large(asked, self._store.version)
        if query.get("resourceVersionMatch") == "Exact" and asked != self._store.version:
            raise status_errors.expired(f"The resourceVersion for the provided list is too old: {asked}")
        entries = self._store.of(target.kind).entries(target.namespace or None)
        return [stored for _, stored in entries if chosen.matches(stored.body)]

    def _remember(self, version: int, start: int, snapshot: list[Stored]) -> str:
        key = f"{version}/{id(snapshot)}"
        self._snapshots[key] = snapshot
        self._snapshots.move_to_end(key)
        while len(self._snapshots) > _SNAPSHOTS:
            self._snapshots.popitem(last=False)
        return urlsafe_b64encode(orjson.dumps({"v": version, "start": start, "key": key})).decode()

    def _resume(self, token: str) -> tuple[int, int, list[Stored]]:
        try:
            found = orjson.loads(urlsafe_b64decode(token.encode()))
            version, start, key = int(found["v"]), int(found["start"]), str(found["key"])
        except (ValueError, KeyError, TypeError) as error:
            raise status_errors.bad_request(
                "invalid continue token: continue key is not valid: use the token of the last page"
            ) from error
        snapshot = self._snapshots.get(key)
        if snapshot is None:
            raise status_errors.expired(_TOO_OLD)
        return version, start, snapshot

    def forget(self) -> None:
        """Expires every continue token."""
        self._snapshots.clear()
