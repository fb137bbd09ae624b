"""Subresources with a rule or two of their own: binding, finalize, token. The others have modules: scale is
`scaling`, eviction `eviction`, resize `resizing`, log `pod_logs`; status is an ordinary write.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from simulator.apiserver import status_errors
from simulator.apiserver.authentication import ISSUER, Authenticator
from simulator.apiserver.call import Answer, Call
from simulator.apiserver.field_errors import invalid_value, required
from simulator.apiserver.handlers import Handlers
from simulator.apiserver.kinds import NAMESPACE, POD, SERVICE_ACCOUNT, Kind
from simulator.apiserver.objects import Object, at, copy_of, metadata, name_of, timestamp
from simulator.apiserver.resources import Resources
from simulator.apiserver.wire_form import as_kept, decode

_BINDING = Kind("", "v1", "Binding", "bindings")
_TOKEN_REQUEST = Kind("authentication.k8s.io", "v1", "TokenRequest", "tokenrequests")
_TOKEN_SECONDS = 3600
_SHORTEST_TOKEN_SECONDS = 600


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
        status.pop("nominatedNodeName", None)  # a promise that is kept now
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

    async def finalize(self, call: Call) -> Answer:
        """Replaces the finalizers in a namespace's spec; without any, a terminating namespace goes."""
        body = as_kept(NAMESPACE, decode(NAMESPACE, call.body, call.content_type))
        old = self._resources.get(NAMESPACE, "", call.target.name)
        version = metadata(body).get("resourceVersion")
        if version and version != metadata(old)["resourceVersion"]:
            raise status_errors.modified(NAMESPACE, call.target.name)
        new = old | {"metadata": copy_of(metadata(old)), "spec": body.get("spec") or {}}
        return Answer.of(self._resources.replace_unchecked(NAMESPACE, new, dry_run=call.dry_run).body)

    async def token(self, call: Call) -> Answer:
        """A token for a ServiceAccount: it expires, and is worth nothing once the account is gone."""
        body = decode(_TOKEN_REQUEST, call.body, call.content_type)
        namespace, name = call.target.namespace, call.target.name
        account = self._resources.get(SERVICE_ACCOUNT, namespace, name)
        seconds = int(at(body, "spec.expirationSeconds") or _TOKEN_SECONDS)
        if seconds < _SHORTEST_TOKEN_SECONDS:
            bad = invalid_value("spec.expirationSeconds", seconds, "may not specify a duration less than 10 minutes")
            raise status_errors.invalid(_TOKEN_REQUEST, "", [bad])
        expires, uid = self._now() + timedelta(seconds=seconds), metadata(account)["uid"]

        def stands() -> bool:
            return self._resources.holds(SERVICE_ACCOUNT, namespace, name, uid)

        spec = {key: value for key, value in (body.get("spec") or {}).items() if value}
        body["metadata"] = {
            "name": name,
            "namespace": namespace,
            "uid": uid,
            "creationTimestamp": timestamp(self._now()),
        }
        body["spec"] = {"audiences": [ISSUER], "boundObjectRef": None} | spec | {"expirationSeconds": seconds}
        token = self._authenticator.account_token(namespace, name, uid, expires=expires, valid=stands)
        body["status"] = {"token": token, "expirationTimestamp": timestamp(expires)}
        return Answer.of(body, 201)


def _check_assignable(pod: Object, name: str, node: str) -> None:
    if metadata(pod).get("deletionTimestamp"):
        why = f"pod {name} is being deleted, cannot be assigned to a host"
        raise status_errors.conflict(POD, name, why, subresource="binding")
    if at(pod, "spec.nodeName"):
        why = f'pod {name} is already assigned to node "{at(pod, "spec.nodeName")}"'
        raise status_errors.conflict(POD, name, why, subresource="binding")
