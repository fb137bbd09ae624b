"""Whether a body has the JSON types that its kind's fields have; the counterpart of decoding into a Go
struct.

A shape is `QUANTITY`, a type (`str`, `int`, `bool`, `dict` for any object), a one-element list (a list of that
shape), or a dictionary of known fields; fields that a shape does not name pass. Null passes everywhere,
as it does in Go.
"""

from typing import Any

from simulator.quantities import QuantityError, parse

STRINGS: dict[str, Any] = {"*": str}
QUANTITY = object()
QUANTITIES: dict[str, Any] = {"*": QUANTITY}

METADATA: dict[str, Any] = {
    "name": str,
    "generateName": str,
    "namespace": str,
    "uid": str,
    "resourceVersion": str,
    "labels": STRINGS,
    "annotations": STRINGS,
    "finalizers": [str],
    "ownerReferences": [{"apiVersion": str, "kind": str, "name": str, "uid": str, "controller": bool}],
}
SELECTOR: dict[str, Any] = {
    "matchLabels": STRINGS,
    "matchExpressions": [{"key": str, "operator": str, "values": [str]}],
}
_RESOURCES: dict[str, Any] = {"limits": QUANTITIES, "requests": QUANTITIES}
_PROBE: dict[str, Any] = {
    "httpGet": {"path": str, "port": (int, str), "scheme": str},
    "tcpSocket": {"port": (int, str)},
    "exec": {"command": [str]},
    "grpc": {"port": int},
    "periodSeconds": int,
    "timeoutSeconds": int,
    "initialDelaySeconds": int,
    "failureThreshold": int,
    "successThreshold": int,
}
_FIELD_ITEMS: dict[str, Any] = {"items": [{"path": str, "fieldRef": dict, "resourceFieldRef": dict}]}
_SOURCES: dict[str, Any] = {
    "configMap": {"name": str, "items": [dict], "defaultMode": int},
    "secret": {"secretName": str, "name": str, "items": [dict], "defaultMode": int},
    "downwardAPI": _FIELD_ITEMS,
    "serviceAccountToken": dict,
}
_VOLUME: dict[str, Any] = _SOURCES | {
    "name": str,
    "emptyDir": {"medium": str, "sizeLimit": QUANTITY},
    "hostPath": dict,
    "persistentVolumeClaim": dict,
    "projected": {"sources": [_SOURCES], "defaultMode": int},
}
_HOOK: dict[str, Any] = {"httpGet": {"path": str, "port": (int, str)}, "exec": {"command": [str]}}
_VALUE_SOURCE: dict[str, Any] = {
    "fieldRef": dict,
    "resourceFieldRef": dict,
    "configMapKeyRef": {"name": str, "key": str, "optional": bool},
    "secretKeyRef": {"name": str, "key": str, "optional": bool},
}
_CONTAINER: dict[str, Any] = {
    "name": str,
    "image": str,
    "command": [str],
    "args": [str],
    "workingDir": str,
    "imagePullPolicy": str,
    "env": [{"name": str, "value": str, "valueFrom": _VALUE_SOURCE}],
    "envFrom": [dict],
    "ports": [{"name": str, "containerPort": int, "hostPort": int, "protocol": str}],
    "resources": _RESOURCES,
    "volumeMounts": [{"name": str, "mountPath": str, "readOnly": bool, "subPath": str}],
    "livenessProbe": _PROBE,
    "readinessProbe": _PROBE,
    "startupProbe": _PROBE,
    "lifecycle": {"postStart": _HOOK, "preStop": _HOOK},
    "securityContext": dict,
}
POD_SPEC: dict[str, Any] = {
    "containers": [_CONTAINER],
    "initContainers": [_CONTAINER],
    "volumes": [_VOLUME],
    "nodeName": str,
    "nodeSelector": STRINGS,
    "serviceAccountName": str,
    "restartPolicy": str,
    "terminationGracePeriodSeconds": int,
    "imagePullSecrets": [dict],
    "tolerations": [{"key": str, "operator": str, "value": str, "effect": str}],
    "securityContext": dict,
    "affinity": dict,
}
CONDITIONS: list[Any] = [{"type": str, "status": str, "reason": str, "message": str}]
_CONTAINER_STATUS: dict[str, Any] = {
    "name": str,
    "ready": bool,
    "restartCount": int,
    "state": {"waiting": dict, "running": dict, "terminated": dict},
    "lastState": {"waiting": dict, "running": dict, "terminated": dict},
}
POD_STATUS: dict[str, Any] = {
    "phase": str,
    "conditions": CONDITIONS,
    "containerStatuses": [_CONTAINER_STATUS],
    "initContainerStatuses": [_CONTAINER_STATUS],
}
TEMPLATE: dict[str, Any] = {"metadata": METADATA, "spec": POD_SPEC}

_WORDS: dict[type, str] = {
    str: "string",
    int: "int32",
    bool: "bool",
    dict: "struct",
    list: "slice",
    float: "float64",
}


def mismatch(value: Any, shape: Any, path: str) -> str | None:
    """The first field that has another type, in the decoder's words; None if all fit."""
    if value is None:
        return None
    if shape is QUANTITY:
        return _not_a_quantity(value)
    if isinstance(shape, dict):
        return _in_object(value, shape, path)
    if isinstance(shape, list):
        if not isinstance(value, list):
            return _wrong(value, list, path)
        return next((bad for one in value if (bad := mismatch(one, shape[0], path))), None)
    accepted = shape if isinstance(shape, tuple) else (shape,)
    if isinstance(value, accepted) and not (isinstance(value, bool) and bool not in accepted):
        return None
    return _wrong(value, accepted[0], path)


def _in_object(value: Any, shape: dict[str, Any], path: str) -> str | None:
    if not isinstance(value, dict):
        return _wrong(value, dict, path)
    anything = shape.get("*")
    for key, inner in value.items():
        expected = shape.get(key, anything)
        if expected is None:
            continue
        bad = mismatch(inner, expected, f"{path}.{key}")
        if bad:
            return bad
    return None


def _not_a_quantity(value: Any) -> str | None:
    try:
        parse(value)
    except QuantityError as error:
        return str(error)
    return None


def _wrong(value: Any, expected: type, path: str) -> str:
    found = {str: "string", bool: "bool", dict: "object", list: "array"}.get(type(value), "number")
    return f"json: cannot unmarshal {found} into Go struct field {path} of type {_WORDS[expected]}"
