"""`metadata.managedFields`: who owns which fields, kept up on every write.

A change (operation Update) takes what it touches from everybody else. An application (operation Apply) owns what it
says, conflicts with others who own what it would change, and removes what it said before and says no more.
As the field managers of `k8s.io/apimachinery/pkg/util/managedfields` v0.36 do, but for one thing: the fields that a
manager owns in one version of a kind are not converted to another.
"""

from dataclasses import dataclass, replace
from typing import Any

from simulator.apiserver import field_sets
from simulator.apiserver.field_sets import FieldSet, difference, intersection, union
from simulator.apiserver.field_types import FieldType
from simulator.apiserver.field_walks import NotOfType, compare, fields_of, merge, remove, with_parents
from simulator.apiserver.objects import Object, metadata

APPLY, UPDATE = "Apply", "Update"
_BEFORE_FIRST_APPLY, _OLDER_CHANGES = "before-first-apply", "ancient-changes"
_MOST_UPDATERS = 10
_UNTRACKED: FieldSet = {
    "f:apiVersion": {}, "f:kind": {},
    "f:metadata": {".": {}} | {f"f:{name}": {} for name in (
        "name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation", "managedFields",
        "resourceVersion",
    )},
}  # fmt: skip


@dataclass(frozen=True)
class FieldManager:
    """Who writes: its name, how, in which API version, through which subresource."""

    name: str
    operation: str
    api_version: str
    subresource: str = ""


@dataclass(frozen=True)
class Ownership:
    """The fields of one manager; `time` None for one that was never told."""

    fields: FieldSet
    time: str | None = None


Owners = dict[FieldManager, Ownership]


class ApplyConflict(Exception):
    """Others own fields that an application would change."""

    def __init__(self, conflicts: list[tuple[FieldManager, str]]) -> None:
        super().__init__(f"{len(conflicts)} conflicts")
        self.conflicts = conflicts


def decode_owners(entries: Any) -> Owners:
    """Of an object's managedFields; entries that are none are left out."""
    found: Owners = {}
    for entry in entries or ():
        if not isinstance(entry, dict) or not isinstance(entry.get("fieldsV1"), dict):
            continue
        manager = FieldManager(
            entry.get("manager", ""),
            entry.get("operation", ""),
            entry.get("apiVersion", ""),
            entry.get("subresource", ""),
        )
        found[manager] = Ownership(entry["fieldsV1"], entry.get("time"))
    return found


def encode_owners(owners: Owners) -> list[Object]:
    """Sorted as the real server sorts: applications first, then by time and name."""
    entries = []
    for manager, one in sorted(
        owners.items(),
        key=lambda pair: (
            pair[0].operation,
            pair[1].time or "",
            pair[0].name,
            pair[0].api_version,
            pair[0].subresource,
        ),
    ):
        entry = {"manager": manager.name, "operation": manager.operation, "apiVersion": manager.api_version}
        if one.time:
            entry["time"] = one.time
        entries.append(entry | {"fieldsType": "FieldsV1", "fieldsV1": one.fields} | _through(manager))
    return entries


def _through(manager: FieldManager) -> Object:
    return {"subresource": manager.subresource} if manager.subresource else {}


def wants_reset(entries: Any) -> bool:
    """One empty entry asks the server to forget all ownership."""
    return isinstance(entries, list) and len(entries) == 1 and not any((entries[0] or {}).values())


def record_change(  # the parts of one comparison
    old: Object, new: Object, manager: FieldManager, of: FieldType, *, ignored: FieldSet, now: str
) -> None:
    """Writes into `new` who owns its fields after it takes the place of `old` (without a uid: nothing stood there)."""
    sent = metadata(new).pop("managedFields", None)
    standing = metadata(old).get("managedFields") or []
    if wants_reset(sent):
        return
    owners = decode_owners(sent) or decode_owners(standing)
    if not owners and "uid" in metadata(old):
        return  # nobody has asked for ownership to be kept since it was reset
    try:
        after = _changed(old, new, manager, of, owners, ignored=ignored, now=now)
    except NotOfType:  # validation refuses the object in better words; ownership stays as it was
        after = owners
    if after is owners and owners == decode_owners(standing):
        metadata(new)["managedFields"] = standing
    elif after:
        metadata(new)["managedFields"] = encode_owners(after)


def _changed(
    old: Object, new: Object, manager: FieldManager, of: FieldType, owners: Owners, *, ignored: FieldSet, now: str
) -> Owners:
    touched, gone = compare(_bare(old), _bare(new), of)
    touched = field_sets.without_below(_tracked(touched), ignored)
    gone = field_sets.without_below(_tracked(gone), ignored)
    if not touched and not gone:
        return owners
    after: Owners = {}
    for other, one in owners.items():
        left = difference(difference(one.fields, touched), gone)
        if left:
            after[other] = Ownership(left, one.time)
    if touched:
        mine = owners.get(manager)
        fields = union(difference(mine.fields, gone), touched) if mine else touched
        after[manager] = Ownership(fields, now or None)
    return _capped(after)


def apply(
    live: Object, config: Object, manager: FieldManager, of: FieldType, *, force: bool, ignored: FieldSet, now: str
) -> Object:
    """The live object (or {}: a new one) with a configuration applied. Raises ApplyConflict."""
    standing = metadata(live).get("managedFields") or [] if live else []
    owners, bare = decode_owners(standing), _bare(live)
    if live and not owners:
        first = replace(manager, name=_BEFORE_FIRST_APPLY, operation=UPDATE, subresource="")
        owners = _changed({}, bare, first, of, {}, ignored=ignored, now=now)
    said = field_sets.without_below(_tracked(fields_of(config, of)), ignored)
    last = next((one for one in owners if replace(one, api_version=manager.api_version) == manager), manager)
    before = owners.get(last)  # who applies is the same manager in every version
    owners = {other: one for other, one in owners.items() if other != last}
    owners[manager] = Ownership(said, before.time if before else None)
    merged = _pruned(merge(bare, config, of) if live else config, owners, before, of)
    touched, gone = compare(bare, merged, of)
    touched, gone = _tracked(touched), _tracked(gone)
    owners = _taken(owners, manager, touched, gone, force=force)
    if manager in owners and (touched or gone or not live):  # who changes nothing is told no new time
        owners[manager] = Ownership(owners[manager].fields, now or None)
    entries = encode_owners(owners)
    return merged | {"metadata": merged["metadata"] | {"managedFields": entries}}


def _taken(owners: Owners, manager: FieldManager, touched: FieldSet, gone: FieldSet, *, force: bool) -> Owners:
    conflicts: list[tuple[FieldManager, str]] = []
    after: Owners = {}
    for other, one in owners.items():
        left = one.fields
        if other != manager:
            both = intersection(one.fields, touched)
            conflicts += [(other, path) for path in field_sets.paths(both)]
            left = difference(difference(one.fields, both), gone)
        if left:
            after[other] = Ownership(left, one.time)
    if conflicts and not force:
        raise ApplyConflict(conflicts)
    return after


def _pruned(merged: Object, owners: Owners, before: Ownership | None, of: FieldType) -> Object:
    """Without what the manager applied before and nobody owns now (`merge/update.go`, `prune`)."""
    if before is None or not before.fields:
        return merged
    last, all_fields = with_parents(before.fields, of), with_parents(fields_of(merged, of), of)
    pruned: Any = remove(merged, last, of) or {}
    owned: FieldSet = {}
    for one in owners.values():
        owned = union(owned, one.fields)
    left = union(with_parents(fields_of(pruned, of), of), with_parents(owned, of))
    pruned = remove(merged, difference(all_fields, left), of) or {}
    left = with_parents(fields_of(pruned, of), of)
    pruned = remove(merged, intersection(difference(all_fields, left), last), of) or {}
    system = {key: value for key, value in metadata(merged).items() if f"f:{key}" in _UNTRACKED["f:metadata"]}
    found: Object = pruned
    return found | {"metadata": (found.get("metadata") or {}) | system}


def _bare(obj: Object) -> Object:
    """The object as it is compared: without the record itself."""
    meta = obj.get("metadata") or {}
    return obj | {"metadata": {key: value for key, value in meta.items() if key != "managedFields"}}


def _tracked(fields: FieldSet) -> FieldSet:
    meta = fields.get("f:metadata")
    left = {key: node for key, node in fields.items() if key not in _UNTRACKED}
    if meta is not None:
        mine = {key: node for key, node in meta.items() if key not in _UNTRACKED["f:metadata"]}
        if mine:
            left["f:metadata"] = mine
    return left


def _capped(owners: Owners) -> Owners:
    """At most ten managers of changes: the oldest become one."""
    updaters = sorted(
        (one for one in owners if one.operation == UPDATE and not one.subresource),
        key=lambda one: owners[one].time or "",
    )
    surplus = updaters[: max(0, len(updaters) - _MOST_UPDATERS + 1)] if len(updaters) > _MOST_UPDATERS else []
    if not surplus:
        return owners
    left = {manager: one for manager, one in owners.items() if manager not in surplus}
    merged: FieldSet = {}
    for manager in surplus:
        merged = union(merged, owners[manager].fields)
    newest = owners[surplus[-1]]
    old = FieldManager(_OLDER_CHANGES, UPDATE, surplus[-1].api_version)
    return left | {old: Ownership(merged, newest.time)}
