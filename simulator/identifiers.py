"""The identifiers of a scenario: what somebody has named, as against what Kubernetes has. Pure.

Collected by where they stand (a name, a label's value, a reference), never by how they look: a word that only looks
like a name may be part of a message, and has to stay.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

_NAMES = frozenset({
    "name", "namespace", "generateName", "claimName", "secretName", "serviceAccountName", "storageClassName",
    "priorityClassName", "runtimeClassName", "ingressClassName", "volumeName", "serviceName", "schedulerName",
})  # fmt: skip
_LABELS = frozenset({"labels", "matchLabels", "nodeSelector", "selector"})
_NAME = re.compile(r"[a-z][a-z0-9-]{2,}")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9]*_[A-Z0-9_]+")
_SOURCES = ("data", "stringData")
RESERVED = frozenset({
    "default", "standard", "linux", "amd64", "arm64", "http", "https", "grpc", "tcp", "metrics", "nginx", "busybox",
    "redis", "postgres", "httpd", "memcached", "cluster-admin", "view", "edit", "cpu", "memory", "pods", "kube-system",
    "hosts", "system", "admin", "node", "true", "false", "name", "low", "high", "app", "key", "container",
    "privileged", "baseline", "restricted", "simulated",
})  # fmt: skip
"""Words that mean something to Kubernetes or name an official image: they stay."""


def names_in(document: Any) -> set[str]:
    """Every identifier that somebody chose: names, references to names, values of labels."""
    return {name for name in _names(document) if _NAME.fullmatch(name) and name not in RESERVED}


def variables_in(document: Any) -> set[str]:
    """Names of environment variables, and of keys that become one; of more than one word."""
    return {name for name in _variables(document) if _VARIABLE.fullmatch(name)}


def _names(document: Any) -> Iterator[str]:
    if isinstance(document, list):
        for item in document:
            yield from _names(item)
    elif isinstance(document, Mapping):
        is_rbac = "rules" in document or "roleRef" in document
        for key, value in document.items():
            if key in _NAMES and isinstance(value, str):
                yield value
            elif key in _LABELS and isinstance(value, Mapping):
                yield from (item for item in value.values() if isinstance(item, str))
            if not (is_rbac and key == "rules"):
                yield from _names(value)


def _variables(document: Any) -> Iterator[str]:
    if isinstance(document, list):
        for item in document:
            yield from _variables(item)
    elif isinstance(document, Mapping):
        for key, value in document.items():
            if key in _SOURCES and isinstance(value, Mapping):
                yield from map(str, value)
            elif key == "env" and isinstance(value, list):
                yield from (item["name"] if isinstance(item, Mapping) else str(item) for item in value)
            elif key == "key" and isinstance(value, str):
                yield value
            yield from _variables(value)
