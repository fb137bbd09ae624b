"""Sealing: from a proposal and the live object to a patch that fits this object, as it is, and no other.

Only this module writes ``test`` operations: uid, container names at their indices, old values, absence. The
change's id and verification deadline travel in the same patch, as annotations, so that whoever reads the
object later knows that it landed. resourceVersion is never tested: every status update moves it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import jsonpatch
import jsonpointer

from incidents.changes import CHANGE_ANNOTATION, UNTIL_ANNOTATION, Inverse, LeafChange, Operation
from incidents.objects import ChangeId, Manifest
from incidents.patch import between, edited, named_items, replacing
from incidents.pointers import ABSENT, PathNotFound, item_of, parts_of, resolve, value_at
from incidents.proposals import Proposal, RollBack, SetField
from incidents.snapshot import template_digest, template_of

ANNOTATIONS = ("metadata", "annotations")
OURS = (CHANGE_ANNOTATION, UNTIL_ANNOTATION)


class Unsealable(ValueError):
    """The proposal does not fit the object as it is now; the text says where."""


def seal(
    proposal: Proposal,
    live: Manifest,
    *,
    replica_sets: Sequence[Manifest] = (),
    change: ChangeId,
    until: datetime,
) -> tuple[Operation, ...]:
    """The patch of a proposal on the live object. Raises Unsealable."""
    if live["metadata"]["uid"] != proposal.target.uid:
        raise Unsealable("the object of that name is another one by now")
    if isinstance(proposal.action, RollBack):
        writes = _roll_back(proposal.action, live, replica_sets)
    else:
        writes = [operation for edit in proposal.edits for operation in _set_field(edit, live)]
    if not writes:
        raise Unsealable("the object has these values already")
    patch = (*_identity(live), *named_items(dict(live), writes), *writes, *mark(live, change, until))
    _rehearse(patch, live)
    return patch


def invert(live: Manifest, answer: Manifest, diff: Sequence[LeafChange]) -> Inverse:
    """Exactly back from the form the server answered to the live form, for the leaves that differ.

    ``answer`` is the server's own form of the changed object, so quantities are tested as it stores them.
    """
    roots = _roots(live, answer, diff)
    writes = [
        operation for root in roots for operation in between(value_at(answer, root), value_at(live, root), tuple(root))
    ]
    back = dict(value_at(answer, ANNOTATIONS) or {})
    before = value_at(live, ANNOTATIONS)
    for key in OURS:
        back.pop(key, None)
        if before is not ABSENT and key in before:
            back[key] = before[key]
    writes += between(value_at(answer, ANNOTATIONS), back, ANNOTATIONS)
    operations = (*_identity(live), *named_items(dict(answer), writes), *writes)
    return Inverse(operations=operations)


def _roots(live: Manifest, answer: Manifest, diff: Sequence[LeafChange]) -> list[list[str]]:
    """Where to invert: each leaf's place, or the nearest one above it whose parent both forms have."""
    roots: list[list[str]] = []
    for leaf in diff:
        parts = parts_of(leaf.pointer)
        for depth in range(1, len(parts) + 1):
            here = value_at(live, parts[:depth]), value_at(answer, parts[:depth])
            if ABSENT in here or depth == len(parts) or _differing_lists(*here):
                if parts[:depth] not in roots:
                    roots.append(parts[:depth])
                break
    return roots


def _differing_lists(one: Any, other: Any) -> bool:
    return isinstance(one, list) and isinstance(other, list) and len(one) != len(other)


def _set_field(edit: SetField, live: Manifest) -> list[Operation]:
    try:
        parts, value = edited(live, edit.path, ABSENT if edit.value is None else edit.value)
        found = _present(edit.path, live)
    except PathNotFound as error:
        raise Unsealable(str(error)) from error
    expected = ABSENT if edit.expected is None else edit.expected
    if found != expected:
        raise Unsealable(f"{edit.path} is not what the evidence said: it has been changed since")
    return replacing(live, parts, value)


def _present(path: str, live: Manifest) -> Any:
    """What stands at a field path; ABSENT for a named list item that is not there."""
    item = item_of(live, path)
    if item is None:
        return value_at(live, resolve(live, path))
    place, name = item
    items = value_at(live, place)
    found = [one for one in items if isinstance(one, dict) and one.get("name") == name] if items is not ABSENT else []
    return found[0] if found else ABSENT


def _roll_back(action: RollBack, live: Manifest, replica_sets: Sequence[Manifest]) -> list[Operation]:
    for item in replica_sets:
        if item["metadata"]["name"] == action.replica_set:
            if template_digest(item["spec"]["template"]) != action.digest:
                raise Unsealable(f"ReplicaSet {action.replica_set} does not carry the revision that was meant")
            return list(between(live["spec"]["template"], template_of(item), ("spec", "template")))
    raise Unsealable(f"ReplicaSet {action.replica_set} is gone: its revision cannot be put back")


def _identity(live: Manifest) -> list[Operation]:
    return [{"op": "test", "path": "/metadata/uid", "value": live["metadata"]["uid"]}]


def mark(live: Manifest, change: ChangeId, until: datetime) -> list[Operation]:
    """Operations that have an object carry a change's id and the end of its verification."""
    found = value_at(live, ANNOTATIONS)
    marked = {
        **({} if found is ABSENT else found),
        CHANGE_ANNOTATION: change,
        UNTIL_ANNOTATION: until.isoformat(timespec="seconds"),
    }
    return list(between(found, marked, ANNOTATIONS))


def _rehearse(patch: Sequence[Operation], live: Manifest) -> None:
    """Apply the patch to a copy, so that one that cannot apply is never sent.

    The library has no test for absence; those tests are left to the server and looked up here instead.
    """
    absent = [op for op in patch if op["op"] == "test" and op["value"] is None]
    if any(value_at(live, parts_of(op["path"])) is not ABSENT for op in absent):
        raise Unsealable("something stands where the proposal would add a field")
    try:
        jsonpatch.JsonPatch([op for op in patch if op not in absent]).apply(live)
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException) as error:
        raise Unsealable(f"the patch does not apply: {error}") from error
