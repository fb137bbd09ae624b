"""Charging writes to the quotas of their namespace, and keeping those quotas' status."""

from collections.abc import Iterator

from simulator.apiserver import status_errors
from simulator.apiserver.kinds import POD, Kind, find
from simulator.apiserver.objects import Object, at, name_of, namespace_of
from simulator.apiserver.plugins.pod_resources import Amounts, add, written
from simulator.apiserver.plugins.quotas import growth, in_scope, refusal, unspecified, usage
from simulator.apiserver.store import Store

_PLURALS = {
    "requests.storage": "persistentvolumeclaims",
    "configmaps": "configmaps",
    "secrets": "secrets",
    "resourcequotas": "resourcequotas",
    "replicationcontrollers": "replicationcontrollers",
}


class QuotaKeeper:
    """Asks every quota of a namespace about a write, then writes what is used into them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kind = find("", "v1", "resourcequotas")

    def charge(self, kind: Kind, new: Object, old: Object | None, *, dry_run: bool) -> None:
        """Raises StatusError 403 if a quota has no room. The first refusal counts; then no quota is charged."""
        if self._kind is None:
            return
        resource, due = kind.qualified, list[tuple[Object, Amounts]]()
        for _, stored in self._store.of(self._kind).entries(namespace_of(new)):
            quota = stored.body
            hard = at(quota, "spec.hard") or {}
            added = {name: value for name, value in growth(resource, new, old).items() if name in hard}
            counts = any(_resource(name) == resource for name in hard)
            if not counts or not in_scope(quota, resource, new):
                continue
            due.append((quota, self._used_after(kind, quota, new, old, added)))
        if not dry_run:
            for quota, used in due:
                self._write(quota, used)

    def _used_after(self, kind: Kind, quota: Object, new: Object, old: Object | None, added: Amounts) -> Amounts:
        if kind is POD and old is None:
            missing = unspecified(quota, new)
            if missing:
                why = f"failed quota: {name_of(quota)}: must specify {missing}"
                raise status_errors.forbidden(kind, name_of(new), why)
        used = usage(quota, self._objects(quota))
        refused = refusal(quota, added, used)
        if refused:
            raise status_errors.forbidden(kind, name_of(new), refused)
        return add(used, added)

    def _objects(self, quota: Object) -> Iterator[tuple[str, Object]]:
        """The objects that the quota may count, each with its resource."""
        wanted = {_resource(name) for name in at(quota, "spec.hard") or ()}
        for collection in self._store.collections():
            resource = collection.kind.qualified
            if resource in wanted:
                for _, stored in collection.entries(namespace_of(quota)):
                    yield resource, stored.body

    def _write(self, quota: Object, used: Amounts) -> None:
        status = {"hard": at(quota, "spec.hard"), "used": {name: written(amount) for name, amount in used.items()}}
        if self._kind is not None and quota.get("status") != status:
            self._store.write(self._kind, quota | {"status": status})


def _resource(name: str) -> str:
    """Which objects a quota's resource counts: `count/jobs.batch` jobs.batch, `requests.cpu` pods."""
    if name.startswith("count/"):
        return name.removeprefix("count/")
    if "storageclass.storage.k8s.io/" in name or name == "persistentvolumeclaims":
        return "persistentvolumeclaims"
    if name.startswith("services"):
        return "services"
    return _PLURALS.get(name, "pods")
