"""The writes of the StatefulSet controller: pods with a fixed name, claims, and what owns the claims.

Events as in pkg/controller/statefulset/stateful_pod_control.go of Kubernetes v1.36.
"""

from simulator.api_client import ApiError
from simulator.controllers.controller import ControllerContext, is_deleting
from simulator.controllers.pod_control import lingers
from simulator.controllers.statefulset_pods import claim_owners, claims, is_stale, ordinal_of
from simulator.controllers.workload_kinds import CLAIMS
from simulator.event_recorder import EventSource, reference_to
from simulator.informer import Object
from simulator.resources import PODS

_SOURCE = EventSource("statefulset-controller")


class StatefulSetWrites:
    """Every method raises ApiError after it has said so in an event."""

    def __init__(self, context: ControllerContext) -> None:
        self._client = context.client
        self._recorder = context.recorder
        self._pods = context.caches.of(PODS)
        self._claims = context.caches.of(CLAIMS)

    def waits_for_claim(self, owner: Object, pod: Object) -> bool:
        """Whether a claim of an earlier pod of this name has yet to go."""
        name = pod["metadata"]["name"]
        return any(is_stale(owner, claim, name) for claim in self._existing(owner, pod))

    async def create(self, owner: Object, pod: Object) -> Object:
        """Create the claims of a pod, then the pod; returns it as stored."""
        name = pod["metadata"]["name"]
        try:
            await self.create_claims(owner, pod)
            created = await self._client.create(PODS, pod)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                self._tell(owner, "create", f"Pod {name}", error)
            raise
        self._pods.observe(created)
        await self.own_claims(owner, created)
        self._tell(owner, "create", f"Pod {name}")
        return created

    async def create_claims(self, owner: Object, pod: Object) -> None:
        """Create the claims that a pod's volumes name and that do not exist."""
        name = pod["metadata"]["name"]
        for body in claims(owner, ordinal_of(owner, pod)):
            claim = body["metadata"]["name"]
            existing = self._claims.get(body["metadata"]["namespace"], claim)
            if existing is not None:
                if is_deleting(existing):
                    raise ApiError(409, "Conflict", f"pvc {claim} is being deleted")
                continue
            try:
                self._claims.observe(await self._client.create(CLAIMS, body))
            except ApiError as error:
                if error.reason != "AlreadyExists":
                    self._tell(owner, "create", f"Claim {claim} for Pod {name}", error)
                raise ApiError(error.code, error.reason, f"failed to create PVC {claim}: {error.message}") from error
            self._say(
                owner, "SuccessfulCreate", f"Create Claim {claim} Pod {name} in StatefulSet {_name(owner)} success"
            )

    async def own_claims(self, owner: Object, pod: Object) -> None:
        """Give a pod's claims the owners that the retention policy asks for."""
        ordinal = ordinal_of(owner, pod)
        for claim in self._existing(owner, pod):
            wanted = claim_owners(owner, claim, pod=pod, ordinal=ordinal)
            current = claim["metadata"].get("ownerReferences") or []
            if _owners(wanted) == _owners(current):
                continue
            metadata = claim["metadata"]
            body = {"metadata": {"uid": metadata["uid"], "ownerReferences": wanted or None}}
            try:
                answer = await self._client.patch(CLAIMS, metadata["name"], body, metadata["namespace"])
            except ApiError as error:
                text = f"could not update claim {metadata['name']} for delete policy ownerRefs: {error.message}"
                told = ApiError(error.code, error.reason, text)
                self._tell(owner, "update", f"Pod {pod['metadata']['name']}", told)
                raise
            self._claims.observe(answer)

    async def relabel(self, owner: Object, pod: Object, labels: dict[str, str]) -> None:
        """Give a member the labels of its identity."""
        name = pod["metadata"]["name"]
        try:
            answer = await self._client.patch(PODS, name, {"metadata": {"labels": labels}}, _namespace(owner))
        except ApiError as error:
            self._tell(owner, "update", f"Pod {name}", error)
            raise
        self._pods.observe(answer)
        self._tell(owner, "update", f"Pod {name}")

    async def delete(self, owner: Object, pod: Object) -> None:
        """Delete a pod; one that is gone counts as deleted."""
        metadata = pod["metadata"]
        try:
            answer = await self._client.delete(PODS, metadata["name"], metadata["namespace"], uid=metadata["uid"])
        except ApiError as error:
            if error.code != 404:
                self._tell(owner, "delete", f"Pod {metadata['name']}", error)
                raise
            answer = {}
        if lingers(answer):
            self._pods.observe(answer)
        else:
            self._pods.forget(pod)
        self._tell(owner, "delete", f"Pod {metadata['name']}")

    def _existing(self, owner: Object, pod: Object) -> list[Object]:
        wanted = claims(owner, ordinal_of(owner, pod))
        found = (self._claims.get(_namespace(owner), body["metadata"]["name"]) for body in wanted)
        return [claim for claim in found if claim is not None]

    def _tell(self, owner: Object, verb: str, what: str, error: ApiError | None = None) -> None:
        done = f"{verb.title()} {what} in StatefulSet {_name(owner)}"
        if error is None:
            self._say(owner, f"Successful{verb.title()}", f"{done} successful")
        else:
            message = f"{done} failed error: {error.message}"
            self._recorder.warning(_SOURCE, reference_to(owner), f"Failed{verb.title()}", message)

    def _say(self, owner: Object, reason: str, message: str) -> None:
        self._recorder.normal(_SOURCE, reference_to(owner), reason, message)


def _owners(references: list[Object]) -> list[tuple[str, bool]]:
    return sorted((item["uid"], bool(item.get("controller"))) for item in references)


def _name(owner: Object) -> str:
    return str(owner["metadata"]["name"])


def _namespace(owner: Object) -> str:
    return str(owner["metadata"]["namespace"])
