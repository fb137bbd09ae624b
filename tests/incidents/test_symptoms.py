"""The symptom table, with messages as Kubernetes v1.36 words them."""

import pytest

from incidents.symptoms import _TABLE, REJECTIONS, Symptom, symptom_of

ROWS = [
    ("Failed", 'Failed to pull image "nginx:latess": not found', Symptom.IMAGE_PULL),
    ("Failed", "Error: ErrImagePull", Symptom.IMAGE_PULL),
    ("Failed", "Error: ImagePullBackOff", Symptom.IMAGE_PULL),
    ("Failed", "Error: ErrImageNeverPull", Symptom.IMAGE_PULL),
    ("Failed", "Error: InvalidImageName", Symptom.IMAGE_PULL),
    ("Failed", "Error: ImageInspectError", Symptom.IMAGE_PULL),
    ("Failed", 'Error: configmap "app-config" not found', Symptom.CONFIG_ERROR),
    ("Failed", 'Error: secret "db" not found', Symptom.CONFIG_ERROR),
    ("Failed", "Error: couldn't find key url in ConfigMap shop/app", Symptom.CONFIG_ERROR),
    ("Failed", "Error: couldn't find key url in Secret shop/app", Symptom.CONFIG_ERROR),
    (
        "Failed",
        'Error: container has runAsNonRoot and image will run as root (pod: "web_shop(1)", container: web)',
        Symptom.CONFIG_ERROR,
    ),
    ("Failed", "Error: container's runAsUser breaks non-root policy (pod: web, container: web)", Symptom.CONFIG_ERROR),
    ("Failed", "Internal PreCreateContainer hook failed: no", Symptom.RUN_ERROR),
    ("Failed", "Internal PreStartContainer hook failed: no", Symptom.RUN_ERROR),
    ("Failed", 'Error: exec: "/nope": stat /nope: no such file or directory', Symptom.RUN_ERROR),
    ("ErrImageNeverPull", 'Container image "a:1" is not present with pull policy of Never', Symptom.IMAGE_PULL),
    ("InspectFailed", 'Failed to apply default image tag "A:1": couldn\'t parse image name', Symptom.IMAGE_PULL),
    (
        "FailedToRetrieveImagePullSecret",
        "Unable to retrieve some image pull secrets (regcred); attempting to pull the image may not succeed.",
        Symptom.IMAGE_PULL,
    ),
    ("BackOff", 'Back-off pulling image "nginx:latess"', Symptom.IMAGE_PULL),
    ("BackOff", "Back-off restarting failed container web in pod web-1_shop(uid)", Symptom.CRASH_LOOP),
    ("OOMKilling", "Memory cgroup out of memory: Killed process 1", Symptom.OOM_KILLED),
    ("Unhealthy", "Liveness probe failed: HTTP probe failed with statuscode: 500", Symptom.PROBE_FAILING),
    ("Unhealthy", "Readiness probe errored and resulted in unknown state: no", Symptom.PROBE_FAILING),
    ("ProbeError", "Liveness probe error: no\nbody: \n", Symptom.PROBE_FAILING),
    ("FailedPostStartHook", "PostStartHook failed", Symptom.RUN_ERROR),
    ("FailedPreStopHook", "PreStopHook failed", Symptom.RUN_ERROR),
    ("FailedScheduling", "0/3 nodes are available: 3 Insufficient cpu.", Symptom.UNSCHEDULABLE),
    (
        "FailedMount",
        'MountVolume.SetUp failed for volume "config" : configmap "app-config" not found',
        Symptom.MOUNT_FAILING,
    ),
    ("FailedAttachVolume", 'Multi-Attach error for volume "pvc-1"', Symptom.MOUNT_FAILING),
    ("FailedMapVolume", "no such device", Symptom.MOUNT_FAILING),
    ("FailedCreatePodSandBox", "Failed to create pod sandbox: no", Symptom.SANDBOX_FAILING),
    ("NetworkNotReady", "network is not ready: cni", Symptom.SANDBOX_FAILING),
    ("Evicted", "The node was low on resource: memory. ", Symptom.EVICTED),
    ("FailedCreate", 'Error creating: pods "web-1" is forbidden: exceeded quota', Symptom.CREATE_FORBIDDEN),
    ("ReplicaSetCreateError", 'Failed to create new replica set "web-1": no', Symptom.CREATE_FORBIDDEN),
    ("BackoffLimitExceeded", "Job has reached the specified backoff limit", Symptom.JOB_FAILED),
    ("DeadlineExceeded", "Job was active longer than specified deadline", Symptom.JOB_FAILED),
    ("FailedIndexes", "Job has failed indexes", Symptom.JOB_FAILED),
    ("PodFailurePolicy", "Container main for pod shop/a failed with exit code 42", Symptom.JOB_FAILED),
    ("ProvisioningFailed", 'storageclass.storage.k8s.io "standard-v2" not found', Symptom.CLAIM_PENDING),
    ("FailedBinding", 'volume "pv-1" already bound to a different claim.', Symptom.CLAIM_PENDING),
    ("ClaimLost", "Bound claim has lost its PersistentVolume", Symptom.CLAIM_PENDING),
    ("VolumeMismatch", 'Cannot bind to requested volume "pv-1": too small', Symptom.CLAIM_PENDING),
    ("FailedGetScale", "deployments.apps is not found", Symptom.AUTOSCALER_INACTIVE),
    ("FailedComputeMetricsReplicas", "invalid metrics (1 invalid out of 1)", Symptom.AUTOSCALER_INACTIVE),
    ("FailedGetResourceMetric", "missing request for cpu in container web of Pod web-1", Symptom.AUTOSCALER_INACTIVE),
    ("FailedGetContainerResourceMetric", "no metrics returned", Symptom.AUTOSCALER_INACTIVE),
    ("FailedGetPodsMetric", "no metrics returned", Symptom.AUTOSCALER_INACTIVE),
    ("FailedGetObjectMetric", "no metrics returned", Symptom.AUTOSCALER_INACTIVE),
    ("FailedGetExternalMetric", "no metrics returned", Symptom.AUTOSCALER_INACTIVE),
    ("NodeNotReady", "Node is not ready", Symptom.NODE_NOT_READY),
    ("MissSchedule", "Missed scheduled time to start a job: Sat, 21 Nov 2026 12:00:00", Symptom.SCHEDULE_MISSED),
    ("TooManyMissedTimes", "too many missed start times.", Symptom.SCHEDULE_MISSED),
    ("UnknownTimeZone", 'invalid timeZone: "Mars/Olympus"', Symptom.SCHEDULE_MISSED),
    ("UnparseableSchedule", 'unparseable schedule: "* *"', Symptom.SCHEDULE_MISSED),
    ("UnParseableCronJobSchedule", "unparseable schedule for cronjob: * *", Symptom.SCHEDULE_MISSED),
    ("UnsupportedSchedule", "CRON_TZ is not supported", Symptom.SCHEDULE_MISSED),
    ("InvalidSchedule", "invalid schedule: 0 0 31 2 *", Symptom.SCHEDULE_MISSED),
    *((reason, "Node didn't have enough of it", Symptom.UNSCHEDULABLE) for reason in REJECTIONS),
    ("FailedResourceClaimCreation", "PodResourceClaim gpu: no such template", Symptom.UNSCHEDULABLE),
    ("FailedMountOnFilesystemMismatch", "the disk has another filesystem", Symptom.MOUNT_FAILING),
    ("FailedPodSandBoxStatus", "Unable to get pod sandbox status: no", Symptom.SANDBOX_FAILING),
    ("FailedPrepareDynamicResources", "Failed to prepare dynamic resources: no", Symptom.SANDBOX_FAILING),
    ("FailedCreatePodContainer", "unable to ensure pod container exists: no", Symptom.SANDBOX_FAILING),
    ("FailedDaemonPod", "Found failed daemon pod shop/a on node n1, will try to kill it", Symptom.EVICTED),
    ("MaxFailedIndexesExceeded", "Job has exceeded the specified maximal number", Symptom.JOB_FAILED),
    ("ClaimMisbound", "Two claims are bound to the same volume", Symptom.CLAIM_PENDING),
    ("VolumeResizeFailed", "cannot grow", Symptom.CLAIM_PENDING),
    ("FileSystemResizeFailed", "cannot grow", Symptom.CLAIM_PENDING),
    ("FailedRescale", "New size: 3; reason: cpu above target; error: conflict", Symptom.AUTOSCALER_INACTIVE),
    ("InvalidMetricSourceType", 'unknown metric source type "x"', Symptom.AUTOSCALER_INACTIVE),
    ("AmbiguousSelector", "pods by selector app=web are controlled by multiple HPAs", Symptom.AUTOSCALER_INACTIVE),
    ("InvalidSelector", "couldn't convert selector", Symptom.AUTOSCALER_INACTIVE),
    ("SelectorRequired", "selector is required", Symptom.AUTOSCALER_INACTIVE),
]


@pytest.mark.parametrize(("reason", "message", "symptom"), ROWS)
def test_every_wording_of_the_kubelet_and_the_controllers_has_its_symptom(
    reason: str, message: str, symptom: Symptom
) -> None:
    assert symptom_of(reason, message) is symptom


def test_every_row_of_the_table_is_tried_with_a_real_message() -> None:
    assert {reason for reason, _, _ in _TABLE} == {reason for reason, _, _ in ROWS}


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("NodeRestarted", "Node is not ready"),
        ("BackOff", "Back-off doing something unheard of"),
        ("Failed", "error making pod data directories: no space"),
        ("failed", "Error: ErrImagePull"),
        ("", ""),
    ],
)
def test_what_the_table_does_not_know_is_other(reason: str, message: str) -> None:
    assert symptom_of(reason, message) is Symptom.OTHER
