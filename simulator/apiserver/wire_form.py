"""Reading a request's body into the form in which the API server keeps objects.

The real server decodes into Go structs and encodes them again; fields that are null or (`omitempty`)
empty are gone afterwards. Clients meet that: an `env` list emptied by a patch is no longer there.
`as_kept` does the same to a dictionary, by the names of the fields of `k8s.io/api` v0.36 for the kinds
served here; keys of free maps (labels, data) are never touched.
"""

from typing import Any

import orjson
import yaml

from simulator.apiserver import status_errors
from simulator.apiserver.kinds import Kind
from simulator.apiserver.objects import Object
from simulator.apiserver.protobuf import MEDIA_TYPE, ProtobufError, decode_protobuf

_ACCEPTED = ("application/json", "application/yaml", MEDIA_TYPE)
_FREE_MAPS = frozenset(
    [
        "labels",
        "annotations",
        "data",
        "binaryData",
        "stringData",
        "matchLabels",
        "nodeSelector",
        "limits",
        "requests",
        "capacity",
        "allocatable",
        "selector",
    ]
)
_QUANTITY_MAPS = frozenset({"limits", "requests", "capacity", "allocatable"})
_KEPT_LISTS = frozenset({"containers", "endpoints", "addresses", "images"})
_OMITTED_FALSE = frozenset(
    [
        "paused",
        "readOnly",
        "hostNetwork",
        "hostPID",
        "hostIPC",
        "stdin",
        "stdinOnce",
        "tty",
        "unschedulable",
        "publishNotReadyAddresses",
    ]
)
_OMITTED_ZERO = frozenset(
    [
        "minReadySeconds",
        "initialDelaySeconds",
        "hostPort",
        "nodePort",
        "readyReplicas",
        "availableReplicas",
        "updatedReplicas",
        "unavailableReplicas",
        "fullyLabeledReplicas",
        "observedGeneration",
    ]
)
_OMITTED_TEXT = frozenset(
    [
        "value",
        "nodeName",
        "clusterIP",
        "subPath",
        "message",
        "reason",
        "image",
        "command",
        "workingDir",
        "podIP",
        "hostIP",
        "generateName",
        "serviceAccountName",
        "serviceAccount",
        "namespace",
        "resourceVersion",
        "uid",
        "fieldPath",
        "nominatedNodeName",
        "name",
        "host",
        "component",
        "action",
    ]
)
_KEPT_TEXT_BESIDE = frozenset({"imageID", "reportingInstance"})


def decode(kind: Kind, body: bytes, content_type: str) -> Object:
    """The object of a request's body, with kind and apiVersion. Raises StatusError 400 or 415."""
    return typed(kind, _parse(body, content_type))


def decode_options(body: bytes, content_type: str) -> Object:
    """The DeleteOptions of a request, in whatever API version they come; nothing for an empty body."""
    return _parse(body, content_type) if body.strip() else {}


def _parse(body: bytes, content_type: str) -> Object:
    if content_type not in ("", "application/octet-stream", *_ACCEPTED):
        raise status_errors.unsupported_media_type(_ACCEPTED)
    try:
        if content_type == MEDIA_TYPE:
            return decode_protobuf(body)
        found = yaml.safe_load(body) if content_type.endswith("yaml") else orjson.loads(body)
    except ProtobufError as error:
        raise status_errors.StatusError(415, "UnsupportedMediaType", str(error)) from error
    except (orjson.JSONDecodeError, yaml.YAMLError) as error:
        raise status_errors.bad_request(f"couldn't get version/kind; json parse error: {error}") from error
    if not isinstance(found, dict):
        raise status_errors.bad_request("couldn't get version/kind; json parse error: the body is not an object")
    return found


def typed(kind: Kind, found: Object) -> Object:
    """The object with the kind's own kind and apiVersion first. Raises StatusError 400 if it says it is another."""
    version, word = found.get("apiVersion") or kind.api_version, found.get("kind") or kind.kind
    if word != kind.kind:
        text = f"no kind {word!r} is served at this path in version {version!r}: use {kind.kind!r}"
        raise status_errors.bad_request(text)
    if version != kind.api_version:
        raise status_errors.bad_request(
            f"the API version in the data ({version}) does not match the expected API version ({kind.api_version})"
        )
    rest = {key: value for key, value in found.items() if key not in ("kind", "apiVersion")}
    if not isinstance(rest.setdefault("metadata", {}), dict):
        rest["metadata"] = rest["metadata"] or {}
    return {"kind": kind.kind, "apiVersion": kind.api_version, **rest}


def as_kept(value: Any) -> Any:
    """The value without what the server does not keep; a new value, the given one stays as it is."""
    if isinstance(value, list):
        return [as_kept(one) for one in value if one is not None]
    if not isinstance(value, dict):
        return value
    kept: Object = {}
    beside = _KEPT_TEXT_BESIDE.intersection(value)
    for key, inner in value.items():
        if key in _FREE_MAPS and isinstance(inner, dict) and not _is_label_selector(inner):
            if inner:
                nothing = "0" if key in _QUANTITY_MAPS else ""
                kept[key] = {name: nothing if one is None else one for name, one in inner.items()}
        elif not (_omitted(key, inner) and not (inner == "" and beside)):
            kept[key] = as_kept(inner)
    return kept


def _is_label_selector(inner: Object) -> bool:
    """`selector` is a free map in a Service and an object in a workload."""
    return not inner or any(isinstance(one, dict | list) for one in inner.values())


def _omitted(key: str, value: Any) -> bool:
    if value is None:
        return True
    if value is False:
        return key in _OMITTED_FALSE
    if isinstance(value, str):
        return not value and key in _OMITTED_TEXT
    if isinstance(value, list):
        return not value and key not in _KEPT_LISTS
    if isinstance(value, dict):
        return not value and key in _FREE_MAPS and key != "selector"
    return value == 0 and key in _OMITTED_ZERO
