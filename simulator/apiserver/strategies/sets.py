"""StatefulSets, DaemonSets, and the small kinds around workloads (`pkg/apis/apps`, `pkg/apis/core`, Kubernetes
v1.36).
"""

from collections.abc import Iterator

from simulator.apiserver.field_errors import (
    FieldError,
    forbidden_field,
    immutable,
    invalid_value,
    required,
    unsupported,
)
from simulator.apiserver.names import dns_label_problems
from simulator.apiserver.objects import Object, at, metadata
from simulator.apiserver.strategies.claims import default_claim, validate_claim_spec
from simulator.apiserver.strategies.forms import as_struct, fits, number_at_least, one_of
from simulator.apiserver.strategies.plain import content_generation, drop_status
from simulator.apiserver.strategies.pod_defaults import default_pod_spec
from simulator.apiserver.strategies.strategy import Strategy, spec_generation
from simulator.apiserver.strategies.workload import (
    Selecting,
    at_most_all,
    default_replicated,
    default_template,
    is_none,
    number_or_percent,
    selector_stays,
    template_warnings,
    validate_template,
)

_OTHER_FIELDS = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
    "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)
_MAY_CHANGE = frozenset(
    [
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    ]
)
_STATEFUL = Selecting("statefulset", "StatefulSet", "")
_DAEMON = Selecting("daemonset", "DaemonSet", None, required=False)
_TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


def _default_stateful_set(obj: Object) -> None:
    spec = default_replicated(obj)
    spec["podManagementPolicy"] = spec.get("podManagementPolicy") or "OrderedReady"
    strategy = spec.setdefault("updateStrategy", {})
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
        strategy.setdefault("rollingUpdate", {})
    if strategy["type"] == "RollingUpdate" and isinstance(strategy.get("rollingUpdate"), dict):
        strategy["rollingUpdate"].setdefault("partition", 0)
    kept = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
    for moment in ("whenDeleted", "whenScaled"):
        kept[moment] = kept.get(moment) or "Retain"
    spec.setdefault("revisionHistoryLimit", 10)
    for claim in spec.get("volumeClaimTemplates") or ():
        claim["kind"], claim["apiVersion"] = "PersistentVolumeClaim", "v1"
        default_claim(claim)


def _validate_stateful_set(obj: Object) -> Iterator[FieldError]:
    spec = obj["spec"]
    if spec["podManagementPolicy"] not in ("OrderedReady", "Parallel"):
        yield invalid_value(
            "spec.podManagementPolicy", spec["podManagementPolicy"], "must be 'OrderedReady' or 'Parallel'"
        )
    yield from _validate_stateful_update(spec["updateStrategy"], "spec.updateStrategy")
    for moment in ("whenDeleted", "whenScaled"):
        path = f"persistentVolumeClaimRetentionPolicy.{moment}"
        yield from one_of(at(spec, path), f"spec.{path}", ("Retain", "Delete"))
    for index, claim in enumerate(spec.get("volumeClaimTemplates") or ()):
        yield from validate_claim_spec(claim.get("spec") or {}, f"spec.volumeClaimTemplates[{index}].spec")
    yield from number_at_least(0, spec, "spec", "replicas", "minReadySeconds")
    yield from number_at_least(0, spec.get("ordinals") or {}, "spec.ordinals", "start")
    if spec.get("serviceName"):
        yield from fits(spec["serviceName"], "spec.serviceName", dns_label_problems)
    yield from validate_template(spec, selecting=_STATEFUL, volumes=_claim_names(spec))


def _validate_stateful_update(strategy: Object, path: str) -> Iterator[FieldError]:
    rolling = strategy.get("rollingUpdate")
    if strategy["type"] not in ("RollingUpdate", "OnDelete"):
        shown = as_struct(strategy, "type", "rollingUpdate")
        yield invalid_value(path, shown, "must be 'RollingUpdate' or 'OnDelete'")
    elif rolling is not None and strategy["type"] == "OnDelete":
        shown = as_struct(rolling, "partition", "maxUnavailable")
        yield invalid_value(f"{path}.rollingUpdate", shown, "only allowed for updateStrategy 'RollingUpdate'")
    elif rolling is not None:
        yield from number_at_least(0, rolling, f"{path}.rollingUpdate", "partition")


def _claim_names(spec: Object) -> set[str]:
    """What a claim template is named may be mounted like a volume."""
    return {str(at(one, "metadata.name")) for one in spec.get("volumeClaimTemplates") or ()}


def _only_some_may_change(new: Object, old: Object) -> Iterator[FieldError]:
    mine, theirs = new["spec"], old.get("spec") or {}
    changed = {key for key in mine.keys() | theirs.keys() if mine.get(key) != theirs.get(key)}
    if changed - _MAY_CHANGE:
        yield forbidden_field("spec", _OTHER_FIELDS)


def _default_daemon_set(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    default_template(spec)
    strategy = spec.setdefault("updateStrategy", {})
    strategy["type"] = strategy.get("type") or "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", 1)
        rolling.setdefault("maxSurge", 0)
    spec.setdefault("revisionHistoryLimit", 10)


def _create_daemon_set(obj: Object) -> None:
    drop_status(obj)
    metadata(obj)["annotations"] = (metadata(obj).get("annotations") or {}) | {_TEMPLATE_GENERATION: "1"}


def _update_daemon_set(new: Object, old: Object) -> None:
    """The template's own generation, which kubectl once asked for, still counts in an annotation."""
    count = int(str((metadata(old).get("annotations") or {}).get(_TEMPLATE_GENERATION) or 0))
    count += at(new, "spec.template") != at(old, "spec.template")
    metadata(new)["annotations"] = (metadata(new).get("annotations") or {}) | {_TEMPLATE_GENERATION: str(count)}


def _validate_daemon_set(obj: Object) -> Iterator[FieldError]:
    spec = obj["spec"]
    yield from validate_template(spec, selecting=_DAEMON)
    yield from number_at_least(0, spec, "spec", "minReadySeconds")
    strategy, path = spec["updateStrategy"], "spec.updateStrategy"
    if strategy["type"] == "RollingUpdate":
        yield from _validate_daemon_update(strategy["rollingUpdate"], f"{path}.rollingUpdate")
    elif strategy["type"] != "OnDelete":
        yield unsupported(path, as_struct(strategy, "type", "rollingUpdate"), ("RollingUpdate", "OnDelete"))
    yield from number_at_least(0, spec, "spec", "revisionHistoryLimit")


def _validate_daemon_update(rolling: Object, path: str) -> Iterator[FieldError]:
    bounds = ("maxUnavailable", "maxSurge")
    for bound in bounds:
        yield from number_or_percent(rolling[bound], f"{path}.{bound}")
    for bound in bounds:
        yield from at_most_all(rolling[bound], f"{path}.{bound}")
    gone, more = (is_none(rolling[bound]) for bound in bounds)
    if gone and more:
        yield required(f"{path}.maxUnavailable", "cannot be 0 when maxSurge is 0")
    elif not gone and not more:
        yield invalid_value(f"{path}.maxSurge", rolling["maxSurge"], "may not be set when maxUnavailable is non-zero")


def _default_controller(obj: Object) -> None:
    """A ReplicationController selects by its template's labels, and wears them, unless it says otherwise."""
    spec = obj.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    if spec.get("template") is None:
        return
    default_template(spec)
    labels = at(spec, "template.metadata.labels")
    if labels and not spec.get("selector"):
        spec["selector"] = dict(labels)
    if labels and not metadata(obj).get("labels"):
        metadata(obj)["labels"] = dict(labels)


def _default_pod_template(obj: Object) -> None:
    default_pod_spec(obj.setdefault("template", {}).setdefault("spec", {}))


def _revision_stays(new: Object, old: Object) -> Iterator[FieldError]:
    if new.get("data") != old.get("data"):
        yield immutable("data", new.get("data"))


STATEFUL_SET = Strategy(
    default=_default_stateful_set,
    create=drop_status,
    validate=_validate_stateful_set,
    validate_update=_only_some_may_change,
    warnings=template_warnings,
    generation=spec_generation,
)
DAEMON_SET = Strategy(
    default=_default_daemon_set,
    create=_create_daemon_set,
    update=_update_daemon_set,
    validate=_validate_daemon_set,
    validate_update=selector_stays,
    warnings=template_warnings,
    generation=spec_generation,
)
REPLICATION_CONTROLLER = Strategy(default=_default_controller, create=drop_status, generation=spec_generation)
POD_TEMPLATE = Strategy(default=_default_pod_template, generation=content_generation)
CONTROLLER_REVISION = Strategy(validate_update=_revision_stays)
