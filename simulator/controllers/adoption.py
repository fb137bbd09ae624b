"""Taking in objects that nobody controls and that a selector matches, and letting go of those that it no longer does.

After pkg/controller/controller_ref_manager.go in Kubernetes v1.36, for kinds of which there are few; ``pod_control``
does the same for pods, with an index.
"""

from simulator.api_client import ApiClient, ApiError, Resource
from simulator.controllers.controller import controller_reference, is_deleting
from simulator.controllers.selecting import matches
from simulator.informer import Informer, Object, controller_of


async def claim(client: ApiClient, resource: Resource, cache: Informer, owner: Object) -> None:
    """Adopt and release, in the owner's namespace; the cache takes in what was written. Raises ApiError.

    An owner that is being deleted takes nothing in any more.
    """
    if is_deleting(owner):
        return
    uid, selector = owner["metadata"]["uid"], owner["spec"].get("selector")
    for item in cache.in_namespace(owner["metadata"]["namespace"]):
        reference = controller_of(item)
        fits = matches(selector, item["metadata"].get("labels"))
        present = item["metadata"].get("ownerReferences") or []
        if is_deleting(item):
            continue
        if reference is None and fits:
            await _own(client, resource, cache, item, [*present, controller_reference(owner)])
        elif reference is not None and reference["uid"] == uid and not fits:
            await _own(client, resource, cache, item, [one for one in present if one["uid"] != uid])


async def _own(client: ApiClient, resource: Resource, cache: Informer, item: Object, references: list[Object]) -> None:
    metadata = item["metadata"]
    body = {"metadata": {"uid": metadata["uid"], "ownerReferences": references or None}}
    try:
        cache.observe(await client.patch(resource, metadata["name"], body, metadata["namespace"]))
    except ApiError as error:
        if error.code != 404:
            raise
        cache.forget(item)
