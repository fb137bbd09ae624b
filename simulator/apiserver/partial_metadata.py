"""PartialObjectMetadata: objects without anything but their metadata, for clients that need no more."""

import orjson

from simulator.apiserver.kind import Kind
from simulator.apiserver.listing import Page
from simulator.apiserver.status_errors import StatusError
from simulator.apiserver.store import Stored
from simulator.apiserver.watching import Encoder

_HEAD = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}


def wants_partial(kind: Kind, accept: str, *, listed: bool = False) -> bool:
    """Whether the first media type that the client prefers is v1 metadata alone.

    Raises StatusError 406 for metadata of one object where a list is answered, and the other way round.
    """
    first = accept.split(",", 1)[0].replace(" ", "").split(";")
    single, many = "as=PartialObjectMetadata" in first, "as=PartialObjectMetadataList" in first
    if not (single or many) or "v=v1" not in first or "g=meta.k8s.io" not in first:
        return False
    internal = f"*{kind.group.partition('.')[0] or 'core'}.{kind.kind}"
    if single and listed:
        raise _not_acceptable(f"PartialObjectMetadata, but the requested object is a list ({internal}List)")
    if many and not listed:
        raise _not_acceptable(f"PartialObjectMetadataList, but the requested object is not a list ({internal})")
    return True


def _not_acceptable(why: str) -> StatusError:
    return StatusError(406, "NotAcceptable", f"you requested {why}")


def partial(stored: Stored) -> bytes:
    """One object."""
    return orjson.dumps(_HEAD | {"metadata": stored.body["metadata"]})


def partial_list(page: Page) -> bytes:
    """A page of a list."""
    head = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": page.metadata()}
    return orjson.dumps(head | {"items": [_HEAD | {"metadata": one.body["metadata"]} for one in page.items]})


class PartialEncoder(Encoder):
    """Events of a watch whose objects are metadata alone."""

    def event(self, word: str, stored: Stored) -> bytes:
        return b'{"type":"%b","object":%b}\n' % (word.encode(), partial(stored))

    def bookmark(self, version: int, *, ends_initial: bool = False) -> bytes:
        event = orjson.loads(super().bookmark(version, ends_initial=ends_initial))
        event["object"] = _HEAD | {"metadata": event["object"]["metadata"]}
        return orjson.dumps(event) + b"\n"
