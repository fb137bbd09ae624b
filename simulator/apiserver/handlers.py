"""The verbs on resources: reads a call, lets admission, strategies and the store do their part, encodes
the answer.

Knows HTTP's side of Kubernetes (which code, Table or object, which body a deletion answers with) and
nothing of storage rules.
"""

from collections.abc import Callable
from datetime import datetime
from random import Random

from simulator.apiserver import status_errors
from simulator.apiserver.admission import Admission
from simulator.apiserver.call import Answer, Call, success
from simulator.apiserver.delete_options import DeleteOptions
from simulator.apiserver.field_errors import immutable, invalid_value
from simulator.apiserver.kinds import SERVICE, Kind
from simulator.apiserver.listing import Lister, selection
from simulator.apiserver.objects import Object, metadata, name_of, namespace_of
from simulator.apiserver.patching import Patch
from simulator.apiserver.resources import Resources, Written
from simulator.apiserver.store import Store, Stored
from simulator.apiserver.tables import TableMaker, wants_table
from simulator.apiserver.watching import Encoder, TableEncoder, Watcher, WatchRequest
from simulator.apiserver.wire_form import as_kept, decode, decode_options, typed

DEFAULT_BOOKMARK_SECONDS = 60.0


class Handlers:
    """One method a verb; all raise StatusError."""

    def __init__(
        self,
        store: Store,
        resources: Resources,
        admission: Admission,
        *,
        now: Callable[[], datetime],
        rng: Random,
        bookmark_seconds: float = DEFAULT_BOOKMARK_SECONDS,
    ) -> None:
        self._store = store
        self._resources = resources
        self._admission = admission
        self._now = now
        self._rng = rng
        self._bookmark_seconds = bookmark_seconds
        self.lister = Lister(store)

    async def get(self, call: Call) -> Answer:
        stored = self._store.of(call.kind).get(call.target.namespace, call.target.name)
        if stored is None:
            raise status_errors.not_found(call.kind, call.target.name)
        if wants_table(call.accept):
            return Answer(self._table(call).encode([stored], {"resourceVersion": str(stored.version)}))
        return Answer(stored.whole(call.kind))

    async def list(self, call: Call) -> Answer:
        page = self.lister.page(call.target, call.query)
        if wants_table(call.accept):
            return Answer(self._table(call).encode(page.items, page.metadata()))
        return Answer(page.encode(call.kind))

    async def watch(self, call: Call) -> Answer:
        request = WatchRequest.read(call.target, call.query, self._rng)
        encoder = Encoder(call.kind)
        if wants_table(call.accept):
            encoder = TableEncoder(call.kind, include=call.query.get("includeObject", ""))
        watcher = Watcher(self._store, request, encoder, bookmark_seconds=self._bookmark_seconds)
        return Answer(chunks=watcher.chunks())

    async def create(self, call: Call) -> Answer:
        body = self._read(call)
        _check_place(call, body)
        return self._answer(call.kind, await self.create_object(call.kind, body, dry_run=call.dry_run))

    async def create_object(self, kind: Kind, body: Object, *, dry_run: bool) -> Written:
        """Defaults, admits and stores a new object."""
        kind.strategy.default(body)
        await self._admission.admit_create(kind, body)
        return self._resources.create(kind, body, dry_run=dry_run)

    async def update(self, call: Call) -> Answer:
        body = self._read(call)
        _check_place(call, body)
        metadata(body).setdefault("name", call.target.name)
        _check_name(call, body)
        stored = self._store.of(call.kind).get(call.target.namespace, call.target.name)
        if stored is None and call.kind.create_on_update and not call.target.subresource:
            return self._answer(call.kind, await self.create_object(call.kind, body, dry_run=call.dry_run))
        if stored is None:
            raise status_errors.not_found(call.kind, call.target.name)
        return self._answer(call.kind, self.replace(call, stored.body, body))

    async def patch(self, call: Call) -> Answer:
        patch = Patch(call.content_type, call.body)
        old = self._resources.get(call.kind, call.target.namespace, call.target.name)
        new = typed(call.kind, patch.apply(old))
        self._check_patched(call.kind, new)
        _check_place(call, new)
        _check_name(call, new)
        uid = metadata(new).get("uid")
        if uid and uid != metadata(old)["uid"]:  # told twice, as the real server does
            raise status_errors.invalid(call.kind, name_of(old), [immutable("metadata.uid", uid)] * 2)
        return self._answer(call.kind, self.replace(call, old, as_kept(new)))

    def replace(self, call: Call, old: Object, new: Object) -> Written:
        """Defaults and stores the new form of an object, or of its status."""
        status = call.target.subresource == "status"
        if not status or call.kind is not SERVICE:
            call.kind.strategy.default(new)
        if call.kind is SERVICE and not status:
            call.kind.strategy.update(new, old)
            self._admission.allocate_service(new)
        return self._resources.update(call.kind, old, new, status=status, dry_run=call.dry_run)

    def _read(self, call: Call) -> Object:
        body = decode(call.kind, call.body, call.content_type)
        self._resources.check_shape(call.kind, body)
        kept: Object = as_kept(body)
        return kept

    def _check_patched(self, kind: Kind, new: Object) -> None:
        try:
            self._resources.check_shape(kind, new)
        except status_errors.StatusError as error:
            nothing = Kind("", "", "", "")
            raise status_errors.invalid(nothing, "", [invalid_value("patch", {}, error.message)]) from error

    async def delete(self, call: Call) -> Answer:
        self._admission.admit_delete(call.kind, call.target.name)
        options = self._options(call)
        old = self._resources.get(call.kind, call.target.namespace, call.target.name)
        written = self._resources.delete(call.kind, old, options)
        if written.gone and not call.kind.returns_deleted:
            return Answer.of(success(call.kind, call.target.name, uid=metadata(old)["uid"]))
        return self._answer(call.kind, written)

    async def deletecollection(self, call: Call) -> Answer:
        options, chosen = self._options(call), selection(call.kind, call.query)
        deleted = []
        for (_, name), stored in self._store.of(call.kind).entries(call.target.namespace or None):
            if chosen.matches(stored.body):
                self._admission.admit_delete(call.kind, name)
                deleted.append(self._resources.delete(call.kind, stored.body, options).body)
        head = {"kind": f"{call.kind.kind}List", "apiVersion": call.kind.api_version}
        return Answer.of(head | {"metadata": {"resourceVersion": str(self._store.version)}, "items": deleted})

    def _options(self, call: Call) -> DeleteOptions:
        return DeleteOptions.read(decode_options(call.body, call.content_type), call.query)

    def _table(self, call: Call) -> TableMaker:
        return TableMaker(call.kind, include=call.query.get("includeObject", ""), now=self._now())

    def _answer(self, kind: Kind, written: Written) -> Answer:
        return Answer(Stored(kind, written.body, 0).whole(kind), 201 if written.created else 200)


def _check_place(call: Call, body: Object) -> None:
    """The namespace of the body is that of the path. Raises StatusError 400 or 405."""
    if not call.kind.namespaced:
        if namespace_of(body):
            del metadata(body)["namespace"]
        return
    if not call.target.namespace:
        raise status_errors.method_not_allowed()
    metadata(body).setdefault("namespace", call.target.namespace)
    if namespace_of(body) != call.target.namespace:
        raise status_errors.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )


def _check_name(call: Call, body: Object) -> None:
    """The name of the body is that of the path. Raises StatusError 400."""
    named, url = name_of(body), call.target.name
    if named != url:
        text = f"the name of the object ({named}) does not match the name on the URL ({url})"
        raise status_errors.bad_request(text)
