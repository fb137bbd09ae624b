"""The entries of the kinds that the server itself does not refer to; `kinds` has the rest, and the registry."""

from simulator.apiserver import more_columns as table
from simulator.apiserver.aggregation_rules import API_SERVICE, API_SERVICE_COLUMNS
from simulator.apiserver.kind import Kind
from simulator.apiserver.strategies import (
    amounts,
    autoscalers,
    batch,
    claims,
    networking,
    plain,
    policies,
    roles,
    sets,
    storage,
    webhooks,
)
from simulator.apiserver.versions.autoscalers import first_autoscalers

_STATUS = ("status",)
_SCALABLE = ("scale", "status")
_ALL = ("all",)
_EXTENSIONS = ("api-extensions",)

CORE = (
    Kind("", "v1", "Endpoints", "endpoints", ("ep",), singular_name="endpoints", strategy=networking.ENDPOINTS),
    Kind("", "v1", "LimitRange", "limitranges", ("limits",), strategy=amounts.LIMIT_RANGE, columns=table.CREATED),
    Kind(
        "", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", ("pvc",), subresources=_STATUS,
        strategy=claims.CLAIM, columns=table.CLAIM, returns_deleted=True,
    ),
    Kind(
        "", "v1", "PersistentVolume", "persistentvolumes", ("pv",), namespaced=False, subresources=_STATUS,
        strategy=storage.VOLUME, columns=table.VOLUME, returns_deleted=True,
    ),
    Kind(
        "", "v1", "PodTemplate", "podtemplates", strategy=sets.POD_TEMPLATE,
        columns=table.POD_TEMPLATE, returns_deleted=True,
    ),
    Kind(
        "", "v1", "ReplicationController", "replicationcontrollers", ("rc",), _ALL, subresources=_SCALABLE,
        strategy=sets.REPLICATION_CONTROLLER,
        columns=table.REPLICATION_CONTROLLER, field_labels={"status.replicas": "status.replicas"},
        orphans_dependents=True,
    ),
    Kind(
        "", "v1", "ResourceQuota", "resourcequotas", ("quota",), subresources=_STATUS,
        strategy=amounts.RESOURCE_QUOTA, columns=table.RESOURCE_QUOTA, returns_deleted=True,
    ),
)  # fmt: skip
_AUTOSCALER = Kind(
    "autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", ("hpa",), _ALL,
    subresources=_STATUS, strategy=autoscalers.AUTOSCALER, columns=table.AUTOSCALER,
)  # fmt: skip
WORKLOADS = (
    Kind(
        "apps", "v1", "ControllerRevision", "controllerrevisions", strategy=sets.CONTROLLER_REVISION,
        columns=table.CONTROLLER_REVISION,
    ),
    Kind(
        "apps", "v1", "DaemonSet", "daemonsets", ("ds",), _ALL, subresources=_STATUS, strategy=sets.DAEMON_SET,
        columns=table.DAEMON_SET,
    ),
    Kind(
        "apps", "v1", "StatefulSet", "statefulsets", ("sts",), _ALL, subresources=_SCALABLE,
        strategy=sets.STATEFUL_SET, columns=table.STATEFUL_SET,
    ),
    Kind(
        "batch", "v1", "CronJob", "cronjobs", ("cj",), _ALL, subresources=_STATUS, strategy=batch.CRON_JOB,
        columns=table.CRON_JOB,
    ),
    Kind(
        "batch", "v1", "Job", "jobs", (), _ALL, subresources=_STATUS, strategy=batch.JOB,
        columns=table.JOB, orphans_dependents=True,
        field_labels={"status.successful": "status.succeeded"},
    ),
    _AUTOSCALER,
    first_autoscalers(_AUTOSCALER),
    Kind(
        "policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", ("pdb",), subresources=_STATUS,
        strategy=policies.DISRUPTION_BUDGET, columns=table.DISRUPTION_BUDGET,
    ),
)  # fmt: skip
NETWORKING = (
    Kind(
        "networking.k8s.io", "v1", "IngressClass", "ingressclasses", namespaced=False,
        strategy=networking.INGRESS_CLASS, columns=table.INGRESS_CLASS,
    ),
    Kind(
        "networking.k8s.io", "v1", "Ingress", "ingresses", ("ing",), subresources=_STATUS,
        strategy=networking.INGRESS, columns=table.INGRESS,
    ),
    Kind("networking.k8s.io", "v1", "IPAddress", "ipaddresses", ("ip",), namespaced=False),
    Kind(
        "networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", ("netpol",), strategy=networking.NETWORK_POLICY,
        columns=table.NETWORK_POLICY,
    ),
    Kind(
        "networking.k8s.io", "v1", "ServiceCIDR", "servicecidrs", namespaced=False, subresources=_STATUS,
        strategy=networking.SERVICE_CIDR,
    ),
)  # fmt: skip
ACCESS = (
    Kind(
        "rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", namespaced=False,
        strategy=roles.ROLE_BINDING, columns=table.ROLE_BINDING, name_form="path", create_on_update=True,
    ),
    Kind(
        "rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", namespaced=False, strategy=roles.ROLE,
        columns=table.CREATED, name_form="path", create_on_update=True,
    ),
    Kind(
        "rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings", strategy=roles.ROLE_BINDING,
        columns=table.ROLE_BINDING, name_form="path", create_on_update=True,
    ),
    Kind(
        "rbac.authorization.k8s.io", "v1", "Role", "roles", strategy=roles.ROLE,
        columns=table.CREATED, name_form="path", create_on_update=True,
    ),
    Kind(
        "certificates.k8s.io", "v1", "CertificateSigningRequest", "certificatesigningrequests", ("csr",),
        namespaced=False, subresources=_STATUS, strategy=plain.STATUS,
        field_labels={"spec.signerName": "spec.signerName"},
    ),
)  # fmt: skip
STORAGE = (
    Kind(
        "storage.k8s.io", "v1", "CSIDriver", "csidrivers", namespaced=False, strategy=storage.CSI_DRIVER,
        returns_deleted=True,
    ),
    Kind("storage.k8s.io", "v1", "CSINode", "csinodes", namespaced=False, returns_deleted=True),
    Kind("storage.k8s.io", "v1", "CSIStorageCapacity", "csistoragecapacities"),
    Kind(
        "storage.k8s.io", "v1", "StorageClass", "storageclasses", ("sc",), namespaced=False,
        strategy=storage.STORAGE_CLASS, columns=table.STORAGE_CLASS, returns_deleted=True,
    ),
    Kind(
        "storage.k8s.io", "v1", "VolumeAttachment", "volumeattachments", namespaced=False, subresources=_STATUS,
        strategy=plain.STATUS, returns_deleted=True,
    ),
    Kind(
        "storage.k8s.io", "v1", "VolumeAttributesClass", "volumeattributesclasses", ("vac",), namespaced=False,
        strategy=storage.ATTRIBUTES_CLASS, returns_deleted=True,
    ),
)  # fmt: skip
EXTENSIONS = tuple(
    Kind(
        "admissionregistration.k8s.io", "v1", kind, plural, (), _EXTENSIONS, namespaced=False,
        subresources=_STATUS if kind == "ValidatingAdmissionPolicy" else (), strategy=strategy,
    )
    for kind, plural, strategy in (
        ("MutatingAdmissionPolicy", "mutatingadmissionpolicies", plain.COUNTED),
        ("MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings", plain.COUNTED),
        ("MutatingWebhookConfiguration", "mutatingwebhookconfigurations", webhooks.WEBHOOKS),
        ("ValidatingAdmissionPolicy", "validatingadmissionpolicies", plain.COUNTED_STATUS),
        ("ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings", plain.COUNTED),
        ("ValidatingWebhookConfiguration", "validatingwebhookconfigurations", webhooks.WEBHOOKS),
    )
)  # fmt: skip
OTHERS = (
    Kind(
        "apiregistration.k8s.io", "v1", "APIService", "apiservices", (), _EXTENSIONS, namespaced=False,
        subresources=_STATUS, strategy=API_SERVICE, columns=API_SERVICE_COLUMNS, name_form="path",
    ),
    Kind(
        "scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", ("pc",), namespaced=False,
        strategy=policies.PRIORITY_CLASS, columns=table.PRIORITY_CLASS,
    ),
    Kind(
        "node.k8s.io", "v1", "RuntimeClass", "runtimeclasses", namespaced=False, strategy=policies.RUNTIME_CLASS,
        columns=table.RUNTIME_CLASS,
    ),
    Kind(
        "resource.k8s.io", "v1", "DeviceClass", "deviceclasses", namespaced=False, strategy=plain.COUNTED,
        returns_deleted=True,
    ),
    Kind(
        "resource.k8s.io", "v1", "ResourceClaim", "resourceclaims", subresources=_STATUS, strategy=plain.STATUS,
        returns_deleted=True,
    ),
    Kind("resource.k8s.io", "v1", "ResourceClaimTemplate", "resourceclaimtemplates", returns_deleted=True),
    Kind(
        "resource.k8s.io", "v1", "ResourceSlice", "resourceslices", namespaced=False, strategy=plain.COUNTED,
        returns_deleted=True,
    ),
    Kind(
        "flowcontrol.apiserver.k8s.io", "v1", "FlowSchema", "flowschemas", namespaced=False, subresources=_STATUS,
        strategy=policies.FLOW_SCHEMA,
    ),
    Kind(
        "flowcontrol.apiserver.k8s.io", "v1", "PriorityLevelConfiguration", "prioritylevelconfigurations",
        namespaced=False, subresources=_STATUS, strategy=plain.COUNTED_STATUS,
    ),
)  # fmt: skip

MORE_KINDS = (*CORE, *WORKLOADS, *NETWORKING, *ACCESS, *STORAGE, *EXTENSIONS, *OTHERS)
