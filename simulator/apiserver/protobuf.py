"""Reading Kubernetes protobuf bodies, for the few kinds that kubectl creates in that form.

`kubectl create namespace|configmap|secret|serviceaccount|deployment|token`, `kubectl auth can-i` and
`kubectl drain` send protobuf and do not fall back to JSON. The tables below are the field numbers of
`generated.proto` in k8s.io/api and k8s.io/apimachinery v0.36 for what those commands send. A field that
is not in them and carries a value is refused, never dropped. Answers are always JSON, which these
clients accept.
"""

from base64 import b64encode
from collections.abc import Iterator
from typing import Any

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_Message = dict[int, tuple[str, str]]

_PLAIN = {1: ("metadata", "ObjectMeta"), 3: ("status", "skip")}
_MESSAGES: dict[str, _Message] = {
    "ObjectMeta": {
        1: ("name", "text"), 2: ("generateName", "text"), 3: ("namespace", "text"), 5: ("uid", "text"),
        6: ("resourceVersion", "text"), 7: ("generation", "skip"), 8: ("creationTimestamp", "skip"),
        11: ("labels", "map"), 12: ("annotations", "map"), 14: ("finalizers", "[]text"),
    },
    "Namespace": _PLAIN | {2: ("spec", "skip")},
    "ConfigMap": {
        1: ("metadata", "ObjectMeta"), 2: ("data", "map"), 3: ("binaryData", "bytes map"), 4: ("immutable", "bool"),
    },
    "Secret": {
        1: ("metadata", "ObjectMeta"), 2: ("data", "bytes map"), 3: ("type", "text"), 4: ("stringData", "map"),
        5: ("immutable", "bool"),
    },
    "ServiceAccount": {1: ("metadata", "ObjectMeta"), 4: ("automountServiceAccountToken", "bool")},
    "Deployment": _PLAIN | {2: ("spec", "DeploymentSpec")},
    "DeploymentSpec": {
        1: ("replicas", "int"), 2: ("selector", "LabelSelector"), 3: ("template", "PodTemplateSpec"),
        4: ("strategy", "skip"), 5: ("minReadySeconds", "int"), 6: ("revisionHistoryLimit", "int"),
        7: ("paused", "bool"), 9: ("progressDeadlineSeconds", "int"),
    },
    "Service": _PLAIN | {2: ("spec", "ServiceSpec")},
    "ServiceSpec": {
        1: ("ports", "[]ServicePort"), 2: ("selector", "map"), 3: ("clusterIP", "text"), 4: ("type", "text"),
        7: ("sessionAffinity", "text"), 10: ("externalName", "text"),
    },
    "ServicePort": {
        1: ("name", "text"), 2: ("protocol", "text"), 3: ("port", "int"), 4: ("targetPort", "int or text"),
        5: ("nodePort", "int"),
    },
    "LabelSelector": {1: ("matchLabels", "map")},
    "PodTemplateSpec": {1: ("metadata", "ObjectMeta"), 2: ("spec", "PodSpec")},
    "PodSpec": {2: ("containers", "[]Container"), 3: ("restartPolicy", "text"), 10: ("nodeName", "text")},
    "Container": {
        1: ("name", "text"), 2: ("image", "text"), 3: ("command", "[]text"), 4: ("args", "[]text"),
        6: ("ports", "[]ContainerPort"),
    },
    "ContainerPort": {
        1: ("name", "text"), 2: ("hostPort", "int"), 3: ("containerPort", "int"), 4: ("protocol", "text"),
    },
    "SelfSubjectAccessReview": _PLAIN | {2: ("spec", "SelfSubjectAccessReviewSpec")},
    "SelfSubjectAccessReviewSpec": {
        1: ("resourceAttributes", "ResourceAttributes"), 2: ("nonResourceAttributes", "NonResourceAttributes"),
    },
    "ResourceAttributes": {
        1: ("namespace", "text"), 2: ("verb", "text"), 3: ("group", "text"), 4: ("version", "text"),
        5: ("resource", "text"), 6: ("subresource", "text"), 7: ("name", "text"),
    },
    "NonResourceAttributes": {1: ("path", "text"), 2: ("verb", "text")},
    "SelfSubjectReview": {1: ("metadata", "ObjectMeta"), 2: ("status", "skip")},
    "TokenRequest": _PLAIN | {2: ("spec", "TokenRequestSpec")},
    "TokenRequestSpec": {1: ("audiences", "[]text"), 4: ("expirationSeconds", "int")},
    "Eviction": {1: ("metadata", "ObjectMeta"), 2: ("deleteOptions", "DeleteOptions")},
    "DeleteOptions": {
        1: ("gracePeriodSeconds", "int"), 2: ("preconditions", "Preconditions"), 3: ("orphanDependents", "bool"),
        4: ("propagationPolicy", "text"), 5: ("dryRun", "[]text"),
    },
    "Preconditions": {1: ("uid", "text"), 2: ("resourceVersion", "text")},
}  # fmt: skip


class ProtobufError(ValueError):
    """The body is no Kubernetes protobuf, or holds something that is not read here; the message says what."""


def decode_protobuf(body: bytes) -> dict[str, Any]:
    """The object in a body, with its apiVersion and kind. Raises ProtobufError."""
    if not body.startswith(_MAGIC):
        raise ProtobufError("the body does not start with the protobuf prefix of Kubernetes")
    envelope = dict(_fields(body[len(_MAGIC) :]))  # runtime.Unknown: 1 is the TypeMeta, 2 the object
    about = dict(_fields(_inner(envelope.get(1, b""))))
    version, kind = _text(about.get(1, b"")), _text(about.get(2, b""))
    if kind not in _MESSAGES:
        raise ProtobufError(f"a {kind or 'nameless kind'} in protobuf is not read by the embedded server: send JSON")
    return {"apiVersion": version, "kind": kind} | _message(kind, _inner(envelope.get(2, b"")))


def _message(name: str, body: bytes) -> dict[str, Any]:
    known, found = _MESSAGES[name], dict[str, Any]()
    for number, value in _fields(body):
        field, form = known.get(number, ("", ""))
        if not field:
            if value not in (0, b""):
                raise ProtobufError(
                    f"field {number} of {name} in protobuf is not read by the embedded server: send JSON"
                )
        elif form.startswith("[]"):
            found.setdefault(field, []).append(_value(form[2:], value))
        elif form.endswith("map"):
            found.setdefault(field, {}).update([_entry(_inner(value), of_bytes=form == "bytes map")])
        elif form != "skip" and value != b"":
            found[field] = _value(form, value)
    return found


def _value(form: str, value: int | bytes) -> Any:
    if form == "bool":
        return bool(value)
    if form == "int":
        number = int(value) if isinstance(value, int) else 0
        return number - (1 << 64) if number >= 1 << 63 else number
    if form == "int or text":
        parts = dict(_fields(_inner(value)))  # IntOrString: 1 says which, 2 is the number, 3 the text
        return _value("text", parts.get(3, b"")) if parts.get(1) else _value("int", parts.get(2, 0))
    if form == "text":
        return _text(value)
    return _message(form, _inner(value))


def _text(value: int | bytes) -> str:
    if isinstance(value, int):
        raise ProtobufError("a text field holds a number")
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise ProtobufError("a text field is not UTF-8") from error


def _entry(body: bytes, *, of_bytes: bool) -> tuple[str, str]:
    parts = dict(_fields(body))
    key, value = _text(parts.get(1, b"")), parts.get(2, b"")
    return key, b64encode(_inner(value)).decode() if of_bytes else _text(value)


def _inner(value: int | bytes) -> bytes:
    """The bytes of a nested message. Raises ProtobufError for a number in its place."""
    if isinstance(value, int):
        raise ProtobufError("a number stands where a message belongs")
    return value


def _fields(body: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field numbers and values of one message, in order."""
    position = 0
    while position < len(body):
        tag, position = _varint(body, position)
        wire, size = tag & 7, {_FIXED64: 8, _FIXED32: 4}.get(tag & 7, 0)
        if wire == _VARINT:
            value, position = _varint(body, position)
            yield tag >> 3, value
            continue
        if wire == _BYTES:
            size, position = _varint(body, position)
        elif not size:
            raise ProtobufError(f"wire type {wire} is none that Kubernetes uses")
        if position + size > len(body):
            raise ProtobufError("the body ends in the middle of a field")
        yield tag >> 3, body[position : position + size]
        position += size


def _varint(body: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(body) and shift < 70:
        byte = body[position]
        value, shift, position = value | (byte & 127) << shift, shift + 7, position + 1
        if byte < 128:
            return value, position
    raise ProtobufError("the body ends in the middle of a number")
