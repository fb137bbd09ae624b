"""Jobs and CronJobs (`pkg/apis/batch`, `pkg/registry/batch`, Kubernetes v1.36).

A Job's selector and the labels it selects by are made of its uid, unless `manualSelector` says that the author
chose them.
"""

from collections.abc import Iterator

from simulator.apiserver.field_errors import (
    FieldError,
    immutable,
    invalid_value,
    required,
    unsupported,
)
from simulator.apiserver.objects import Object, at, items_at, metadata, name_of
from simulator.apiserver.selectors import LabelSelector
from simulator.apiserver.strategies.forms import domain_path_problems, fits, number_at_least, one_of, present
from simulator.apiserver.strategies.job_policies import failure_policy, success_policy
from simulator.apiserver.strategies.plain import drop_status
from simulator.apiserver.strategies.pod_defaults import default_pod_spec
from simulator.apiserver.strategies.pod_warnings import pod_warnings
from simulator.apiserver.strategies.schedules import schedule_problems, time_zone_problems
from simulator.apiserver.strategies.strategy import Strategy, spec_generation
from simulator.apiserver.strategies.workload import NO_MATCH, template_errors, template_warnings

_UID_LABELS = ("batch.kubernetes.io/controller-uid", "controller-uid")
_NAME_LABELS = ("batch.kubernetes.io/job-name", "job-name")
_COUNTS = (
    "parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished",
    "backoffLimitPerIndex", "maxFailedIndexes",
)  # fmt: skip
_MOST_PARALLEL = 100_000
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
    for rule in items_at(spec, "podFailurePolicy.rules"):
        for pattern in rule.get("onPodConditions") or ():
            pattern["status"] = pattern.get("status") or "True"
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
        yield invalid_value(where, dict(sorted((labels or {}).items())), NO_MATCH)


def _validate_job_spec(spec: Object, path: str) -> Iterator[FieldError]:
    yield from number_at_least(0, spec, path, *_COUNTS)
    if spec.get("maxFailedIndexes") is not None and spec.get("backoffLimitPerIndex") is None:
        yield required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified")
    if spec.get("managedBy") is not None:
        yield from fits(spec["managedBy"], f"{path}.managedBy", domain_path_problems)
    yield from _completion_mode(spec, path)
    if spec.get("podFailurePolicy") is not None:
        yield from failure_policy(spec, f"{path}.podFailurePolicy")
    if spec.get("successPolicy") is not None:
        yield from success_policy(spec, f"{path}.successPolicy")
    words = ("Failed",) if spec.get("podFailurePolicy") is not None else ("Failed", "TerminatingOrFailed")
    yield from one_of(spec.get("podReplacementPolicy"), f"{path}.podReplacementPolicy", words)
    yield from template_errors(spec.get("template") or {}, f"{path}.template")
    yield from _restart_policy(spec, f"{path}.template.spec.restartPolicy")


def _completion_mode(spec: Object, path: str) -> Iterator[FieldError]:
    mode, failed = spec.get("completionMode", "NonIndexed"), spec.get("maxFailedIndexes")
    yield from one_of(mode, f"{path}.completionMode", ("NonIndexed", "Indexed"))
    if mode == "Indexed":
        completions, parallelism = spec.get("completions"), spec.get("parallelism") or 0
        if completions is None:
            yield required(f"{path}.completions", "when completion mode is Indexed")
        if parallelism > _MOST_PARALLEL:
            why = f"must be less than or equal to {_MOST_PARALLEL} when completion mode is Indexed"
            yield invalid_value(f"{path}.parallelism", parallelism, why)
        if completions is not None and failed is not None and failed > completions:
            yield invalid_value(f"{path}.maxFailedIndexes", failed, "must be less than or equal to completions")
    elif mode == "NonIndexed":
        for field in ("backoffLimitPerIndex", "maxFailedIndexes"):
            if spec.get(field) is not None:
                yield invalid_value(f"{path}.{field}", spec[field], "requires indexed completion mode")


def _restart_policy(spec: Object, where: str) -> Iterator[FieldError]:
    policy = at(spec, "template.spec.restartPolicy")
    if policy == "Always" or not policy:
        yield required(where, 'valid values: "OnFailure", "Never"')
    elif policy not in ("OnFailure", "Never"):
        yield unsupported(where, policy, ("OnFailure", "Never"))
    elif spec.get("podFailurePolicy") is not None and policy != "Never":
        yield invalid_value(where, policy, 'only "Never" is supported when podFailurePolicy is specified')


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
    yield from present(spec.get("schedule"), "spec.schedule", schedule_problems)
    yield from number_at_least(0, spec, "spec", "startingDeadlineSeconds")
    if spec.get("timeZone") is not None:
        yield from fits(spec["timeZone"], "spec.timeZone", time_zone_problems)
    yield from one_of(spec["concurrencyPolicy"], "spec.concurrencyPolicy", ("Allow", "Forbid", "Replace"))
    job, path = at(spec, "jobTemplate.spec") or {}, "spec.jobTemplate.spec"
    yield from _validate_job_spec(job, path)
    if job.get("selector") is not None:
        yield invalid_value(f"{path}.selector", job["selector"], "`selector` will be auto-generated")
    if job.get("manualSelector"):
        yield unsupported(f"{path}.manualSelector", True, ("nil", "false"))
    yield from number_at_least(0, spec, "spec", "successfulJobsHistoryLimit", "failedJobsHistoryLimit")
    name = name_of(obj)
    if len(name) > _LONGEST_CRON_NAME:
        yield invalid_value("metadata.name", name, f"must be no more than {_LONGEST_CRON_NAME} characters")


def _cron_job_warnings(obj: Object) -> Iterator[str]:
    pod = at(obj, "spec.jobTemplate.spec.template.spec") or {}
    yield from pod_warnings(pod, "spec.jobTemplate.spec.template.spec")


JOB = Strategy(
    default=_default_job,
    create=_create_job,
    validate=_validate_job,
    validate_update=_job_stays,
    warnings=template_warnings,
    generation=spec_generation,
)
CRON_JOB = Strategy(
    default=_default_cron_job,
    create=drop_status,
    validate=_validate_cron_job,
    warnings=_cron_job_warnings,
    generation=spec_generation,
)
