"""Security contexts of pods and containers: who a process is, and what it may (`pkg/apis/core/validation`,
Kubernetes v1.36).
"""

import re
from collections.abc import Iterator
from typing import Any

from simulator.apiserver.field_errors import (
    FieldError,
    duplicate,
    forbidden_field,
    invalid_value,
    required,
    unsupported,
)
from simulator.apiserver.objects import Object, at, items_at
from simulator.apiserver.strategies.forms import between, one_of, relative_path

_LARGEST_ID = 2**31 - 1
_PROFILE_TYPES = ("Localhost", "RuntimeDefault", "Unconfined")
_SYSCTL = r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SYSCTL_FORM = re.compile(_SYSCTL)
_LONGEST_SYSCTL = 253
_POD_CHOICES = {
    "fsGroupChangePolicy": ("Always", "OnRootMismatch"),
    "supplementalGroupsPolicy": ("Merge", "Strict"),
}
_NOT_WITHOUT_ESCALATION = "cannot set `allowPrivilegeEscalation` to false and"
_SHOWN = {
    "capabilities": ("add", "drop"), "privileged": (), "seLinuxOptions": ("user", "role", "type", "level"),
    "windowsOptions": ("gmsaCredentialSpecName", "gmsaCredentialSpec", "runAsUserName", "hostProcess"),
    "runAsUser": (), "runAsGroup": (), "runAsNonRoot": (), "readOnlyRootFilesystem": (),
    "allowPrivilegeEscalation": (), "procMount": (), "seccompProfile": ("type", "localhostProfile"),
    "appArmorProfile": ("type", "localhostProfile"),
}  # fmt: skip
_SPELLED = {"seLinuxOptions": "SELinuxOptions"}


def container_security(context: Object | None, where: str, *, host_users: bool) -> Iterator[FieldError]:
    """Complaints about one container's context."""
    if context is None:
        return
    for field in ("runAsUser", "runAsGroup"):
        yield from between(context.get(field), f"{where}.{field}", 0, _LARGEST_ID)
    mount = context.get("procMount")
    yield from one_of(mount, f"{where}.procMount", ("Default", "Unmasked"))
    if mount == "Unmasked" and host_users:
        yield invalid_value(f"{where}.procMount", mount, "`hostUsers` must be false to use `Unmasked`")
    yield from _seccomp(context.get("seccompProfile"), f"{where}.seccompProfile")
    if context.get("allowPrivilegeEscalation") is False:
        yield from _without_escalation(context, where)
    yield from _app_armor(context.get("appArmorProfile"), f"{where}.appArmorProfile")


def _without_escalation(context: Object, where: str) -> Iterator[FieldError]:
    if context.get("privileged"):
        yield invalid_value(where, _as_struct(context), f"{_NOT_WITHOUT_ESCALATION} `privileged` to true")
    for _ in (one for one in at(context, "capabilities.add") or () if one == "CAP_SYS_ADMIN"):
        yield invalid_value(where, _as_struct(context), f"{_NOT_WITHOUT_ESCALATION} `capabilities.Add` CAP_SYS_ADMIN")


def _as_struct(context: Object) -> Object:
    """As the real server shows its internal type: every field, by its Go name."""
    shown: Object = {}
    for name, fields in _SHOWN.items():
        value: Any = context.get(name)
        if fields and value is not None:
            value = {one[:1].upper() + one[1:]: value.get(one) for one in fields}
        shown[_SPELLED.get(name, name[:1].upper() + name[1:])] = value
    return shown


def _seccomp(profile: Object | None, where: str) -> Iterator[FieldError]:
    if profile is None:
        return
    kind, file = profile.get("type"), profile.get("localhostProfile")
    yield from _profile_type(kind, f"{where}.type", "seccompProfile")
    if kind != "Localhost":
        if file is not None:
            shown = {"Type": kind, "LocalhostProfile": file}
            yield invalid_value(f"{where}.localhostProfile", shown, "can only be set when seccomp type is Localhost")
    elif file is None:
        yield required(f"{where}.localhostProfile", "must be set when seccomp type is Localhost")
    else:
        yield from relative_path(file, f"{where}.localhostProfile")


def _profile_type(kind: str | None, where: str, field: str) -> Iterator[FieldError]:
    if not kind:
        yield required(where, f"type is required when {field} is set")
    elif kind not in _PROFILE_TYPES:
        yield unsupported(where, kind, _PROFILE_TYPES)


def _app_armor(profile: Object | None, where: str) -> Iterator[FieldError]:
    if profile is None:
        return
    kind, file = profile.get("type"), profile.get("localhostProfile")
    yield from _profile_type(kind, f"{where}.type", "appArmorProfile")
    here = f"{where}.localhostProfile"
    if kind == "Localhost":
        if not file:
            yield required(here, "must be set when AppArmor type is Localhost")
        elif file != file.strip():
            yield invalid_value(here, file, "must not be padded with whitespace")
    elif kind in _PROFILE_TYPES and file is not None:
        yield invalid_value(here, file, "can only be set when AppArmor type is Localhost")


def pod_security(spec: Object, path: str) -> Iterator[FieldError]:
    """Complaints about the pod's context, which for the real server holds the host's namespaces too."""
    context, where = spec.get("securityContext") or {}, f"{path}.securityContext"
    for field in ("fsGroup", "runAsUser", "runAsGroup"):
        yield from between(context.get(field), f"{where}.{field}", 0, _LARGEST_ID)
    for index, group in enumerate(context.get("supplementalGroups") or ()):
        yield from between(group, f"{where}.supplementalGroups[{index}]", 0, _LARGEST_ID)
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        why = "ShareProcessNamespace and HostPID cannot both be enabled"
        yield invalid_value(f"{where}.shareProcessNamespace", True, why)
    yield from _sysctls(context, f"{where}.sysctls")
    yield from one_of(
        context.get("fsGroupChangePolicy"), f"{where}.fsGroupChangePolicy", _POD_CHOICES["fsGroupChangePolicy"]
    )
    yield from _seccomp(context.get("seccompProfile"), f"{where}.seccompProfile")
    yield from _app_armor(context.get("appArmorProfile"), f"{where}.appArmorProfile")
    policy = "supplementalGroupsPolicy"
    yield from one_of(context.get(policy), f"{where}.{policy}", _POD_CHOICES[policy])


def _sysctls(context: Object, where: str) -> Iterator[FieldError]:
    seen: set[str] = set()
    for index, one in enumerate(items_at(context, "sysctls")):
        here, name = f"{where}[{index}].name", str(one.get("name") or "")
        if not name:
            yield required(here)
        elif len(name) > _LONGEST_SYSCTL or not _SYSCTL_FORM.fullmatch(name):
            yield invalid_value(
                here, name, f"must have at most {_LONGEST_SYSCTL} characters and match regex ^{_SYSCTL}$"
            )
        elif name in seen:
            yield duplicate(here, name)
        seen.add(name)


def user_namespace(spec: Object, path: str) -> Iterator[FieldError]:
    """A pod with users of its own cannot share the host's namespaces."""
    if spec.get("hostUsers") is not False:
        return
    for field, shown in (("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")):
        if spec.get(field):
            yield forbidden_field(f"{path}.{shown}", "when `hostUsers` is false")
    for group in ("initContainers", "containers"):
        for index, container in enumerate(items_at(spec, group)):
            if container.get("volumeDevices"):
                yield forbidden_field(f"{path}.{group}[{index}].volumeDevices", "when `hostUsers` is false")
