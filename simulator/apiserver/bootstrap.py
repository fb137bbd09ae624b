"""What every cluster starts with: the four system namespaces and the Service `kubernetes`."""

from simulator.apiserver.handlers import Handlers
from simulator.apiserver.kinds import NAMESPACE, SERVICE
from simulator.apiserver.objects import Object

NAMESPACES = ("kube-system", "default", "kube-public", "kube-node-lease")
_KUBERNETES: Object = {
    "kind": "Service",
    "apiVersion": "v1",
    "metadata": {
        "name": "kubernetes",
        "namespace": "default",
        "labels": {"component": "apiserver", "provider": "kubernetes"},
    },
    "spec": {"clusterIP": "10.96.0.1", "ports": [{"name": "https", "port": 443, "targetPort": 6443}]},
}


async def create_first_objects(handlers: Handlers) -> None:
    """The uid of the namespace kube-system, made here, is the cluster's id."""
    for name in NAMESPACES:
        body: Object = {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}}
        await handlers.create_object(NAMESPACE, body, dry_run=False)
    service = {**_KUBERNETES, "metadata": dict(_KUBERNETES["metadata"]), "spec": dict(_KUBERNETES["spec"])}
    await handlers.create_object(SERVICE, service, dry_run=False)
