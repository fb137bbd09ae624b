"""What may be changed by default, as pointer patterns by kind: ``*`` is one segment, a trailing ``**`` the rest.

Silence means no: a field that is in no pattern is never written, whoever asks. ``ALLOWED`` may be changed by the
program itself as far as the other guardrails let it; ``WITH_APPROVAL`` only when a person has said yes to exactly that.
What grants access or takes protection away (capabilities, host namespaces, hostPath, roles, quotas, budgets,
NetworkPolicies, taints of nodes) is in neither, and the program has no right to it (deploy/rbac.yaml).
"""

from __future__ import annotations

from collections.abc import Mapping

_RESOURCES = tuple(
    f"resources/{which}/{name}" for which in ("requests", "limits") for name in ("memory", "cpu", "ephemeral-storage")
)
_PROBES = ("livenessProbe/**", "readinessProbe/**", "startupProbe/**")
_COMMAND = ("command/**", "args/**")
_REFERENCES = ("env/**", "envFrom/**", "volumeMounts/**")
_CONTAINER = ("image", *_RESOURCES, *_PROBES, *_COMMAND, *_REFERENCES)
_SOURCES = (
    "configMap/name",
    "configMap/items/**",
    "secret/secretName",
    "secret/items/**",
    "projected/sources/*/configMap/**",
    "projected/sources/*/secret/**",
    "persistentVolumeClaim/claimName",
)
_POD = (
    *(f"containers/*/{field}" for field in _CONTAINER),
    *(f"initContainers/*/{field}" for field in (*_CONTAINER, "restartPolicy")),
    *(f"volumes/*/{field}" for field in _SOURCES),
    "volumes/*/name",
    "volumes/*/emptyDir/**",
    "nodeSelector/*",
    "affinity/**",
    "topologySpreadConstraints/**",
    "serviceAccountName",
    "serviceAccount",
    "priorityClassName",
    "runtimeClassName",
    "imagePullSecrets/**",
)
_POD_WITH_APPROVAL = (
    "containers/*/securityContext/runAsUser",
    "securityContext/runAsUser",
    "containers/*/ports/**",
    "containers/*/lifecycle/**",
    "tolerations/**",
    "dnsPolicy",
    "dnsConfig/**",
    "nodeName",
)


def _within(prefix: str, fields: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{prefix}/{field}" for field in fields)


_TEMPLATE, _CRON = "/spec/template/spec", "/spec/jobTemplate/spec/template/spec"
# What `kubectl rollout restart` sets, so that all pods are made anew. No rule is certain that this mends anything.
_RESTARTED = "/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt"

# What may differ in an object that is deleted and created again. Kinds that are not here are never made anew.
RECREATED: Mapping[str, tuple[str, ...]] = {
    "Job": _within(_TEMPLATE, _POD),
    "Pod": _within("/spec", _POD),
    "PersistentVolumeClaim": ("/spec/storageClassName",),
}
RECREATED_WITH_APPROVAL: Mapping[str, tuple[str, ...]] = {
    "Job": _within(_TEMPLATE, _POD_WITH_APPROVAL),
    "Pod": _within("/spec", _POD_WITH_APPROVAL),
    "PersistentVolumeClaim": ("/spec/accessModes/**", "/spec/resources/requests/storage"),
}
CREATED = ("ServiceAccount",)  # kinds that may be created where they are named and missing, each with approval

ALLOWED: Mapping[str, tuple[str, ...]] = {
    "Deployment": _within(_TEMPLATE, _POD),
    "StatefulSet": _within(_TEMPLATE, _POD),
    "DaemonSet": _within(_TEMPLATE, _POD),
    "CronJob": (*_within(_CRON, _POD), "/spec/timeZone"),
    "Pod": ("/spec/containers/*/image", "/spec/initContainers/*/image"),  # all else of a Pod's spec is immutable
    "Service": ("/spec/selector/*", "/spec/ports/*/targetPort"),
    "HorizontalPodAutoscaler": ("/spec/scaleTargetRef/name", "/spec/scaleTargetRef/kind"),
    "Ingress": (
        "/spec/rules/*/http/paths/*/backend/service/name",
        "/spec/rules/*/http/paths/*/backend/service/port/**",
        "/spec/ingressClassName",
    ),
}
WITH_APPROVAL: Mapping[str, tuple[str, ...]] = {
    "Deployment": (
        *_within(_TEMPLATE, _POD_WITH_APPROVAL),
        _RESTARTED,
        "/spec/paused",
        "/spec/replicas",
        "/spec/strategy/**",
    ),
    "StatefulSet": (*_within(_TEMPLATE, _POD_WITH_APPROVAL), _RESTARTED, "/spec/replicas", "/spec/serviceName"),
    "DaemonSet": (*_within(_TEMPLATE, _POD_WITH_APPROVAL), _RESTARTED, "/spec/updateStrategy/**"),
    "CronJob": (*_within(_CRON, _POD_WITH_APPROVAL), "/spec/suspend", "/spec/concurrencyPolicy"),
    "Service": ("/spec/ports/*/port",),
    "HorizontalPodAutoscaler": ("/spec/minReplicas", "/spec/maxReplicas"),
    "Ingress": ("/spec/tls/**", "/spec/rules/**"),
    "PersistentVolumeClaim": ("/spec/resources/requests/storage",),
    "Node": ("/spec/unschedulable",),
}
