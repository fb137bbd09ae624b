"""Jobs and CronJobs (`pkg/apis/batch`, `pkg/registry/batch`, Kubernetes v1.36).

A Job's selector and the labels it selects by are made of its uid, unless `manualSelector` says that the author
chose them.
"""

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from simulator.apiserver.field_errors import (
    FieldError,
    immutable,
    invalid_value,
    required,
    unsupported,
)
from simulator.apiserver.objects import Object, at, metadata, name_of
from simulator.apiserver.selectors import LabelSelector
from simulator.apiserver.strategies.plain import drop_status
from simulator.apiserver.strategies.pod_defaults import default_pod_spec
from simulator.apiserver.strategies.pod_validation import validate_pod_spec
from simulator.apiserver.strategies.strategy import Strategy, spec_generation
from simulator.apiserver.strategies.workload import NO_MATCH, not_negative

_UID_LABELS = ("batch.kubernetes.io/controller-uid", "controller-uid")
_NAME_LABELS = ("batch.kubernetes.io/job-name", "job-name")
_COUNTS = ("parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished")
_NEVER_CHANGE = ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy")
_LONGEST_CRON_NAME = 52


def _default_job(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    template = spec.setdefault("template", {})
    labels = metadata(template).get("labels")
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = spec["parallelism"] = 1
    spec.setdefault("parallelism", 1)
    spec.setdefault("backoffLimit", 2**31 - 1 if "backoffLimitPerIndex" in spec else 6)
    if labels and not metadata(obj).get("labels"):
        metadata(obj)["labels"] = dict(labels)
    spec["completionMode"] = spec.get("completionMode") or "NonIndexed"
    for field in ("suspend", "manualSelector"):
        spec.setdefault(field, False)
    replaced = "Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed"
    spec["podReplacementPolicy"] = spec.get("podReplacementPolicy") or replaced
    _default_job_template(template)


def _default_job_template(template: Object) -> None:
    pod = template.setdefault("spec", {})
    stated = pod.get("restartPolicy")
    default_pod_spec(pod)
    pod["restartPolicy"] = stated or "Always"  # which validation refuses


def _create_job(obj: Object) -> None:
    drop_status(obj)
    spec = obj["spec"]
    if spec["manualSelector"]:
        return
    uid = str(metadata(obj)["uid"])
    labels = dict.fromkeys(_UID_LABELS, uid) | dict.fromkeys(_NAME_LABELS, name_of(obj))
    pod_labels = metadata(spec["template"]).get("labels") or {}
    metadata(spec["template"])["labels"] = pod_labels | labels
    if not metadata(obj).get("labels"):
        metadata(obj)["labels"] = dict(metadata(spec["template"])["labels"])
    selector = spec["selector"] = spec.get("selector") or {}
    selector["matchLabels"] = (selector.get("matchLabels") or {}) | {_UID_LABELS[0]: uid}


def _validate_job(obj: Object) -> Iterator[FieldError]:
    spec = obj["spec"]
    yield from _validate_job_spec(spec, "spec")
    selector, labels = spec.get("selector"), at(spec, "template.metadata.labels")
    where = "spec.template.metadata.labels"
    if selector is None:
        yield required("spec.selector")
        yield invalid_value(where, labels, NO_MATCH)
        return
    if not spec["manualSelector"] and set(selector.get("matchLabels") or ()) != {_UID_LABELS[0]}:
        yield invalid_value("spec.selector", selector, "`selector` not auto-generated")
    if not LabelSelector.of_object(selector).matches(labels or {}):
        yield invalid_value(where, labels, NO_MATCH)


def _validate_job_spec(spec: Object, path: str) -> Iterator[FieldError]:
    yield from not_negative(spec, path, *_COUNTS)
    mode = spec.get("completionMode", "NonIndexed")
    if mode not in ("NonIndexed", "Indexed"):
        yield unsupported(f"{path}.completionMode", mode, ("NonIndexed", "Indexed"))
    elif mode == "Indexed" and spec.get("completions") is None:
        yield required(f"{path}.completions", "when completion mode is Indexed")
    if mode == "NonIndexed" and spec.get("backoffLimitPerIndex") is not None:
        bad = spec["backoffLimitPerIndex"]
        yield invalid_value(f"{path}.backoffLimitPerIndex", bad, "requires indexed completion mode")
    pod, where = at(spec, "template.spec") or {}, f"{path}.template.spec"
    yield from validate_pod_spec(pod, where)
    policy = pod.get("restartPolicy")
    if policy == "Always" or not policy:
        yield required(f"{where}.restartPolicy", 'valid values: "OnFailure", "Never"')
    elif policy not in ("OnFailure", "Never"):
        yield unsupported(f"{where}.restartPolicy", policy, ("OnFailure", "Never"))


def _job_stays(new: Object, old: Object) -> Iterator[FieldError]:
    mine, theirs = new["spec"], old.get("spec") or {}
    if mine.get("completions") != theirs.get("completions"):
        grows_together = (
            mine["completionMode"] == "Indexed" and mine.get("completions") == mine.get("parallelism") is not None
        )
        if not grows_together:
            yield immutable("spec.completions", mine.get("completions"))
    if mine.get("selector") != theirs.get("selector"):
        yield immutable("spec.selector", mine.get("selector"))
    if mine.get("template") != theirs.get("template") and not _may_be_rescheduled(new, old):
        yield immutable("spec.template", mine.get("template"))
    for field in _NEVER_CHANGE:
        if mine.get(field) != theirs.get(field):
            yield immutable(f"spec.{field}", mine.get(field))


def _may_be_rescheduled(new: Object, old: Object) -> bool:
    """A suspended Job that never started may still change where its pods may run and what they request."""
    if not at(old, "spec.suspend") or at(old, "status.startTime"):
        return False
    return _without_scheduling(new["spec"]["template"]) == _without_scheduling(old["spec"]["template"])


def _without_scheduling(template: Object) -> Object:
    meta = {key: value for key, value in metadata(template).items() if key not in ("labels", "annotations")}
    free = ("nodeSelector", "affinity", "tolerations", "schedulingGates")
    return {"metadata": meta, "spec": {key: value for key, value in template["spec"].items() if key not in free}}


def _default_cron_job(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    spec["concurrencyPolicy"] = spec.get("concurrencyPolicy") or "Allow"
    for field, value in (("suspend", False), ("successfulJobsHistoryLimit", 3), ("failedJobsHistoryLimit", 1)):
        if spec.get(field) is None:
            spec[field] = value
    template = spec.setdefault("jobTemplate", {})
    metadata(template)
    job = template.setdefault("spec", {})
    pod = job.setdefault("template", {})
    metadata(pod)
    _default_job_template(pod)


def _validate_cron_job(obj: Object) -> Iterator[FieldError]:
    spec = obj["spec"]
    yield from _validate_schedule(spec)
    yield from not_negative(
        spec, "spec", "startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"
    )
    policies = ("Allow", "Forbid", "Replace")
    if spec["concurrencyPolicy"] not in policies:
        yield unsupported("spec.concurrencyPolicy", spec["concurrencyPolicy"], policies)
    if spec.get("timeZone") is not None:
        yield from _validate_zone(str(spec["timeZone"]))
    yield from _validate_job_spec(at(spec, "jobTemplate.spec") or {}, "spec.jobTemplate.spec")
    name = name_of(obj)
    if len(name) > _LONGEST_CRON_NAME:
        yield invalid_value("metadata.name", name, f"must be no more than {_LONGEST_CRON_NAME} characters")


def _validate_schedule(spec: Object) -> Iterator[FieldError]:
    schedule = str(spec.get("schedule") or "")
    if not schedule:
        yield required("spec.schedule")
        return
    if "TZ" in schedule:
        detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        yield invalid_value("spec.schedule", schedule, detail)
        return
    parts = schedule.split()
    if not schedule.startswith("@") and len(parts) != 5:
        detail = f"expected exactly 5 fields, found {len(parts)}: [{' '.join(parts)}]"
        yield invalid_value("spec.schedule", schedule, detail)


def _validate_zone(zone: str) -> Iterator[FieldError]:
    if not zone or zone == "Local":
        yield invalid_value("spec.timeZone", zone, "timeZone must be nil or non-empty string")
        return
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):  # what ZoneInfo raises for names it does not know or cannot read
        yield invalid_value("spec.timeZone", zone, f"unknown time zone {zone}")


JOB = Strategy(
    default=_default_job,
    create=_create_job,
    validate=_validate_job,
    validate_update=_job_stays,
    generation=spec_generation,
)
CRON_JOB = Strategy(
    default=_default_cron_job, create=drop_status, validate=_validate_cron_job, generation=spec_generation
)
