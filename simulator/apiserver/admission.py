"""What has to be true, and what is added, before an object is stored: the admission plugins that are always on.

NamespaceLifecycle, ServiceAccount, TaintNodesByCondition, Priority, LimitRanger, DefaultTolerationSeconds, PodSecurity,
RuntimeClass and ResourceQuota of Kubernetes v1.36, and the allocation of service addresses. `admit_create` completes a
new object before it is validated, `judge` has the last word after that, as mutating and validating admission do.
Admission policies are stored and not asked; of webhooks it is only said when nobody can be asked (`plugins/webhooks`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from random import Random

from simulator.apiserver import status_errors
from simulator.apiserver.custom.definitions import rules_left_out
from simulator.apiserver.kinds import (
    CUSTOM_RESOURCE_DEFINITION,
    ENDPOINT_SLICE,
    NAMESPACE,
    NODE,
    POD,
    SERVICE,
    SERVICE_ACCOUNT,
    Kind,
    find,
)
from simulator.apiserver.names import generated
from simulator.apiserver.objects import Object, items_at, metadata, name_of, namespace_of
from simulator.apiserver.plugins import limit_ranges, pod_security, priorities, runtime_classes, webhooks
from simulator.apiserver.plugins.quota_keeping import QuotaKeeper
from simulator.apiserver.store import Store
from simulator.apiserver.strategies import service as services
from simulator.apiserver.strategies.pod_defaults import containers, default_pod_spec

PROTECTED_NAMESPACES = ("default", "kube-system", "kube-public")
_TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - where pods find their token
_TOKEN_SECONDS = 3607
_ACCOUNT_ATTEMPTS = 10
_ACCOUNT_WAIT_SECONDS = 0.1
_NOT_READY = "node.kubernetes.io/not-ready"
_WEBHOOKS = ("mutatingwebhookconfigurations", "validatingwebhookconfigurations")  # in the order in which they are asked
_TAINTS = (_NOT_READY, "node.kubernetes.io/unreachable")


class Admission:
    """Judges and completes new objects; `sleep` waits in real seconds."""

    def __init__(self, store: Store, *, rng: Random, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._store = store
        self._rng = rng
        self._sleep = sleep
        self._quotas = QuotaKeeper(store)

    async def admit_create(self, kind: Kind, body: Object) -> None:
        """Completes `body` in place. Raises StatusError 403 or 404."""
        if kind.namespaced:
            self._check_namespace(kind, body)
        if kind is POD:
            await self._admit_pod(body)
        elif kind is SERVICE:
            self.allocate_service(body)
        elif kind is NODE:
            _taint_until_ready(body)

    def judge(self, kind: Kind, new: Object, old: Object | None, *, dry_run: bool) -> list[str]:
        """The last word on a valid object, new where `old` is None; returns warnings. Raises StatusError 403 or 422."""
        if kind is NAMESPACE:
            errors = list(pod_security.label_errors(metadata(new).get("labels") or {}))
            if errors:
                raise status_errors.invalid(kind, name_of(new), errors)
        if kind.kind == "PriorityClass":
            self._check_default_class(kind, new)
        if kind is SERVICE:
            self._check_allocation(new, dry_run=dry_run)
        if kind is CUSTOM_RESOURCE_DEFINITION:
            places = ", ".join(rules_left_out(new["spec"]))
            return [f"the embedded server does not evaluate x-kubernetes-validations: {places}"] if places else []
        if not kind.namespaced:
            return []
        self._ask_webhooks(kind, new, "CREATE" if old is None else "UPDATE")
        if kind.kind == "PersistentVolumeClaim" or (kind is POD and old is None):
            self._check_limits(kind, new)
        labels = self._labels_of(namespace_of(new))
        if kind is POD and old is None:
            self._check_overhead(new)
            refused = pod_security.refusal(labels, kind.kind, new)
            if refused:
                raise status_errors.forbidden(kind, name_of(new), refused)
        self._quotas.charge(kind, new, old, dry_run=dry_run)
        judged = kind.kind in pod_security.TEMPLATES and (old is None or kind is not POD)
        return list(pod_security.warnings(labels, kind.kind, new)) if judged else []

    def _ask_webhooks(self, kind: Kind, new: Object, operation: str) -> None:
        """Raises StatusError 500 where a webhook has to be asked and nobody can be."""
        configurations = [
            stored.body
            for one in _WEBHOOKS
            for stored in self._store.of(_known("admissionregistration.k8s.io", one)).all()
        ]
        if not configurations:
            return
        write = webhooks.Write(
            kind.group, kind.version, kind.plural, operation,
            namespace_labels=self._labels_of(namespace_of(new)), labels=metadata(new).get("labels") or {},
        )  # fmt: skip
        services_there, slices = (
            [stored.body for stored in self._store.of(one).all()] for one in (SERVICE, ENDPOINT_SLICE)
        )
        why = webhooks.unanswered(write, configurations, services_there, slices)
        if why is not None:
            raise status_errors.internal(why)

    def _labels_of(self, namespace: str) -> dict[str, str]:
        found = self._store.of(NAMESPACE).get("", namespace)
        labels: dict[str, str] = metadata(found.body).get("labels") or {} if found else {}
        return labels

    def _check_limits(self, kind: Kind, obj: Object) -> None:
        found = limit_ranges.complaints(kind.kind, obj, self._ranges(namespace_of(obj)))
        if found:
            why = found[0] if len(found) == 1 else f"[{', '.join(found)}]"
            raise status_errors.forbidden(kind, name_of(obj), why)

    def _ranges(self, namespace: str) -> list[Object]:
        return [stored.body for _, stored in self._store.of(_known("", "limitranges")).entries(namespace)]

    def _check_default_class(self, kind: Kind, new: Object) -> None:
        other = priorities.other_default(new, self._classes())
        if other:
            why = f"PriorityClass {other} is already marked as default. Only one default can exist"
            raise status_errors.forbidden(kind, name_of(new), why)

    def _classes(self) -> Iterator[Object]:
        kind = _known("scheduling.k8s.io", "priorityclasses")
        return (stored.body for stored in self._store.of(kind).all())

    def admit_delete(self, kind: Kind, name: str) -> None:
        """Raises StatusError 403 for what must not go."""
        if kind is NAMESPACE and name in PROTECTED_NAMESPACES:
            raise status_errors.forbidden(kind, name, "this namespace may not be deleted")

    def allocate_service(self, body: Object) -> None:
        """Gives a service its address and node ports."""
        addresses, ports = services.taken(
            one.body for one in self._store.of(SERVICE).all() if not _same(one.body, body)
        )
        services.allocate(body, addresses, ports, self._rng)

    def _check_allocation(self, service: Object, *, dry_run: bool) -> None:
        others = services.taken(one.body for one in self._store.of(SERVICE).all() if not _same(one.body, service))
        errors = list(services.allocation_errors(service, *others, dry_run=dry_run))
        if errors:
            raise status_errors.invalid(SERVICE, name_of(service), errors)

    def _check_namespace(self, kind: Kind, body: Object) -> None:
        space = namespace_of(body)
        found = self._store.of(NAMESPACE).get("", space)
        if found is None:
            raise status_errors.not_found(NAMESPACE, space)
        if "deletionTimestamp" not in metadata(found.body):
            return
        why = f"unable to create new content in namespace {space} because it is being terminated"
        cause = {
            "reason": "NamespaceTerminating",
            "message": f"namespace {space} is being terminated",
            "field": "metadata.namespace",
        }
        raise status_errors.forbidden(kind, name_of(body), why, causes=[cause])

    async def _admit_pod(self, pod: Object) -> None:
        spec = pod["spec"]
        spec["serviceAccountName"] = spec["serviceAccount"] = spec.get("serviceAccountName") or "default"
        account = await self._service_account(pod, spec["serviceAccountName"])
        mounts = spec.get("automountServiceAccountToken", account.get("automountServiceAccountToken", True))
        if mounts:
            self._mount_token(spec)
        if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
            spec["imagePullSecrets"] = account["imagePullSecrets"]
        limit_ranges.fill_pod(pod, self._ranges(namespace_of(pod)))
        try:
            priorities.set_priority(spec, self._classes())
        except priorities.PriorityRefused as error:
            raise status_errors.forbidden(POD, name_of(pod), str(error)) from error
        _tolerate_lost_nodes(spec)
        self._fill_by_runtime_class(pod)

    def _fill_by_runtime_class(self, pod: Object) -> None:
        """Raises StatusError 403, or 500 for a name that is empty."""
        name = pod["spec"].get("runtimeClassName")
        if name is None:
            return
        if not name:
            raise status_errors.StatusError(500, "", "resource name may not be empty")
        found = self._runtime_class(name)
        if found is None:
            raise status_errors.forbidden(POD, name_of(pod), f'pod rejected: RuntimeClass "{name}" not found')
        try:
            runtime_classes.fill_pod(pod["spec"], found)
        except runtime_classes.RuntimeClassRefused as error:
            raise status_errors.forbidden(POD, name_of(pod), str(error)) from error

    def _check_overhead(self, pod: Object) -> None:
        """Raises StatusError 403."""
        try:
            runtime_classes.check_overhead(pod["spec"], self._runtime_class(pod["spec"].get("runtimeClassName")))
        except runtime_classes.RuntimeClassRefused as error:
            raise status_errors.forbidden(POD, name_of(pod), str(error)) from error

    def _runtime_class(self, name: str | None) -> Object | None:
        found = self._store.of(_known("node.k8s.io", "runtimeclasses")).get("", name) if name else None
        return found.body if found is not None else None

    async def _service_account(self, pod: Object, name: str) -> Object:
        """The account; the default one of a new namespace is waited for a second, as the real plugin does."""
        space = namespace_of(pod)
        for _ in range(_ACCOUNT_ATTEMPTS if name == "default" else 1):
            found = self._store.of(SERVICE_ACCOUNT).get(space, name)
            if found is not None:
                return found.body
            if name == "default":
                await self._sleep(_ACCOUNT_WAIT_SECONDS)
        why = f'error looking up service account {space}/{name}: serviceaccount "{name}" not found'
        raise status_errors.forbidden(POD, name_of(pod), why)

    def _mount_token(self, spec: Object) -> None:
        volume = next((one["name"] for one in items_at(spec, "volumes") if _is_token(one)), None)
        bare = [one for one in containers(spec) if not _has_token(one)]
        if not bare:
            return
        if volume is None:
            volume = generated("kube-api-access-", self._rng)
            spec["volumes"] = [*(spec.get("volumes") or []), {"name": volume, "projected": _token_sources()}]
        for container in bare:
            mount = {"name": volume, "mountPath": _TOKEN_PATH, "readOnly": True}
            container["volumeMounts"] = [*(container.get("volumeMounts") or []), mount]
        default_pod_spec(spec)


def _known(group: str, plural: str) -> Kind:
    """A built-in kind by its resource."""
    kind = find(group, "v1", plural)
    if kind is None:
        raise LookupError(f"{plural} are not served")
    return kind


def _same(one: Object, other: Object) -> bool:
    return name_of(one) == name_of(other) and namespace_of(one) == namespace_of(other)


def _is_token(volume: Object) -> bool:
    return str(volume.get("name", "")).startswith("kube-api-access-")


def _has_token(container: Object) -> bool:
    return any(one.get("mountPath") == _TOKEN_PATH for one in items_at(container, "volumeMounts"))


def _token_sources() -> Object:
    """Token, root certificate and namespace, as `TokenVolumeSource` of the real plugin lists them."""
    field = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    return {
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": _TOKEN_SECONDS, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [field]}},
        ],
        "defaultMode": 420,
    }


def _taint_until_ready(node: Object) -> None:
    """A new node takes no pods until the node lifecycle controller has seen that it is ready."""
    spec = node["spec"]
    taints = list(spec.get("taints") or [])
    if not any((one.get("key"), one.get("effect")) == (_NOT_READY, "NoSchedule") for one in taints):
        spec["taints"] = [*taints, {"key": _NOT_READY, "effect": "NoSchedule"}]


def _tolerate_lost_nodes(spec: Object) -> None:
    tolerations = list(spec.get("tolerations") or [])
    for taint in _TAINTS:
        if not any(
            one.get("key") in (taint, None, "") and one.get("effect") in ("NoExecute", None, "") for one in tolerations
        ):
            tolerations.append({"key": taint, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300})
    spec["tolerations"] = tolerations
