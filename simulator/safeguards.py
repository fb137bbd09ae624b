"""What guards a workload, its data and its neighbours, and how a change may have weakened it. Pure.

Whatever a scenario allows to change, these are never to be given up for a repair: probes that ask something, limits
and requests, what a container may not do, who may reach whom, and how much may be taken. Each finding is a sentence
about one field; an empty list is what one wants.
"""

from collections.abc import Iterator, Mapping
from typing import Any

Manifest = Mapping[str, Any]

_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_HANDLERS = ("httpGet", "tcpSocket", "grpc", "exec")
_IDLE = (["true"], ["/bin/true"], ["exit", "0"])
_PATIENT_SECONDS = 1800.0  # a probe that waits longer than this for its first failure guards nothing
_SHARED = ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace")
_LEVELS = ("privileged", "baseline", "restricted")
_POD_SECURITY = "pod-security.kubernetes.io/"
_RBAC = ("Role", "ClusterRole")
_CAPS = ("ResourceQuota", "LimitRange")
_FAIL = "Fail"


def pod_spec_of(obj: Manifest) -> Manifest:
    """The spec of the pods that an object makes, or is; empty for anything else."""
    spec = obj.get("spec") or {}
    if "jobTemplate" in spec:
        spec = spec["jobTemplate"].get("spec") or {}
    found: Manifest = (spec.get("template") or {}).get("spec") or (spec if "containers" in spec else {})
    return found


def containers_of(pod: Manifest) -> dict[str, Manifest]:
    """All containers by name."""
    return {item.get("name", ""): item for item in (*(pod.get("containers") or ()), *(pod.get("initContainers") or ()))}


def protections(obj: Manifest) -> set[str]:
    """The pointers of all probes, limits, requests and security settings of a workload's or pod's containers."""
    pod = pod_spec_of(obj)
    found = {f"/securityContext/{key}" for key in pod.get("securityContext") or {}}
    for name, container in containers_of(pod).items():
        where = f"/containers/{name}"
        found |= {f"{where}/{probe}" for probe in _PROBES if container.get(probe)}
        for sort, amounts in (container.get("resources") or {}).items():
            if isinstance(amounts, Mapping):
                found |= {f"{where}/resources/{sort}/{item}" for item in amounts}
        found |= {f"{where}/securityContext/{key}" for key in container.get("securityContext") or {}}
    return found


def blunted_probes(old: Manifest, new: Manifest) -> Iterator[str]:
    """Probes that are still there and do not find anything out any more."""
    before, after = containers_of(pod_spec_of(old)), containers_of(pod_spec_of(new))
    for name in before.keys() & after.keys():
        for probe in _PROBES:
            was, now = before[name].get(probe), after[name].get(probe)
            if was and now and not _is_blunt(was) and _is_blunt(now):
                yield f"/containers/{name}/{probe} finds nothing out any more"


def _is_blunt(probe: Manifest) -> bool:
    command = (probe.get("exec") or {}).get("command") or []
    seconds = float(probe.get("periodSeconds", 10)) * float(probe.get("failureThreshold", 3))
    idle = not any(probe.get(handler) for handler in _HANDLERS) or command in _IDLE
    shell = command[:1] in (["sh"], ["bash"], ["/bin/sh"]) and command[-1:] in (["true"], ["exit 0"], [":"])
    return idle or shell or seconds > _PATIENT_SECONDS


def loosened(old: Manifest, new: Manifest) -> list[str]:
    """Everything that one object allows now and did not allow before."""
    kind = str(new.get("kind") or old.get("kind") or "")
    found = [*_loosened_pod(pod_spec_of(old), pod_spec_of(new))]
    if kind == "Namespace":
        found += _lower_levels(old, new)
    elif kind in _RBAC:
        found += _wider_rules(old, new)
    elif kind in ("RoleBinding", "ClusterRoleBinding") and old.get("subjects") != new.get("subjects"):
        found.append("/subjects: others than before")
    elif kind in _CAPS and old.get("spec") != new.get("spec"):
        found.append("/spec: a limit of the namespace is another one")
    elif kind.endswith("WebhookConfiguration"):
        found += _softer_webhooks(old, new)
    elif kind == "NetworkPolicy" and old.get("spec") != new.get("spec"):
        found.append("/spec: lets other traffic through")
    elif kind == "Node" and (old.get("spec") or {}).get("taints") != (new.get("spec") or {}).get("taints"):
        found.append("/spec/taints: others than before")
    return sorted(found)


def _loosened_pod(old: Manifest, new: Manifest) -> Iterator[str]:
    for field in _SHARED:
        if new.get(field) and not old.get(field):
            yield f"/{field} is on"
    yield from _loosened_context(old.get("securityContext") or {}, new.get("securityContext") or {}, "")
    if new.get("automountServiceAccountToken") and old.get("automountServiceAccountToken") is False:
        yield "/automountServiceAccountToken is on"
    mounted = {item["name"] for item in old.get("volumes") or () if "hostPath" in item}
    for volume in new.get("volumes") or ():
        if "hostPath" in volume and volume["name"] not in mounted:
            yield f"/volumes/{volume['name']} is of the node's own disk"
    before = containers_of(old)
    for name, container in containers_of(new).items():
        was = (before.get(name) or {}).get("securityContext") or {}
        yield from _loosened_context(was, container.get("securityContext") or {}, f"/containers/{name}")


def _loosened_context(old: Manifest, new: Manifest, where: str) -> Iterator[str]:
    where = f"{where}/securityContext"
    for field in ("runAsNonRoot", "readOnlyRootFilesystem"):
        if old.get(field) and new.get(field) is False:
            yield f"{where}/{field} is off"
    for field in ("privileged", "allowPrivilegeEscalation"):
        if new.get(field) and not old.get(field):
            yield f"{where}/{field} is on"
    if new.get("runAsUser") == 0 and old.get("runAsUser") != 0:
        yield f"{where}/runAsUser is root"
    was, now = old.get("capabilities") or {}, new.get("capabilities") or {}
    for name in sorted(set(now.get("add") or ()) - set(was.get("add") or ())):
        yield f"{where}/capabilities/add has {name}"
    for name in sorted(set(was.get("drop") or ()) - set(now.get("drop") or ())):
        yield f"{where}/capabilities/drop has {name} no more"
    for field in ("seccompProfile", "appArmorProfile"):
        if (new.get(field) or {}).get("type") == "Unconfined" != (old.get(field) or {}).get("type"):
            yield f"{where}/{field} is off"


def _lower_levels(old: Manifest, new: Manifest) -> Iterator[str]:
    before, after = ((item.get("metadata") or {}).get("labels") or {} for item in (old, new))
    for label, level in before.items():
        if label.startswith(_POD_SECURITY) and level in _LEVELS:
            now = after.get(label, _LEVELS[0])
            if now not in _LEVELS or _LEVELS.index(now) < _LEVELS.index(level):
                yield f"/metadata/labels: {label} is {now}, was {level}"


def _wider_rules(old: Manifest, new: Manifest) -> Iterator[str]:
    had = {str(rule) for rule in old.get("rules") or ()}
    for rule in new.get("rules") or ():
        if str(rule) not in had and "*" in (*(rule.get("verbs") or ()), *(rule.get("resources") or ())):
            yield "/rules: a rule allows everything"


def _softer_webhooks(old: Manifest, new: Manifest) -> Iterator[str]:
    now = {item["name"]: item for item in new.get("webhooks") or ()}
    for webhook in old.get("webhooks") or ():
        if webhook["name"] not in now:
            yield f"/webhooks: {webhook['name']} is gone"
        elif webhook.get("failurePolicy", _FAIL) == _FAIL != now[webhook["name"]].get("failurePolicy", _FAIL):
            yield f"/webhooks: {webhook['name']} may fail"
