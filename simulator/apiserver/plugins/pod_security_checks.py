"""The checks of the Pod Security Standards, `baseline` and `restricted`, with the words of each violation
(`k8s.io/pod-security-admission/policy`, Kubernetes v1.36).

Each check yields a reason and a detail; they come in the order of their names, baseline first, as the real server
lists them.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from simulator.apiserver.objects import Object, at, items_at

Violation = tuple[str, str]

_BASELINE_CAPABILITIES = frozenset(
    [
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    ]
)
_SELINUX_TYPES = frozenset({"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"})
_SYSCTLS = frozenset(
    [
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.tcp_wmem",
    ]
)
_VOLUME_TYPES = frozenset(
    [
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    ]
)
_PROFILES = ("RuntimeDefault", "Localhost")


def violations(spec: Object, *, restricted: bool) -> Iterator[Violation]:
    """Everything in a pod's spec that the level does not allow."""
    windows = at(spec, "os.name") == "windows"
    yield from _app_armor(spec)
    if not restricted:
        yield from _capabilities(spec)
    yield from _host_namespaces(spec)
    if not restricted:
        yield from _host_paths(spec)
    yield from _host_ports(spec)
    yield from _probe_hosts(spec)
    yield from _privileged(spec)
    yield from _proc_mounts(spec)
    yield from _selinux(spec)
    if not restricted:
        yield from _set_badly(spec, "seccompProfile", "seccompProfile.type", ("Unconfined",))
    yield from _sysctls(spec)
    yield from _windows_host(spec)
    if not restricted:
        return
    if not windows:
        yield from _escalation(spec)
        yield from _dropped_capabilities(spec)
    yield from _volume_types(spec)
    if at(spec, "hostUsers") is not False:
        yield from _non_root(spec)
        yield from _user_zero(spec)
    if not windows:
        yield from _seccomp(spec)


def _containers(spec: Object) -> Iterator[Object]:
    for group in ("initContainers", "containers", "ephemeralContainers"):
        yield from items_at(spec, group)


def _bad(spec: Object, test: Any) -> list[str]:
    """The names of the containers of which something is true."""
    return [str(one.get("name")) for one in _containers(spec) if test(one)]


def _security(container: Object, path: str) -> Any:
    return at(container, f"securityContext.{path}")


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{one}"' for one in names)


def _some(word: str, names: list[str]) -> str:
    return f"{word if len(names) == 1 else word + 's'} {_quoted(names)}"


def _setters(spec: Object, path: str, test: Any) -> list[str]:
    """Who sets a field, that pods and containers both have, to a value of which the test is true."""
    found = ["pod"] if test(_security(spec, path)) else []
    containers = _bad(spec, lambda one: test(_security(one, path)))
    return [*found, *([_some("container", containers)] if containers else [])]


def _values(spec: Object, path: str, test: Any) -> list[str]:
    listed = [_security(one, path) for one in (spec, *_containers(spec))]
    return sorted({str(one) for one in listed if test(one)})


def _app_armor(spec: Object) -> Iterator[Violation]:
    def bad(value: Any) -> bool:
        return value is not None and value not in _PROFILES

    setters = _setters(spec, "appArmorProfile.type", bad)
    if setters:
        values = _values(spec, "appArmorProfile.type", bad)
        reason = "forbidden AppArmor profile" + ("s" if len(values) > 1 else "")
        yield reason, f"{' and '.join(setters)} must not set AppArmor profile type to {_quoted(values)}"


def _capabilities(spec: Object) -> Iterator[Violation]:
    def added(container: Object) -> set[str]:
        return set(_security(container, "capabilities.add") or ()) - _BASELINE_CAPABILITIES

    names = _bad(spec, added)
    if names:
        listed = sorted({cap for one in _containers(spec) for cap in added(one)})
        detail = f"{_some('container', names)} must not include {_quoted(listed)} in securityContext.capabilities.add"
        yield "non-default capabilities", detail


def _host_namespaces(spec: Object) -> Iterator[Violation]:
    found = [f"{one}=true" for one in ("hostNetwork", "hostPID", "hostIPC") if spec.get(one)]
    if found:
        yield "host namespaces", ", ".join(found)


def _host_paths(spec: Object) -> Iterator[Violation]:
    names = [str(one.get("name")) for one in items_at(spec, "volumes") if one.get("hostPath") is not None]
    if names:
        yield "hostPath volumes", _some("volume", names)


def _host_ports(spec: Object) -> Iterator[Violation]:
    def ports(container: Object) -> set[int]:
        return {one["hostPort"] for one in items_at(container, "ports") if one.get("hostPort")}

    names = _bad(spec, ports)
    if names:
        listed = [str(one) for one in sorted({port for one in _containers(spec) for port in ports(one)})]
        uses, word = "uses" if len(names) == 1 else "use", "hostPort" + ("s" if len(listed) > 1 else "")
        yield "hostPort", f"{_some('container', names)} {uses} {word} {', '.join(listed)}"


def _probe_hosts(spec: Object) -> Iterator[Violation]:
    def hosts(container: Object) -> set[str]:
        lifecycle = container.get("lifecycle") or {}
        handlers = [container.get(one) for one in ("livenessProbe", "readinessProbe", "startupProbe")]
        handlers += [lifecycle.get("postStart"), lifecycle.get("preStop")]
        found = [at(one, f"{how}.host") for one in handlers for how in ("httpGet", "tcpSocket")]
        return {str(one) for one in found if one}

    names = sorted(_bad(spec, hosts))
    if names:
        listed = sorted({host for one in _containers(spec) for host in hosts(one)})
        uses = "uses" if len(names) == 1 else "use"
        detail = f"{_some('container', names)} {uses} {_some('probe or lifecycle host', listed)}"
        yield "probe or lifecycle host", detail


def _privileged(spec: Object) -> Iterator[Violation]:
    names = _bad(spec, lambda one: _security(one, "privileged"))
    if names:
        yield "privileged", f"{_some('container', names)} must not set securityContext.privileged=true"


def _proc_mounts(spec: Object) -> Iterator[Violation]:
    def bad(value: Any) -> bool:
        return value not in (None, "Default")

    names = _bad(spec, lambda one: bad(_security(one, "procMount")))
    if names and at(spec, "hostUsers") is not False:
        listed = _quoted(_values(spec, "procMount", bad))
        yield "procMount", f"{_some('container', names)} must not set securityContext.procMount to {listed}"


def _selinux(spec: Object) -> Iterator[Violation]:
    def bad(options: Any) -> bool:
        found = options or {}
        return found.get("type", "") not in _SELINUX_TYPES or bool(found.get("user") or found.get("role"))

    setters = _setters(spec, "seLinuxOptions", bad)
    if not setters:
        return
    listed = [_security(one, "seLinuxOptions") or {} for one in (spec, *_containers(spec))]
    types = sorted({one.get("type", "") for one in listed} - _SELINUX_TYPES)
    data = [_some("type", types)] if types else []
    data += [f"{one} may not be set" for one in ("user", "role") if any(options.get(one) for options in listed)]
    yield "seLinuxOptions", f"{' and '.join(setters)} set forbidden securityContext.seLinuxOptions: {'; '.join(data)}"


def _set_badly(spec: Object, reason: str, path: str, values: tuple[str, ...]) -> Iterator[Violation]:
    setters = _setters(spec, path, lambda one: one in values)
    if setters:
        listed = _quoted(_values(spec, path, lambda one: one in values))
        yield reason, f"{' and '.join(setters)} must not set securityContext.{path} to {listed}"


def _sysctls(spec: Object) -> Iterator[Violation]:
    names = [one.get("name", "") for one in items_at(spec, "securityContext.sysctls")]
    bad = [one for one in names if one not in _SYSCTLS]
    if bad:
        yield "forbidden sysctls", ", ".join(bad)


def _windows_host(spec: Object) -> Iterator[Violation]:
    setters = _setters(spec, "windowsOptions.hostProcess", bool)
    if setters:
        yield "hostProcess", f"{' and '.join(setters)} must not set securityContext.windowsOptions.hostProcess=true"


def _escalation(spec: Object) -> Iterator[Violation]:
    names = _bad(spec, lambda one: _security(one, "allowPrivilegeEscalation") is not False)
    if names:
        detail = f"{_some('container', names)} must set securityContext.allowPrivilegeEscalation=false"
        yield "allowPrivilegeEscalation != false", detail


def _dropped_capabilities(spec: Object) -> Iterator[Violation]:
    def added(container: Object) -> set[str]:
        return set(_security(container, "capabilities.add") or ()) - {"NET_BIND_SERVICE"}

    keeping = _bad(spec, lambda one: "ALL" not in (_security(one, "capabilities.drop") or ()))
    adding = _bad(spec, added)
    details = []
    if keeping:
        details.append(f'{_some("container", keeping)} must set securityContext.capabilities.drop=["ALL"]')
    if adding:
        listed = _quoted(sorted({cap for one in _containers(spec) for cap in added(one)}))
        details.append(f"{_some('container', adding)} must not include {listed} in securityContext.capabilities.add")
    if details:
        yield "unrestricted capabilities", "; ".join(details)


def _volume_types(spec: Object) -> Iterator[Violation]:
    found = {}
    for volume in items_at(spec, "volumes"):
        other = [key for key in volume if key != "name" and key not in _VOLUME_TYPES]
        if other:
            found[str(volume.get("name"))] = other[0]
    if found:
        names, types = list(found), sorted(set(found.values()))
        word = _some("restricted volume type", types)
        yield "restricted volume types", f"{_some('volume', names)} {'uses' if len(names) == 1 else 'use'} {word}"


def _non_root(spec: Object) -> Iterator[Violation]:
    reason = "runAsNonRoot != true"
    setters = _setters(spec, "runAsNonRoot", lambda one: one is False)
    if setters:
        yield reason, f"{' and '.join(setters)} must not set securityContext.runAsNonRoot=false"
    elif not _security(spec, "runAsNonRoot"):
        names = _bad(spec, lambda one: _security(one, "runAsNonRoot") is None)
        if names:
            yield reason, f"pod or {_some('container', names)} must set securityContext.runAsNonRoot=true"


def _user_zero(spec: Object) -> Iterator[Violation]:
    setters = _setters(spec, "runAsUser", lambda one: one == 0 and one is not None)
    if setters:
        yield "runAsUser=0", f"{' and '.join(setters)} must not set runAsUser=0"


def _seccomp(spec: Object) -> Iterator[Violation]:
    bad = _values(spec, "seccompProfile.type", lambda one: one is not None and one not in _PROFILES)
    if bad:
        yield from _set_badly(spec, "seccompProfile", "seccompProfile.type", tuple(bad))
    elif not _security(spec, "seccompProfile.type"):
        names = _bad(spec, lambda one: _security(one, "seccompProfile") is None)
        if names:
            detail = 'must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
            yield "seccompProfile", f"pod or {_some('container', names)} {detail}"
