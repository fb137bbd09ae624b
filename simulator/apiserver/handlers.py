"""The verbs on resources: reads a call, lets admission, strategies and the store do their part, encodes
the answer.

Knows HTTP's side of Kubernetes (which code, Table or object, which body a deletion answers with) and
nothing of storage rules.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from random import Random

from simulator.apiserver import status_errors
from simulator.apiserver.admission import Admission
from simulator.apiserver.apply import check_identity, read_configuration
from simulator.apiserver.call import Answer, Call, success
from simulator.apiserver.delete_options import DeleteOptions
from simulator.apiserver.field_errors import immutable
from simulator.apiserver.kinds import SERVICE, Kind
from simulator.apiserver.listing import Lister
from simulator.apiserver.managed_fields import APPLY, UPDATE, FieldManager
from simulator.apiserver.objects import Object, metadata, name_of, namespace_of
from simulator.apiserver.ownership import Ownerships
from simulator.apiserver.partial_metadata import PartialEncoder, partial, partial_list, wants_partial
from simulator.apiserver.patching import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, Patch
from simulator.apiserver.resizing import resized
from simulator.apiserver.resources import Resources, Written
from simulator.apiserver.store import Store, Stored
from simulator.apiserver.tables import TableMaker, wants_table
from simulator.apiserver.watching import Encoder, TableEncoder, Watcher, WatchRequest
from simulator.apiserver.wire_form import FieldChecks, as_kept, decode_options, patched, received, typed
from simulator.apiserver.write_options import APPLY_PATCH, WriteOptions

DEFAULT_BOOKMARK_SECONDS = 60.0


def _unchanged(call: Call, obj: Object) -> Object:
    return obj


def _unguarded(call: Call, new: Object, old: Object | None) -> None:
    """Without roles there is nothing to give away."""


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
        mutate: Callable[[Call, Object], Object] = _unchanged,
        guard: Callable[[Call, Object, Object | None], None] = _unguarded,
    ) -> None:
        """`mutate` is given every new form of an object after its defaults, as a mutating webhook is; `guard` before
        that, with what stands, and raises StatusError if the user may not write just this.
        """
        self._store = store
        self._resources = resources
        self._admission = admission
        self._now = now
        self._rng = rng
        self._bookmark_seconds = bookmark_seconds
        self._mutate = mutate
        self._guard = guard
        self.lister = Lister(store)
        self.ownership = Ownerships(now=now)

    async def get(self, call: Call) -> Answer:
        stored = self._store.of(call.kind).get(call.target.namespace, call.target.name)
        if stored is None:
            raise status_errors.not_found(call.kind, call.target.name)
        asked = call.query.get("resourceVersion", "")
        if asked.isdigit() and int(asked) > self._store.version:
            raise status_errors.version_too_large(int(asked), self._store.version)
        return Answer(self._shown(call, stored))

    async def list(self, call: Call) -> Answer:
        page = self.lister.page(call.target, call.query)
        if wants_table(call.accept):
            return Answer(self._table(call).encode(page.items, page.metadata()))
        if wants_partial(call.kind, call.accept, listed=True):
            return Answer(partial_list(page))
        return Answer(page.encode(call.kind))

    async def watch(self, call: Call) -> Answer:
        request = WatchRequest.read(call.target, call.query, self._rng)
        encoder = Encoder(call.kind)
        if wants_table(call.accept):
            encoder = TableEncoder(call.kind, include=call.query.get("includeObject", ""))
        elif wants_partial(call.kind, call.accept):
            encoder = PartialEncoder(call.kind)
        watcher = Watcher(self._store, request, encoder, bookmark_seconds=self._bookmark_seconds)
        return Answer(chunks=watcher.chunks())

    async def create(self, call: Call) -> Answer:
        options = WriteOptions.read(call, "create")
        body, checks = self._read(call, options)
        _check_place(call, body)
        body = call.kind.kept(body)
        return self._answer(call, await self._create(call, body, _updater(call, options)), checks)

    async def _create(self, call: Call, body: Object, manager: FieldManager) -> Written:
        def mutate(obj: Object) -> Object:
            return self._mutate(call, obj)

        self._guard(call, body, None)

        return await self.create_object(call.kind, body, dry_run=call.dry_run, manager=manager, mutate=mutate)

    async def create_object(
        self,
        kind: Kind,
        body: Object,
        *,
        dry_run: bool,
        manager: FieldManager | None = None,
        mutate: Callable[[Object], Object] | None = None,
    ) -> Written:
        """Defaults, admits and stores a new object; without a manager nobody's ownership is recorded."""
        kind.strategy.default(body)
        if manager is None:
            metadata(body).pop("managedFields", None)
        elif manager.operation == UPDATE:
            self._record(kind, {}, body, manager)
        if mutate is not None:
            body = mutate(body)
        await self._admission.admit_create(kind, body)
        return self._resources.create(kind, body, dry_run=dry_run)

    async def update(self, call: Call) -> Answer:
        options = WriteOptions.read(call, "update")
        body, checks = self._read(call, options)
        _check_place(call, body)
        metadata(body).setdefault("name", call.target.name)
        _check_name(call, body)
        body = call.kind.kept(body)
        manager = _updater(call, options)
        stored = self._store.of(call.kind).get(call.target.namespace, call.target.name)
        if stored is None and call.kind.create_on_update and not call.target.subresource:
            metadata(body).pop("resourceVersion", None)
            return self._answer(call, await self._create(call, body, manager), checks)
        if stored is None:
            raise status_errors.not_found(call.kind, call.target.name)
        return self._answer(call, self.replace(call, stored.body, body, manager), checks)

    async def patch(self, call: Call) -> Answer:
        options = WriteOptions.read(call, "patch")
        if call.content_type == APPLY_PATCH:
            return await self._apply(call, options)
        if call.kind.custom is not None and call.content_type == STRATEGIC_PATCH:
            raise status_errors.unsupported_media_type((JSON_PATCH, MERGE_PATCH, APPLY_PATCH))
        patch = Patch(call.content_type, call.body)
        old = self._resources.get(call.kind, call.target.namespace, call.target.name)
        found, checks = patch.apply(call.kind.shown(old)), FieldChecks(options.field_validation)
        strategic = patch.document if call.content_type == STRATEGIC_PATCH else None
        new = call.kind.kept(patched(call.kind, found, checks, strategic=strategic, raw=call.body))
        _check_place(call, new)
        _check_name(call, new)
        _check_uid(call.kind, old, new)
        return self._answer(call, self.replace(call, old, new, _updater(call, options)), checks)

    async def _apply(self, call: Call, options: WriteOptions) -> Answer:
        """Server-side apply: the object with the configuration in it, new or not."""
        config = read_configuration(call.kind, call.body)
        metadata(config).setdefault("name", call.target.name)
        _check_place(call, config)
        _check_name(call, config)
        manager = replace(_updater(call, options), operation=APPLY)
        stored = self._store.of(call.kind).get(call.target.namespace, call.target.name)
        live = stored.body if stored else {}
        shown = call.kind.shown(live) if stored else {}
        if stored is None and call.target.subresource:
            raise status_errors.not_found(call.kind, call.target.name)
        merged = self.ownership.apply(call.kind, shown, config, manager, force=options.force)
        new = call.kind.kept(as_kept(call.kind, typed(call.kind, merged)))
        if stored is None:
            check_identity(call.kind, call.target.name, config)
            metadata(new).pop("resourceVersion", None)
            return self._answer(call, await self._create(call, new, manager))
        _check_uid(call.kind, live, new)
        return self._answer(call, self.replace(call, live, new, manager))

    def replace(self, call: Call, old: Object, new: Object, manager: FieldManager) -> Written:
        """Defaults and stores the new form of an object, or of its status."""
        if call.target.subresource == "resize":
            return self._resize(call, old, new, manager)
        status = call.target.subresource == "status"
        self._guard(call, new, old)
        if not status or call.kind is not SERVICE:
            call.kind.strategy.default(new)
        if manager.operation == UPDATE:
            self._record(call.kind, old, new, manager)
        new = self._mutate(call, new)
        if call.kind is SERVICE and not status:
            call.kind.strategy.update(new, old)
            self._admission.allocate_service(new)
        return self._resources.update(call.kind, old, new, status=status, dry_run=call.dry_run)

    def _record(self, kind: Kind, old: Object, new: Object, manager: FieldManager) -> None:
        """Writes into `new` who owns its fields, by the names that they have in the form in which they were sent."""
        if kind.form_of is None:
            self.ownership.record(kind, old, new, manager)
            return
        shown = kind.shown(new)
        self.ownership.record(kind, kind.shown(old) if old else {}, shown, manager)
        metadata(new).pop("managedFields", None)
        if "managedFields" in metadata(shown):
            metadata(new)["managedFields"] = metadata(shown)["managedFields"]

    def _resize(self, call: Call, old: Object, wanted: Object, manager: FieldManager) -> Written:
        call.kind.strategy.default(wanted)
        new = resized(old, wanted)
        if manager.operation == UPDATE:
            self.ownership.record(call.kind, old, new, manager)
        return self._resources.replace_unchecked(call.kind, new, dry_run=call.dry_run)

    def _read(self, call: Call, options: WriteOptions) -> tuple[Object, FieldChecks]:
        checks = FieldChecks(options.field_validation)
        return received(call.kind, call.body, call.content_type, checks), checks

    async def delete(self, call: Call) -> Answer:
        self._admission.admit_delete(call.kind, call.target.name)
        options = self._options(call)
        old = self._resources.get(call.kind, call.target.namespace, call.target.name)
        written = self._resources.delete(call.kind, old, options)
        if written.gone and not call.kind.returns_deleted:
            return Answer.of(success(call.kind, call.target.name, uid=metadata(old)["uid"]))
        return self._answer(call, written)

    async def deletecollection(self, call: Call) -> Answer:
        options, page = self._options(call), self.lister.page(call.target, call.query)
        deleted = []
        for stored in page.items:
            name, current = name_of(stored.body), self._store.of(call.kind)
            if current.get(namespace_of(stored.body), name) is stored:
                self._admission.admit_delete(call.kind, name)
                self._resources.delete(call.kind, stored.body, options)
                deleted.append(call.kind.shown(stored.body))
        head = {"kind": f"{call.kind.kind}List", "apiVersion": call.kind.api_version}
        items = [{key: value for key, value in one.items() if key not in ("kind", "apiVersion")} for one in deleted]
        return Answer.of(head | {"metadata": {"resourceVersion": str(self._store.version)}, "items": items})

    def _options(self, call: Call) -> DeleteOptions:
        return DeleteOptions.read(decode_options(call.body, call.content_type), call.query)

    def _table(self, call: Call) -> TableMaker:
        return TableMaker(call.kind, include=call.query.get("includeObject", ""), now=self._now())

    def _answer(self, call: Call, written: Written, checks: FieldChecks | None = None) -> Answer:
        stored = self._store.of(call.kind).get(namespace_of(written.body), name_of(written.body))
        if stored is None or stored.body is not written.body:  # dry runs, and what is gone
            stored = Stored(call.kind, written.body, 0)
        told = [*(checks.warnings if checks else ()), *written.warnings]
        warned = ", ".join(f'299 - "{_quoted(one)}"' for one in told)
        return Answer(
            self._shown(call, stored), 201 if written.created else 200, headers={"Warning": warned} if warned else {}
        )

    def _shown(self, call: Call, stored: Stored) -> bytes:
        """One object in the form that the client wants to see."""
        if wants_table(call.accept):
            version = metadata(stored.body).get("resourceVersion", "")
            return self._table(call).encode([stored], {"resourceVersion": version})
        if wants_partial(call.kind, call.accept):
            return partial(stored)
        return stored.whole(call.kind)


def _updater(call: Call, options: WriteOptions) -> FieldManager:
    return FieldManager(options.manager, UPDATE, call.kind.api_version, call.target.subresource)


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _check_uid(kind: Kind, old: Object, new: Object) -> None:
    """Told twice, as the real server does. Raises StatusError 422."""
    uid = metadata(new).get("uid")
    if uid and uid != metadata(old)["uid"]:
        raise status_errors.invalid(kind, name_of(old), [immutable("metadata.uid", uid)] * 2)


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
    if not named:
        text = f"the name of the object ({url} based on URL) was undeterminable: name must be provided"
        raise status_errors.bad_request(text)
    if named != url:
        text = f"the name of the object ({named}) does not match the name on the URL ({url})"
        raise status_errors.bad_request(text)
