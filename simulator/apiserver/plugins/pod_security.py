"""PodSecurity: which level a namespace demands of its pods, and what a refusal or a warning says
(`k8s.io/pod-security-admission`, Kubernetes v1.36).

The newest version of each policy is judged by, whatever version a label names; the label's word is shown. What the
audit label asks for goes into no log, because there is none. Raising the level of a namespace does not warn about
the pods it has.
"""

import re
from collections.abc import Iterator, Mapping

from simulator.apiserver.field_errors import FieldError, invalid_value
from simulator.apiserver.objects import Object, at
from simulator.apiserver.plugins.pod_security_checks import violations

_LABEL = "pod-security.kubernetes.io/"
_LEVELS = ("privileged", "baseline", "restricted")
_MODES = ("enforce", "audit", "warn")
_VERSION = re.compile(r"v1\.(0|[1-9][0-9]*)")
# Where the pod of a workload stands; a Deployment is only warned about.
TEMPLATES = {
    "Pod": "spec",
    "PodTemplate": "template.spec",
    "CronJob": "spec.jobTemplate.spec.template.spec",
} | dict.fromkeys(
    ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "ReplicationController"), "spec.template.spec"
)


def refusal(labels: Mapping[str, str], kind: str, obj: Object) -> str:
    """Why the namespace's `enforce` level keeps a pod out; nothing if it does not."""
    return _found(labels, "enforce", obj, "violates") if kind == "Pod" else ""


def warnings(labels: Mapping[str, str], kind: str, obj: Object) -> Iterator[str]:
    """What the `warn` level, and for workloads the `enforce` level too, has to say."""
    if kind not in TEMPLATES:
        return
    told = _found(labels, "warn", obj, "would violate", path=TEMPLATES[kind])
    if not told and kind != "Pod":
        told = _found(labels, "enforce", obj, "would violate", path=TEMPLATES[kind])
    if told:
        yield told


def _found(labels: Mapping[str, str], mode: str, obj: Object, verb: str, *, path: str = "spec") -> str:
    level = labels.get(_LABEL + mode, "privileged")
    spec = at(obj, path)
    if level == "privileged" or spec is None:
        return ""
    found = list(violations(spec, restricted=level == "restricted"))
    if not found:
        return ""
    version = labels.get(f"{_LABEL}{mode}-version", "latest")
    return f'{verb} PodSecurity "{level}:{version}": ' + ", ".join(f"{why} ({what})" for why, what in found)


def label_errors(labels: Mapping[str, str]) -> Iterator[FieldError]:
    """What is wrong with a namespace's own labels of this plugin."""
    for mode in _MODES:
        key = _LABEL + mode
        if key in labels and labels[key] not in _LEVELS:
            yield invalid_value(f"metadata.labels[{key}]", labels[key], f"must be one of {', '.join(_LEVELS)}")
        version = labels.get(f"{key}-version", "latest")
        if version != "latest" and not _VERSION.fullmatch(version):
            yield invalid_value(f"metadata.labels[{key}-version]", version, 'must be "latest" or "v1.x"')
