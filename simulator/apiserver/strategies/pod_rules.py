"""More of what the API server refuses in a pod's spec (`pkg/apis/core/validation`, Kubernetes v1.36): sources that
name nothing, words that are none of the known ones, tolerations, probes and hooks without a handler.
"""

from collections.abc import Iterator

from simulator.apiserver.field_errors import FieldError, forbidden_field, invalid_value, required, unsupported
from simulator.apiserver.names import label_errors
from simulator.apiserver.objects import Object, items_at

_HANDLERS = ("httpGet", "tcpSocket", "exec", "grpc", "sleep")
_DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
_NAMED_BY = {
    "configMap": "name",
    "secret": "secretName",
    "hostPath": "path",
    "persistentVolumeClaim": "claimName",
}
_VALUE_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_LONGEST_SECONDS = 2**31 - 1


def spec_rules(spec: Object, path: str) -> Iterator[FieldError]:
    """Complaints about what stands beside the containers."""
    for index, volume in enumerate(items_at(spec, "volumes")):
        for source, field in _NAMED_BY.items():
            if volume.get(source) is not None and not volume[source].get(field):
                yield required(f"{path}.volumes[{index}].{source}.{field}")
    policy = spec.get("dnsPolicy")
    if policy and policy not in _DNS_POLICIES:
        yield unsupported(f"{path}.dnsPolicy", policy, _DNS_POLICIES)
    yield from label_errors(spec.get("nodeSelector"), f"{path}.nodeSelector")
    for index, toleration in enumerate(items_at(spec, "tolerations")):
        yield from _toleration(toleration, f"{path}.tolerations[{index}].operator")
    seconds = spec.get("activeDeadlineSeconds")
    if seconds is not None and not 1 <= seconds <= _LONGEST_SECONDS:
        detail = f"must be between 1 and {_LONGEST_SECONDS}, inclusive"
        yield invalid_value(f"{path}.activeDeadlineSeconds", seconds, detail)


def _toleration(toleration: Object, where: str) -> Iterator[FieldError]:
    operator, value = toleration.get("operator") or "Equal", toleration.get("value")
    if operator not in ("Equal", "Exists"):
        yield unsupported(where, operator, ("Equal", "Exists"))
    elif operator == "Exists" and value:
        yield invalid_value(where, value, "value must be empty when `operator` is 'Exists'")


def container_rules(container: Object, where: str, *, stays: bool) -> Iterator[FieldError]:
    """Complaints about one container; `stays` tells a container from an init container that ends."""
    policy = container.get("terminationMessagePolicy")
    if policy and policy not in _MESSAGE_POLICIES:
        yield unsupported(f"{where}.terminationMessagePolicy", policy, _MESSAGE_POLICIES)
    for index, variable in enumerate(items_at(container, "env")):
        source = variable.get("valueFrom")
        if source is not None and not any(source.get(one) is not None for one in _VALUE_SOURCES):
            detail = f"must specify one of: {', '.join(f'`{one}`' for one in _VALUE_SOURCES[:-1])} or `fileKeyRef`"
            yield invalid_value(f"{where}.env[{index}].valueFrom", "", detail)
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(probe) is not None and not stays:
            detail = "may not be set for init containers without restartPolicy=Always"
            yield forbidden_field(f"{where}.{probe}", detail)
    for name, hook in (container.get("lifecycle") or {}).items():
        if isinstance(hook, dict) and not any(hook.get(one) is not None for one in _HANDLERS):
            yield required(f"{where}.lifecycle.{name}", "must specify a handler type")
