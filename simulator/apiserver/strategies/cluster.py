"""Namespaces, nodes, events and the small kinds that only carry data."""

import re
from base64 import b64encode
from collections.abc import Iterator

from simulator.apiserver.field_errors import FieldError, forbidden_field, immutable, invalid_value, required
from simulator.apiserver.objects import Object, at, metadata, namespace_of
from simulator.apiserver.strategies.plain import content_generation
from simulator.apiserver.strategies.strategy import Strategy

_KEY = re.compile("[-._a-zA-Z0-9]+")
_KEY_MESSAGE = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  "
    "or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
_LARGEST_DATA_BYTES = 1024 * 1024


def _default_namespace(namespace: Object) -> None:
    name = metadata(namespace).get("name")
    if name:
        labels = metadata(namespace)["labels"] = dict(metadata(namespace).get("labels") or {})
        labels["kubernetes.io/metadata.name"] = name
    namespace["spec"] = namespace.get("spec") or {}


def _create_namespace(namespace: Object) -> None:
    namespace["spec"] = {"finalizers": ["kubernetes"]}
    namespace["status"] = {"phase": "Active"}


def _update_namespace(new: Object, old: Object) -> None:
    """Only the finalize subresource changes the finalizers of the spec."""
    new["spec"] = old.get("spec") or {}


def _default_node(node: Object) -> None:
    node["spec"] = node.get("spec") or {}
    status = node["status"] = node.get("status") or {}
    if status.get("capacity") and not status.get("allocatable"):
        status["allocatable"] = dict(status["capacity"])


def _default_slice(endpoint_slice: Object) -> None:
    for port in endpoint_slice.get("ports") or ():
        port.setdefault("name", "")
        port.setdefault("protocol", "TCP")


def _validate_data(obj: Object) -> Iterator[FieldError]:
    """Keys and size of a ConfigMap or Secret."""
    size = 0
    for field in ("data", "binaryData"):
        for key, value in (obj.get(field) or {}).items():
            size += len(value)
            if not _KEY.fullmatch(key):
                yield invalid_value(f"{field}[{key}]", key, _KEY_MESSAGE)
    for key in (obj.get("data") or {}).keys() & (obj.get("binaryData") or {}).keys():
        yield invalid_value(f"data[{key}]", key, "duplicate of key present in binaryData")
    if size > _LARGEST_DATA_BYTES:
        where = "data" if obj.get("kind") == "Secret" else "[]"
        text = f"Too long: may not be more than {_LARGEST_DATA_BYTES} bytes"
        yield FieldError(where, "FieldValueTooLong", text)


def _validate_event(event: Object) -> Iterator[FieldError]:
    about, own = str(at(event, "involvedObject.namespace") or ""), namespace_of(event)
    if about != own and not (not about and own == "default"):
        yield invalid_value("involvedObject.namespace", about, "does not match event.namespace")


def _validate_secret_update(new: Object, old: Object) -> Iterator[FieldError]:
    if new.get("type") != old.get("type"):
        yield immutable("type", new.get("type"))
    yield from _frozen_data(new, old)


def _frozen_data(new: Object, old: Object) -> Iterator[FieldError]:
    if not old.get("immutable"):
        return
    if not new.get("immutable"):
        yield forbidden_field("immutable", "field is immutable when `immutable` is set")
    for field in ("data", "binaryData"):
        if new.get(field) != old.get(field):
            yield forbidden_field(field, "field is immutable when `immutable` is set")


def _default_secret(secret: Object) -> None:
    """`stringData` is write-only: it moves into `data`, encoded."""
    secret["type"] = secret.get("type") or "Opaque"
    plain = secret.pop("stringData", None) or {}
    if plain:
        encoded = {key: b64encode(value.encode()).decode() for key, value in plain.items()}
        secret["data"] = (secret.get("data") or {}) | encoded


def _validate_slice(endpoint_slice: Object) -> Iterator[FieldError]:
    if not endpoint_slice.get("addressType"):
        yield required("addressType")


NAMESPACE = Strategy(default=_default_namespace, create=_create_namespace, update=_update_namespace)
NODE = Strategy(default=_default_node)
EVENT = Strategy(validate=_validate_event)
CONFIG_MAP = Strategy(validate=_validate_data, validate_update=_frozen_data)
SECRET = Strategy(default=_default_secret, validate=_validate_data, validate_update=_validate_secret_update)
ENDPOINT_SLICE = Strategy(default=_default_slice, validate=_validate_slice, generation=content_generation)
LEASE = Strategy()
SERVICE_ACCOUNT = Strategy()
