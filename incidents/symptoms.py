"""What kind of trouble a Warning event speaks of: one pure table from (reason, message) to a symptom.

A symptom is a class of failure as it shows, not its cause. The wording of the events is that of Kubernetes
v1.36 (pkg/kubelet, pkg/scheduler, pkg/controller); a row that needs the message says so with a pattern,
because one reason ("Failed") covers several symptoms.
"""

from __future__ import annotations

import re
from enum import StrEnum


class Symptom(StrEnum):
    """How trouble shows itself."""

    IMAGE_PULL = "image-pull"
    CRASH_LOOP = "crash-loop"
    OOM_KILLED = "oom-killed"
    CONFIG_ERROR = "config-error"
    RUN_ERROR = "run-error"
    PROBE_FAILING = "probe-failing"
    UNSCHEDULABLE = "unschedulable"
    CREATE_FORBIDDEN = "create-forbidden"
    MOUNT_FAILING = "mount-failing"
    SANDBOX_FAILING = "sandbox-failing"
    EVICTED = "evicted"
    ROLLOUT_STUCK = "rollout-stuck"
    JOB_FAILED = "job-failed"
    NOT_READY = "not-ready"
    INIT_HANGING = "init-hanging"
    CLAIM_PENDING = "claim-pending"
    SELECTS_NOTHING = "selects-nothing"
    AUTOSCALER_INACTIVE = "autoscaler-inactive"
    NODE_NOT_READY = "node-not-ready"
    NODE_PRESSURE = "node-pressure"
    SCHEDULE_MISSED = "schedule-missed"
    QUOTA_EXHAUSTED = "quota-exhausted"
    WEBHOOK_FAILING = "webhook-failing"
    OTHER = "other"


# Pods that a kubelet does not take (pkg/kubelet/lifecycle/predicate.go and handlers.go, kubelet.go).
REJECTIONS = (
    "OutOfcpu",
    "OutOfmemory",
    "OutOfephemeral-storage",
    "OutOfpods",
    "NodeAffinity",
    "UnexpectedAdmissionError",
    "UnexpectedPredicateFailureType",
    "UnknownReason",
    "AppArmor",
    "PodLevelResourcesNotSupported",
    "SupplementalGroupsPolicyNotSupported",
    "FailedNodeDeclaredFeaturesCheck",
)
_IMAGE_WORDS = r"pull image|ErrImagePull|ImagePullBackOff|ErrImageNeverPull|InvalidImageName|ImageInspect"
_CONFIG_WORDS = r"^Error: (configmap|secret) |couldn't find key |runAsNonRoot|breaks non-root policy"

_TABLE: tuple[tuple[str, str, Symptom], ...] = (
    ("Failed", _IMAGE_WORDS, Symptom.IMAGE_PULL),
    ("Failed", _CONFIG_WORDS, Symptom.CONFIG_ERROR),
    ("Failed", r"^Error: |hook failed", Symptom.RUN_ERROR),
    ("ErrImageNeverPull", "", Symptom.IMAGE_PULL),
    ("InspectFailed", "", Symptom.IMAGE_PULL),
    ("FailedToRetrieveImagePullSecret", "", Symptom.IMAGE_PULL),
    ("BackOff", r"[Pp]ulling image", Symptom.IMAGE_PULL),
    ("BackOff", r"restarting failed container", Symptom.CRASH_LOOP),
    ("OOMKilling", "", Symptom.OOM_KILLED),
    ("Unhealthy", "", Symptom.PROBE_FAILING),
    ("ProbeError", "", Symptom.PROBE_FAILING),
    ("FailedPostStartHook", "", Symptom.RUN_ERROR),
    ("FailedPreStopHook", "", Symptom.RUN_ERROR),
    ("FailedScheduling", "", Symptom.UNSCHEDULABLE),
    ("FailedMount", "", Symptom.MOUNT_FAILING),
    ("FailedAttachVolume", "", Symptom.MOUNT_FAILING),
    ("FailedMapVolume", "", Symptom.MOUNT_FAILING),
    ("FailedMountOnFilesystemMismatch", "", Symptom.MOUNT_FAILING),
    ("FailedCreatePodSandBox", "", Symptom.SANDBOX_FAILING),
    ("FailedPodSandBoxStatus", "", Symptom.SANDBOX_FAILING),
    ("FailedPrepareDynamicResources", "", Symptom.SANDBOX_FAILING),
    ("FailedCreatePodContainer", "", Symptom.SANDBOX_FAILING),
    ("NetworkNotReady", "", Symptom.SANDBOX_FAILING),
    ("Evicted", "", Symptom.EVICTED),
    ("FailedDaemonPod", "", Symptom.EVICTED),
    *((reason, "", Symptom.UNSCHEDULABLE) for reason in REJECTIONS),
    ("FailedResourceClaimCreation", "", Symptom.UNSCHEDULABLE),
    ("FailedCreate", "", Symptom.CREATE_FORBIDDEN),
    ("ReplicaSetCreateError", "", Symptom.CREATE_FORBIDDEN),
    ("BackoffLimitExceeded", "", Symptom.JOB_FAILED),
    ("DeadlineExceeded", "", Symptom.JOB_FAILED),
    ("FailedIndexes", "", Symptom.JOB_FAILED),
    ("MaxFailedIndexesExceeded", "", Symptom.JOB_FAILED),
    ("PodFailurePolicy", "", Symptom.JOB_FAILED),
    ("ProvisioningFailed", "", Symptom.CLAIM_PENDING),
    ("FailedBinding", "", Symptom.CLAIM_PENDING),
    ("ClaimLost", "", Symptom.CLAIM_PENDING),
    ("VolumeMismatch", "", Symptom.CLAIM_PENDING),
    ("ClaimMisbound", "", Symptom.CLAIM_PENDING),
    ("VolumeResizeFailed", "", Symptom.CLAIM_PENDING),
    ("FileSystemResizeFailed", "", Symptom.CLAIM_PENDING),
    ("FailedGetScale", "", Symptom.AUTOSCALER_INACTIVE),
    ("FailedComputeMetricsReplicas", "", Symptom.AUTOSCALER_INACTIVE),
    ("FailedGetResourceMetric", "", Symptom.AUTOSCALER_INACTIVE),
    ("FailedGetContainerResourceMetric", "", Symptom.AUTOSCALER_INACTIVE),
    ("FailedGetPodsMetric", "", Symptom.AUTOSCALER_INACTIVE),
    ("FailedGetObjectMetric", "", Symptom.AUTOSCALER_INACTIVE),
    ("FailedGetExternalMetric", "", Symptom.AUTOSCALER_INACTIVE),
    ("FailedRescale", "", Symptom.AUTOSCALER_INACTIVE),
    ("InvalidMetricSourceType", "", Symptom.AUTOSCALER_INACTIVE),
    ("AmbiguousSelector", "", Symptom.AUTOSCALER_INACTIVE),
    ("InvalidSelector", "", Symptom.AUTOSCALER_INACTIVE),
    ("SelectorRequired", "", Symptom.AUTOSCALER_INACTIVE),
    ("NodeNotReady", "", Symptom.NODE_NOT_READY),
    ("MissSchedule", "", Symptom.SCHEDULE_MISSED),
    ("TooManyMissedTimes", "", Symptom.SCHEDULE_MISSED),
    ("UnknownTimeZone", "", Symptom.SCHEDULE_MISSED),
    ("UnparseableSchedule", "", Symptom.SCHEDULE_MISSED),
    ("UnParseableCronJobSchedule", "", Symptom.SCHEDULE_MISSED),
    ("UnsupportedSchedule", "", Symptom.SCHEDULE_MISSED),
    ("InvalidSchedule", "", Symptom.SCHEDULE_MISSED),
)
_ROWS: dict[str, list[tuple[re.Pattern[str], Symptom]]] = {}
for _reason, _pattern, _symptom in _TABLE:
    _ROWS.setdefault(_reason, []).append((re.compile(_pattern), _symptom))


def symptom_of(reason: str, message: str) -> Symptom:
    """The symptom of an event; ``OTHER`` where the table has no row."""
    for pattern, symptom in _ROWS.get(reason, ()):
        if pattern.search(message):
            return symptom
    return Symptom.OTHER
