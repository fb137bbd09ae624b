"""The table of what the API server answers to objects with something wrong: `refusals/*.yaml`, one area a file.

A case starts from a valid object of its resource (a pod of one container, if it says none) and changes its `spec`, or
its one `container`, or the object's `fields`; or it has the whole `body`. With `then` the object is made and that merge
patch sent (`then (strategic)`: that strategic merge patch). It says each complaint as the message shows it, field
first; what the long words in braces stand for is in `WORDS`. `about` is how the answer names the object. A case that
`says: nothing` is accepted without a word; one that `warns` is accepted with those warnings.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .bodies import claim, container, deployment, job, pod, service, workload

WORDS = {
    "label": (
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
        "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
        "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
    ),
    "subdomain": (
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
        "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
        r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
    ),
    "label value": (
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start "
        "and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for "
        "validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
    ),
    "name part": (
        "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
        "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
        "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
    ),
    "config key": (
        "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or "
        "'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
    ),
    "1k": "1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei",
}
_BACKEND = {"service": {"name": "s", "port": {"number": 80}}}
BASES: dict[str, dict[str, Any]] = {
    "pods": pod(),
    "deployments": deployment(),
    "replicasets": workload("ReplicaSet"),
    "statefulsets": workload("StatefulSet"),
    "daemonsets": workload("DaemonSet"),
    "jobs": job(),
    "cronjobs": {
        "metadata": {"name": "c"},
        "spec": {"schedule": "@daily", "jobTemplate": {"spec": job()["spec"]}},
    },
    "services": service(),
    "persistentvolumeclaims": claim(),
    "persistentvolumes": {
        "metadata": {"name": "n"},
        "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/a"}},
    },
    "horizontalpodautoscalers": {
        "metadata": {"name": "n"},
        "spec": {
            "scaleTargetRef": {"kind": "Deployment", "name": "x", "apiVersion": "apps/v1"},
            "maxReplicas": 3,
        },
    },
    "poddisruptionbudgets": {"metadata": {"name": "n"}, "spec": {"selector": {"matchLabels": {"a": "b"}}}},
    "ingresses": {"metadata": {"name": "n"}, "spec": {"defaultBackend": _BACKEND}},
    "networkpolicies": {"metadata": {"name": "n"}, "spec": {"podSelector": {}}},
}
_FOLDER = Path(__file__).with_name("refusals")
_NOT_NAMESPACED = {
    "nodes": "/api/v1", "persistentvolumes": "/api/v1", "namespaces": "/api/v1",
    "storageclasses": "/apis/storage.k8s.io/v1", "csidrivers": "/apis/storage.k8s.io/v1",
    "priorityclasses": "/apis/scheduling.k8s.io/v1", "ingressclasses": "/apis/networking.k8s.io/v1",
    "runtimeclasses": "/apis/node.k8s.io/v1", "clusterroles": "/apis/rbac.authorization.k8s.io/v1",
    "clusterrolebindings": "/apis/rbac.authorization.k8s.io/v1",
    "validatingwebhookconfigurations": "/apis/admissionregistration.k8s.io/v1",
}  # fmt: skip
_REASONS = {
    "Required value": "FieldValueRequired", "Invalid value": "FieldValueInvalid", "Forbidden": "FieldValueForbidden",
    "Unsupported value": "FieldValueNotSupported", "Duplicate value": "FieldValueDuplicate",
    "Not found": "FieldValueNotFound", "Too long": "FieldValueTooLong",
}  # fmt: skip


@dataclass(frozen=True)
class Refusal:
    """One case. `root` is the path of a resource that is in no namespace, empty for one that is."""

    resource: str
    root: str
    body: dict[str, Any]
    patch: dict[str, Any] | None
    strategic: bool
    code: int
    about: str
    says: tuple[str, ...]
    warns: tuple[str, ...]

    @property
    def message(self) -> str:
        if self.code != 422:
            return self.says[0]
        listed = self.says[0] if len(self.says) == 1 else f"[{', '.join(self.says)}]"
        return f"{self.about} is invalid: {listed}"

    @property
    def causes(self) -> list[tuple[str, str]]:
        """(field, reason), as the complaints name them."""
        found = []
        for text in self.says if self.code == 422 else ():
            field, _, rest = text.partition(": ")
            found.append((field, next(reason for word, reason in _REASONS.items() if rest.startswith(word))))
        return found


def refusals() -> dict[str, Refusal]:
    """Every case by `area: case`."""
    return {
        f"{path.stem}: {case['case']}": _read(case)
        for path in sorted(_FOLDER.glob("*.yaml"))
        for case in yaml.safe_load(path.read_text())
    }


def _read(case: dict[str, Any]) -> Refusal:
    resource, says = case.get("resource", "pods"), case.get("says", "nothing")
    patch = case.get("then", case.get("then (strategic)"))
    return Refusal(
        resource=resource,
        root=_NOT_NAMESPACED.get(resource, ""),
        body=_body(resource, case),
        patch=patch,
        strategic="then (strategic)" in case,
        code=case.get("code", 200 if says == "nothing" else 422),
        about=case.get("about", 'Pod "web"'),
        says=() if says == "nothing" else tuple(_spelled(text) for text in says),
        warns=tuple(case.get("warns", ())),
    )


def _body(resource: str, case: dict[str, Any]) -> dict[str, Any]:
    if "body" in case:
        body: dict[str, Any] = case["body"]
        return body
    if "fields" in case:
        return {"metadata": {"name": "n"}, **case["fields"]}
    if "container" in case:
        return pod("web", container(**case["container"]))
    base = BASES[resource]
    return {**base, "spec": {**base["spec"], **case["spec"]}}


def _spelled(text: str) -> str:
    for word, meaning in WORDS.items():
        text = text.replace(f"{{{word}}}", meaning)
    return text
