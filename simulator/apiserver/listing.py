"""Lists: selection, pages, and the version they are consistent with.

A page is cut from the objects as they stood when the first page was made; the snapshot is remembered
for a bounded number of lists, and a token whose snapshot is gone is 410 Expired, as a compacted etcd
answers, with another token to go on from the same place with what there is now. `limit` together with
resourceVersion=0 is ignored, as the real watch cache ignores it.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from simulator.apiserver import status_errors
from simulator.apiserver.kinds import Kind
from simulator.apiserver.list_options import ListOptions
from simulator.apiserver.objects import name_of, namespace_of
from simulator.apiserver.paths import Target
from simulator.apiserver.selectors import (
    FieldSelector,
    LabelSelector,
    Selection,
    SelectorSyntaxError,
    UnknownFieldError,
)
from simulator.apiserver.store import HistoryLost, Store, Stored

_SNAPSHOTS = 64
_WHATEVER_VERSION = -1
_TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. "
    "You can start a new list without the continue parameter, or use the continue token in this response to retrieve "
    "the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that "
    "were created, modified, or deleted between the time the first chunk was returned and now may show up in the list."
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
        items = b",".join([_item(one, kind) for one in self.items])
        return orjson.dumps(head)[:-1] + b',"items":[' + items + b"]}"


def _item(stored: Stored, kind: Kind) -> bytes:
    if kind.form_of is None:
        return stored.item()
    shown = kind.shown(stored.body)
    return orjson.dumps({key: value for key, value in shown.items() if key not in ("kind", "apiVersion")})


class Lister:
    """Answers lists from the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._snapshots: OrderedDict[str, list[Stored]] = OrderedDict()

    def page(self, target: Target, query: Mapping[str, str]) -> Page:
        """Raises StatusError 400, 410, 422 or 504."""
        chosen, options = selection(target.kind, query), ListOptions.read(query, watch=False)
        if options.token:
            if options.version:
                raise status_errors.bad_request("specifying resource version is not allowed when using continue")
            version, start, snapshot = self._resume(target, options.token, chosen)
        else:
            version, snapshot = self._snapshot(target, options, chosen)
            start = 0
        limit = 0 if options.text == "0" and not options.token else options.limit
        end = start + limit if limit else len(snapshot)
        if end >= len(snapshot):
            return Page(snapshot[start:], version)
        more = self._remember(version, end, snapshot)
        remaining = len(snapshot) - end if chosen.everything else None
        return Page(snapshot[start:end], version, more, remaining)

    def _snapshot(self, target: Target, options: ListOptions, chosen: Selection) -> tuple[int, list[Stored]]:
        """The version of a list, and everything that it has on all its pages."""
        if options.version > self._store.version:
            raise status_errors.version_too_large(options.version, self._store.version)
        collection, namespace = self._store.of(target.kind), target.namespace or None
        if options.exact:
            version = options.version
            try:
                entries = collection.entries_at(version, namespace)
            except HistoryLost as error:
                raise status_errors.expired("The resourceVersion for the provided list is too old.") from error
        else:
            version, entries = self._store.version, collection.entries(namespace)
        if chosen.everything:
            return version, [stored for _, stored in entries]
        return version, [stored for _, stored in entries if chosen.matches(stored.body)]

    def _remember(self, version: int, start: int, snapshot: list[Stored]) -> str:
        key = f"{version}/{id(snapshot)}"
        self._snapshots[key] = snapshot
        self._snapshots.move_to_end(key)
        while len(self._snapshots) > _SNAPSHOTS:
            self._snapshots.popitem(last=False)
        last = snapshot[start - 1].body
        return _token(version=version, start=start, key=key, after=(namespace_of(last), name_of(last)))

    def _resume(self, target: Target, token: str, chosen: Selection) -> tuple[int, int, list[Stored]]:
        try:
            found = orjson.loads(urlsafe_b64decode(token.encode()))
            version, start, key = int(found["v"]), int(found["start"]), str(found["key"])
            after = (str(found["after"][0]), str(found["after"][1]))
        except (ValueError, LookupError, TypeError) as error:
            raise status_errors.bad_request(
                f"invalid continue token: continue key is not valid: {_first_problem(token)}"
            ) from error
        if version == _WHATEVER_VERSION:
            entries = self._store.of(target.kind).entries(target.namespace or None)
            rest = [stored for place, stored in entries if place > after and chosen.matches(stored.body)]
            return self._store.version, 0, rest
        snapshot = self._snapshots.get(key)
        if snapshot is None:
            raise status_errors.expired(_TOO_OLD, token=_token(version=_WHATEVER_VERSION, start=0, key="", after=after))
        return version, start, snapshot

    def forget(self) -> None:
        """Expires every continue token."""
        self._snapshots.clear()


def _token(*, version: int, start: int, key: str, after: tuple[str, str]) -> str:
    return urlsafe_b64encode(orjson.dumps({"v": version, "start": start, "key": key, "after": after})).decode()


def _first_problem(token: str) -> str:
    """What Go's decoder would say of a token that is none."""
    try:
        text = urlsafe_b64decode(token.encode() + b"=" * (-len(token) % 4)).decode(errors="replace")
    except ValueError:
        return "illegal base64 data"
    return f"invalid character {text[0]!r} looking for beginning of value" if text else "unexpected end of JSON input"
