"""The one pull secret that the other workloads of a namespace use for a registry: names alone, no content is read.

Rule: pkg/kubelet/kuberuntime (a pull tries every secret that the pod names and that exists). A secret is meant if every
running pod here that has an image of that registry names it, and it is the only one they name. It is named beside the
one that the workload names already; only one of which the kubelet says that it is not there gives way to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from incidents.evidence import Evidence
from incidents.images import ImageReferenceError, parse_image
from incidents.objects import Manifest
from incidents.proposals import Needs
from incidents.snapshot import is_ready
from playbooks.edits import wanting

_NOT_READ = re.compile(r"Unable to retrieve some image pull secrets \((?P<names>[^)]{0,1000})\)")


def secrets_meant(evidence: Evidence, image: str) -> Needs | tuple[str, tuple[str, ...]] | None:
    """The secret that is missing, and all that the workload should name with it.

    None where there is none, several, or the workload names it already. A workload that names more than one secret has
    thought about it: which one is wrong is not known then.
    """
    ours = [str(one.get("name")) for one in evidence.pod_spec.get("imagePullSecrets") or ()]
    registry = _registry(image)
    if registry is None or len(ours) > 1:
        return None
    if needs := wanting(evidence, "Pod"):
        return needs
    named = list(_named_by_others(evidence, registry))
    used = set().union(*named)
    if len(used) != 1 or not all(named):
        return None
    secret = next(iter(used))
    if secret in ours:
        return None
    kept = tuple(name for name in ours if name not in _not_there(evidence))
    return secret, (*kept, secret)


def _not_there(evidence: Evidence) -> set[str]:
    """The secrets of which the kubelet says that it cannot get them."""
    said = (_NOT_READ.search(line.message) for line in evidence.events)
    return {name.strip() for found in said if found for name in found["names"].split(",")}


def _named_by_others(evidence: Evidence, registry: str) -> Iterator[set[str]]:
    """The pull secrets of every pod of another workload that runs an image of the registry."""
    own = {pod["metadata"].get("uid") for pod in evidence.snapshot.pods}
    for pod in evidence.listed("Pod") or ():
        if pod["metadata"].get("uid") in own or not is_ready(pod):
            continue
        if any(_registry(image) == registry for image in _images(pod)):
            yield {str(one.get("name")) for one in pod.get("spec", {}).get("imagePullSecrets") or ()}


def _images(pod: Manifest) -> Iterator[str]:
    spec = pod.get("spec", {})
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        yield str(container.get("image", ""))


def _registry(image: str) -> str | None:
    try:
        return parse_image(image).registry
    except ImageReferenceError:
        return None
