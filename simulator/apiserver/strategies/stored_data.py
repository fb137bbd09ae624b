"""ConfigMaps and Secrets: their keys, their size, and what Secrets of a type have to hold (`pkg/apis/core/validation`,
Kubernetes v1.36). What a Secret holds is never shown.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterator

import orjson

from simulator.apiserver.field_errors import FieldError, forbidden_field, immutable, invalid_value, required
from simulator.apiserver.objects import Object, metadata
from simulator.apiserver.strategies.forms import config_key_problems, fits
from simulator.apiserver.strategies.strategy import Strategy

_LARGEST_DATA_BYTES = 1024 * 1024
_ACCOUNT = "kubernetes.io/service-account.name"
_DOCKER = {"kubernetes.io/dockercfg": ".dockercfg", "kubernetes.io/dockerconfigjson": ".dockerconfigjson"}
_FROZEN = "field is immutable when `immutable` is set"


def _validate_data(obj: Object) -> Iterator[FieldError]:
    size = 0
    for field in ("data", "binaryData"):
        for key, value in (obj.get(field) or {}).items():
            size += len(value)
            yield from fits(key, f"{field}[{key}]", config_key_problems)
    for key in (obj.get("data") or {}).keys() & (obj.get("binaryData") or {}).keys():
        yield invalid_value(f"data[{key}]", key, "duplicate of key present in binaryData")
    if size > _LARGEST_DATA_BYTES:
        where = "data" if obj.get("kind") == "Secret" else "[]"
        text = f"Too long: may not be more than {_LARGEST_DATA_BYTES} bytes"
        yield FieldError(where, "FieldValueTooLong", text)


def _default_secret(secret: Object) -> None:
    """`stringData` is write-only: it moves into `data`, encoded."""
    secret["type"] = secret.get("type") or "Opaque"
    plain = secret.pop("stringData", None) or {}
    if plain:
        encoded = {key: b64encode(value.encode()).decode() for key, value in plain.items()}
        secret["data"] = (secret.get("data") or {}) | encoded


def _validate_secret(secret: Object) -> Iterator[FieldError]:
    yield from _validate_data(secret)
    kind, data = str(secret.get("type")), secret.get("data") or {}
    if kind in _DOCKER:
        yield from _registry_logins(data, _DOCKER[kind])
    elif kind == "kubernetes.io/tls":
        yield from (required(f"data[{key}]") for key in ("tls.crt", "tls.key") if key not in data)
    elif kind == "kubernetes.io/basic-auth":
        if not {"username", "password"} & data.keys():
            yield from (required(f"data[{key}]") for key in ("username", "password"))
    elif kind == "kubernetes.io/ssh-auth":
        if not data.get("ssh-privatekey"):
            yield required("data[ssh-privatekey]")
    elif kind == "kubernetes.io/service-account-token" and not (metadata(secret).get("annotations") or {}).get(
        _ACCOUNT
    ):
        yield required(f"metadata.annotations[{_ACCOUNT}]")


def _registry_logins(data: Object, key: str) -> Iterator[FieldError]:
    if key not in data:
        yield required(f"data[{key}]")
        return
    text = b64decode(data[key])
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        first = text.lstrip()[:1].decode(errors="replace")
        why = f"invalid character '{first}' looking for beginning of value" if first else "unexpected end of JSON input"
        yield invalid_value(f"data[{key}]", "<secret contents redacted>", why)


def _validate_secret_update(new: Object, old: Object) -> Iterator[FieldError]:
    if new.get("type") != old.get("type"):
        yield immutable("type", new.get("type"))
    yield from _frozen_data(new, old)


def _frozen_data(new: Object, old: Object) -> Iterator[FieldError]:
    if not old.get("immutable"):
        return
    if not new.get("immutable"):
        yield forbidden_field("immutable", _FROZEN)
    for field in ("data", "binaryData"):
        if new.get(field) != old.get(field):
            yield forbidden_field(field, _FROZEN)


CONFIG_MAP = Strategy(validate=_validate_data, validate_update=_frozen_data)
SECRET = Strategy(default=_default_secret, validate=_validate_secret, validate_update=_validate_secret_update)
