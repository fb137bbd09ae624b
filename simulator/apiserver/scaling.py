"""The scale subresource: a workload's replicas as an autoscaling/v1 Scale, to be read, replaced, patched, applied."""

from dataclasses import replace
from typing import Any

from simulator.apiserver import status_errors
from simulator.apiserver.apply import read_configuration
from simulator.apiserver.call import Answer, Call
from simulator.apiserver.field_errors import invalid_value
from simulator.apiserver.kind import Kind
from simulator.apiserver.managed_fields import APPLY, UPDATE, FieldManager
from simulator.apiserver.objects import Object, at, copy_of, metadata, name_of
from simulator.apiserver.ownership import Ownerships
from simulator.apiserver.patching import Patch
from simulator.apiserver.resources import Resources
from simulator.apiserver.wire_form import decode
from simulator.apiserver.write_options import APPLY_PATCH, WriteOptions

SCALE = Kind("autoscaling", "v1", "Scale", "scales")
_USUAL_PATHS = {"spec": "spec.replicas", "status": "status.replicas", "selector": ""}


def scale_of(kind: Kind, obj: Object) -> Object:
    """A workload as an autoscaling/v1 Scale."""
    kept = {
        key: value
        for key, value in metadata(obj).items()
        if key in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    }
    paths = _paths(kind)
    replicas, selector = at(obj, paths["spec"]), _selector(obj, paths["selector"])
    return {
        "kind": "Scale",
        "apiVersion": SCALE.api_version,
        "metadata": kept,
        "spec": {"replicas": replicas} if replicas else {},
        "status": {"replicas": at(obj, paths["status"]) or 0} | ({"selector": selector} if selector else {}),
    }


def _paths(kind: Kind) -> dict[str, str]:
    """Where a kind keeps what a Scale shows; dotted, without the leading dot."""
    named = {
        "spec": kind.scale_paths.get("specReplicasPath"),
        "status": kind.scale_paths.get("statusReplicasPath"),
        "selector": kind.scale_paths.get("labelSelectorPath"),
    }
    return _USUAL_PATHS | {word: str(path).lstrip(".") for word, path in named.items() if path}


def _selector(obj: Object, path: str) -> str:
    if path:
        return str(at(obj, path) or "")
    chosen = at(obj, "spec.selector") or {}
    labels = chosen.get("matchLabels", {}) if "matchLabels" in chosen or "matchExpressions" in chosen else chosen
    terms = [f"{key}={value}" for key, value in sorted(labels.items())]
    for one in chosen.get("matchExpressions") or ():
        values = f"({','.join(sorted(one.get('values') or ()))})"
        forms = {"In": f"{one.get('key')} in {values}", "NotIn": f"{one.get('key')} notin {values}"}
        others = {"Exists": str(one.get("key")), "DoesNotExist": f"!{one.get('key')}"}
        terms.append((forms | others).get(str(one.get("operator")), ""))
    return ",".join(terms)


class Scaling:
    """Answers get, update and patch of a Scale; all raise StatusError."""

    def __init__(self, resources: Resources, ownership: Ownerships) -> None:
        self._resources = resources
        self._ownership = ownership

    async def answer(self, call: Call, verb: str) -> Answer:
        obj = self._resources.get(call.kind, call.target.namespace, call.target.name)
        if verb == "get":
            return Answer.of(scale_of(call.kind, obj))
        if verb not in ("update", "patch"):
            raise status_errors.method_not_allowed()
        options = WriteOptions.read(call, verb)
        manager = FieldManager(options.manager, UPDATE, call.kind.api_version, "scale")
        if verb == "update":
            wanted = decode(SCALE, call.body, call.content_type)
        elif call.content_type == APPLY_PATCH:
            wanted, manager = read_configuration(SCALE, call.body), replace(manager, operation=APPLY)
        else:
            wanted = Patch(call.content_type, call.body).apply(scale_of(call.kind, obj))
        return Answer.of(scale_of(call.kind, self._rescaled(call, obj, wanted, manager, force=options.force)))

    def _rescaled(self, call: Call, obj: Object, wanted: Object, manager: FieldManager, *, force: bool) -> Object:
        replicas = at(wanted, "spec.replicas") or 0
        if not isinstance(replicas, int) or replicas < 0:
            bad = invalid_value("spec.replicas", replicas, "must be greater than or equal to 0")
            raise status_errors.invalid(SCALE, name_of(obj), [bad])
        if manager.operation == APPLY:
            new = self._ownership.apply_scale(call.kind, obj, replicas, manager, force=force)
            new = obj | {"metadata": copy_of(new["metadata"]), "spec": copy_of(obj["spec"])}
        else:
            new = copy_of(obj)
        _set(new, _paths(call.kind)["spec"], replicas)
        if manager.operation == UPDATE:
            self._ownership.record_scaling(call.kind, obj, new, manager)
        for field in ("resourceVersion", "uid"):
            sent = at(wanted, f"metadata.{field}")
            if sent:
                metadata(new)[field] = sent
        return self._resources.update(call.kind, obj, new, dry_run=call.dry_run).body


def _set(obj: Object, path: str, value: Any) -> None:
    *above, last = path.split(".")
    for step in above:
        obj = obj.setdefault(step, {})
    obj[last] = value
