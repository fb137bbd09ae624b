"""What the API server fills into a pod's spec, alone or inside a template
(`pkg/apis/core/v1/defaults.go`, Kubernetes v1.36).
"""

from collections.abc import Iterator
from typing import Any

from simulator.apiserver.objects import Object, items_at
from simulator.quantities import QuantityError, canonical

_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_SOURCES_WITH_MODE = ("configMap", "secret", "projected", "downwardAPI")


def default_pod_spec(spec: Object) -> None:
    """Fills a pod spec in place."""
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")
    _pair_service_account(spec)
    for volume in spec.get("volumes") or ():
        _default_volume(volume)
    for container in containers(spec):
        _default_container(container, host_network=bool(spec.get("hostNetwork")))


def containers(spec: Object) -> Iterator[Object]:
    """Init containers, then containers."""
    yield from items_at(spec, "initContainers")
    yield from items_at(spec, "containers")


def default_requests(spec: Object) -> None:
    """A limit without a request is the request; for pods only, templates keep what they say."""
    for container in containers(spec):
        resources = container.get("resources") or {}
        limits = resources.get("limits") or {}
        if limits:
            resources["requests"] = limits | (resources.get("requests") or {})


def canonical_resources(resources: Object | None) -> None:
    """Writes every quantity of a resource list in its stored form; what is none is left for validation to refuse."""
    for part in ("limits", "requests"):
        canonical_quantities((resources or {}).get(part))


def canonical_quantities(listed: dict[str, Any] | None) -> None:
    for name, value in (listed or {}).items():
        try:
            listed[name] = canonical(value)  # type: ignore[index]  # not None: it has items
        except QuantityError:
            continue


def _pair_service_account(spec: Object) -> None:
    """`serviceAccount` is the deprecated twin; the server keeps both equal."""
    name = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if name:
        spec["serviceAccountName"] = spec["serviceAccount"] = name


def _default_volume(volume: Object) -> None:
    if not any(key != "name" for key in volume):
        volume["emptyDir"] = {}
    for source in _SOURCES_WITH_MODE:
        if isinstance(volume.get(source), dict):
            volume[source].setdefault("defaultMode", 420)
    if isinstance(volume.get("hostPath"), dict):
        volume["hostPath"].setdefault("type", "")
    empty = volume.get("emptyDir")
    if isinstance(empty, dict) and empty.get("sizeLimit") is not None:
        canonical_quantities(empty)
    for part in items_at(volume, "projected.sources"):
        if isinstance(part.get("serviceAccountToken"), dict):
            part["serviceAccountToken"].setdefault("expirationSeconds", 3600)
        _default_field_refs(items_at(part, "downwardAPI.items"))
    _default_field_refs(items_at(volume, "downwardAPI.items"))


def _default_field_refs(items: Iterator[Object]) -> None:
    for item in items:
        if isinstance(item.get("fieldRef"), dict):
            item["fieldRef"].setdefault("apiVersion", "v1")


def _default_container(container: Object, *, host_network: bool) -> None:
    container.setdefault("resources", {})
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    if not container.get("imagePullPolicy"):
        container["imagePullPolicy"] = _pull_policy(str(container.get("image") or ""))
    canonical_resources(container.get("resources"))
    for port in container.get("ports") or ():
        port.setdefault("protocol", "TCP")
        if host_network and port.get("containerPort"):
            port.setdefault("hostPort", port["containerPort"])
    _default_field_refs(one["valueFrom"] for one in container.get("env") or () if one.get("valueFrom"))
    for name in _PROBES:
        if container.get(name) is not None:
            _default_probe(container[name])
    for hook in (container.get("lifecycle") or {}).values():
        if isinstance(hook, dict):
            _default_http(hook.get("httpGet"))


def _default_probe(probe: Object) -> None:
    for field, value in (
        ("timeoutSeconds", 1),
        ("periodSeconds", 10),
        ("successThreshold", 1),
        ("failureThreshold", 3),
    ):
        if not probe.get(field):
            probe[field] = value
    _default_http(probe.get("httpGet"))
    if isinstance(probe.get("grpc"), dict):
        probe["grpc"]["service"] = probe["grpc"].get("service") or ""


def _default_http(get: Object | None) -> None:
    if get:
        get["path"] = get.get("path") or "/"
        get["scheme"] = get.get("scheme") or "HTTP"


def _pull_policy(image: str) -> str:
    """Always for `latest` or no tag, as `parsers.ParseImageName` and SetDefaults_Container decide."""
    if "@" in image:
        return "IfNotPresent"
    tag = image.rpartition("/")[2].partition(":")[2]
    return "IfNotPresent" if tag and tag != "latest" else "Always"
