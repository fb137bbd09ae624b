"""An embedded Kubernetes cluster for demonstrations and tests: real protocol, simulated containers.

An HTTP API server on loopback that unmodified Kubernetes clients talk to, and as clients of it the controllers, a
scheduler, a kubelet for some nodes that reacts to what the spec says, and an OCI registry. It is checked
against a real control plane, with which its kubelet works too.

What it does not do:
- containers: no code runs; what an image does is written in `catalogue.yaml`;
- server-side apply: one version of each kind, so owners are never converted; what admission changes is nobody's;
- CBOR and protobuf answers; OpenAPI has no descriptions and no schemas of custom resources, v2 no paths;
- access: roles count only with `EmbeddedCluster(rbac=True)`; nobody checks that a role grants no more than its author
  holds; no client certificates, no anonymous user, no impersonated uid; users' tokens do not expire; no TLS;
- faults cut connections and answers; they do not slow single bytes, reorder, or lose what has been stored;
- admission webhooks and admission policies are stored and never asked; pod security judges by the newest version of a
  policy; quotas count without `status` having to be filled first;
- custom resources: rules in CEL and conversion webhooks are not run (a definition with rules is answered with a
  warning); a status is written at once where the real server takes a moment;
- kinds: `events.k8s.io` and `autoscaling/v1` are not served beside the core Event and autoscaling/v2, alpha and beta
  kinds neither; resource claims and flow schemas are stored and nobody acts on them;
- messages that show a whole struct in Go's notation show it as JSON, and leave out the diff of an immutable spec;
- `exec`, `attach`, `port-forward`, `proxy`, ephemeral containers;
- a network: pods have addresses that lead nowhere, services are not proxied; a program reaches another as far as its
  Service, the EndpointSlices and the catalogue say so;
- inside a container: a few words of shell; files and variables count by name alone, there are none of services;
- nodes: pressure is of memory and disk alone, and images are never thrown away; restarts of a kubelet forget sidecars;
- controllers: no Endpoints objects beside EndpointSlices, no token Secrets, no ReplicationControllers, nodes are of one
  zone, slices are IPv4 without topology hints; a CronJob's schedule is real time whatever the speed; names of
  ControllerRevisions and ReplicaSets end in hashes of another kind than the real ones;
- scheduler: wishes (preferred affinity, soft spreading, least taken) are compared one after the other, not summed; no
  limits of volumes a node, no capacity of drivers, no resource claims, no pod groups, no extenders;
- storage: nothing is attached, so there is no Multi-Attach error; volumes grow without the node; no snapshots, no
  recycling; a StorageClass `standard` is made that a bare real cluster has not;
- autoscaling: of `behavior` the window of scaling down and `selectPolicy: Disabled` count, rates do not; without the
  metrics API behind the API server resource metrics fail as in a cluster without metrics-server;
- aggregated API servers: the metrics API answers at the kubelet's own port (a real API server does pass it on);
- persistence: everything is gone when it stops; old versions can be listed as far back as they can be watched from;
- validation of affinity, security contexts and volume sources; events never expire.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulator.cluster import EmbeddedCluster

__all__ = ["EmbeddedCluster"]


def __getattr__(name: str) -> Any:
    """The cluster is imported by whoever uses it: the pytest plugin is in a package that must cost nothing to load."""
    if name == "EmbeddedCluster":
        from simulator.cluster import EmbeddedCluster

        return EmbeddedCluster
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
