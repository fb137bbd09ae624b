"""Who may pull from a registry: the pod's pull secrets against the registry's users.

Secrets are those of type kubernetes.io/dockerconfigjson, read as pkg/credentialprovider/secrets does: an entry counts
for the registry's host, with or without scheme and path.
"""

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from simulator.kubelet.catalogue import Registry

Credentials = frozenset[tuple[str, str]]
"""User names with their passwords."""


def credentials_for(host: str, secrets: Iterable[Mapping[str, Any]]) -> Credentials:
    """What the secrets have for that host."""
    return frozenset(found for secret in secrets for found in _of_secret(host, secret))


def may_pull(registry: Registry, credentials: Credentials) -> bool:
    """Whether the registry lets these in; an open one lets everybody."""
    return not registry.users or any(registry.users.get(user) == password for user, password in credentials)


def _of_secret(host: str, secret: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    raw = (secret.get("data") or {}).get(".dockerconfigjson", "")
    try:
        auths = orjson.loads(base64.b64decode(raw))["auths"]
        entries = [(str(key), value) for key, value in auths.items()]
    except (binascii.Error, orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return  # the kubelet, too, goes on without a secret that it cannot read
    for key, entry in entries:
        if key.partition("://")[2].partition("/")[0] == host or key.partition("/")[0] == host:
            yield _user(entry)


def _user(entry: Mapping[str, Any]) -> tuple[str, str]:
    if entry.get("username"):
        return str(entry["username"]), str(entry.get("password", ""))
    try:
        user, _, password = base64.b64decode(str(entry.get("auth", ""))).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return user, password
