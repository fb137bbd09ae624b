"""Subresources with rules of their own: scale, binding, eviction, finalize, token. (`status` is an
ordinary write, `log` a proxy.)
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from simulator.apiserver import status_errors
from simulator.apiserver.authentication import Authenticator
from simulator.apiserver.call import Answer, Call, success
from simulator.apiserver.delete_options import DeleteOptions
from simulator.apiserver.field_errors import invalid_value, required
from simulator.apiserver.handlers import Handlers
from simulator.apiserver.kinds import NAMESPACE, POD, SERVICE_ACCOUNT, Kind
from simulator.apiserver.objects import Object, at, copy_of, metadata, name_of, timestamp
from simulator.apiserver.patching import Patch
from simulator.apiserver.resources import Resources
from simulator.apiserver.wire_form import as_kept, decode

_SCALE = Kind("autoscaling", "v1", "Scale", "scales")
_EVICTION = Kind("policy", "v1", "Eviction", "evictions")
_BINDING = Kind("", "v1", "Binding", "bindings")
_TOKEN_REQUEST = Kind("authentication.k8s.io", "v1", "TokenRequest", "tokenrequests")
_TOKEN_SECONDS = 3600


def scale_of(obj: Object) -> Object:
    """A workload as an autoscaling/v1 Scale."""
    kept = {
        key: value
        for key, value in metadata(obj).items()
        if key in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    }
    replicas = at(obj, "spec.replicas")
    labels = at(obj, "spec.selector.matchLabels") or {}
    return {
        "kind": "Scale",
        "apiVersion": _SCALE.api_version,
        "metadata": kept,
        "spec": {"replicas": replicas} if replicas else {},
        "status": {
            "replicas": at(obj, "status.replicas") or 0,
            "selector": ",".join(f"{key}={value}" for key, value in sorted(labels.items())),
        },
    }


class Subresources:
    """One method a subresource; all raise StatusError."""

    def __init__(
        self,
        handlers: Handlers,
        resources: Resources,
        authenticator: Authenticator,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._handlers = handlers
        self._resources = resources
        self._authenticator = authenticator
        self._now = now

    async def scale(self, call: Call, verb: str) -> Answer:
        """Get, update and patch of a workload's Scale."""
        obj = self._resources.get(call.kind, call.target.namespace, call.target.name)
        if verb == "get":
            return Answer.of(scale_of(obj))
        if verb == "update":
            wanted = decode(_SCALE, call.body, call.content_type)
        elif verb == "patch":
            wanted = Patch(call.content_type, call.body).apply(scale_of(obj))
        else:
            raise status_errors.method_not_allowed()
        return Answer.of(scale_of(self._rescale(call, obj, wanted)))

    def _rescale(self, call: Call, obj: Object, wanted: Object) -> Object:
        replicas = at(wanted, "spec.replicas") or 0
        if not isinstance(replicas, int) or replicas < 0:
            bad = invalid_value("spec.replicas", replicas, "must be greater than or equal to 0")
            raise status_errors.invalid(_SCALE, name_of(obj), [bad])
        new = copy_of(obj)
        new["spec"]["replicas"] = replicas
        for field in ("resourceVersion", "uid"):
            sent = at(wanted, f"metadata.{field}")
            if sent:
                metadata(new)[field] = sent
        return self._resources.update(call.kind, obj, new, dry_run=call.dry_run).body

    async def binding(self, call: Call) -> Answer:
        """Assigns a pod to a node: `pods/NAME/binding`, or `bindings` with the pod's name in the body."""
        body = decode(_BINDING, call.body, call.content_type)
        name, node = call.target.name or name_of(body), str(at(body, "target.name") or "")
        if not node:
            raise status_errors.invalid(_BINDING, name, [required("target.name")])
        old = self._resources.get(POD, call.target.namespace, name)
        _check_assignable(old, name, node)
        pod = copy_of(old)
        pod["spec"]["nodeName"] = node
        for field in ("annotations", "labels"):
            if metadata(body).get(field):
                metadata(pod)[field] = (metadata(pod).get(field) or {}) | metadata(body)[field]
        self._mark_scheduled(pod)
        self._resources.replace_unchecked(POD, pod, dry_run=call.dry_run)
        return Answer.of({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}, 201)

    def _mark_scheduled(self, pod: Object) -> None:
        status = pod.setdefault("status", {})
        others = [one for one in status.get("conditions") or () if one.get("type") != "PodScheduled"]
        moment = timestamp(self._now())
        condition = {
            "type": "PodScheduled",
            "status": "True",
            "lastProbeTime": None,
            "lastTransitionTime": moment,
        }
        if "generation" in metadata(pod):
            condition["observedGeneration"] = metadata(pod)["generation"]
        status["conditions"] = [*others, condition]

    async def eviction(self, call: Call) -> Answer:
        """Deletes the pod; there are no disruption budgets that could object."""
        body = decode(_EVICTION, call.body, call.content_type)
        pod = self._resources.get(POD, call.target.namespace, call.target.name)
        options = DeleteOptions.read(body.get("deleteOptions"), call.query)
        self._resources.delete(POD, pod, options)
        return Answer.of(success(POD, call.target.name, code=201), 201)

    async def finalize(self, call: Call) -> Answer:
        """Replaces the finalizers in a namespace's spec; without any, a terminating namespace goes."""
        body = as_kept(decode(NAMESPACE, call.body, call.content_type))
        old = self._resources.get(NAMESPACE, "", call.target.name)
        version = metadata(body).get("resourceVersion")
        if version and version != metadata(old)["resourceVersion"]:
            raise status_errors.modified(NAMESPACE, call.target.name)
        new = old | {"metadata": copy_of(metadata(old)), "spec": body.get("spec") or {}}
        return Answer.of(self._resources.replace_unchecked(NAMESPACE, new, dry_run=call.dry_run).body)

    async def token(self, call: Call) -> Answer:
        """A token for a ServiceAccount. It does not expire while the server runs, whatever it says."""
        body = decode(_TOKEN_REQUEST, call.body, call.content_type)
        account = self._resources.get(SERVICE_ACCOUNT, call.target.namespace, call.target.name)
        user = f"system:serviceaccount:{call.target.namespace}:{call.target.name}"
        seconds = int(at(body, "spec.expirationSeconds") or _TOKEN_SECONDS)
        expires = timestamp(self._now() + timedelta(seconds=seconds))
        body["metadata"] = {key: metadata(account)[key] for key in ("name", "namespace")}
        body["spec"] = {"audiences": [], "expirationSeconds": seconds, "boundObjectRef": None} | (
            body.get("spec") or {}
        )
        body["status"] = {"token": self._authenticator.token(user), "expirationTimestamp": expires}
        return Answer.of(body, 201)


def _check_assignable(pod: Object, name: str, node: str) -> None:
    if metadata(pod).get("deletionTimestamp"):
        why = f"pod {name} is being deleted, cannot be assigned to a host"
        raise status_errors.conflict(POD, name, why, subresource="binding")
    if at(pod, "spec.nodeName"):
        why = f'pod {name} is already assigned to node "{at(pod, "spec.nodeName")}"'
        raise status_errors.conflict(POD, name, why, subresource="binding")
