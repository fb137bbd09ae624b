"""An embedded Kubernetes cluster for demonstrations and tests: real protocol, simulated containers.

An HTTP API server on loopback that unmodified Kubernetes clients talk to, and as clients of it the controllers, a
scheduler, a kubelet for some nodes that reacts to what the spec says, and an OCI registry. It is checked
against a real control plane, with which its kubelet works too.

What it does not do:
- containers: no code runs; what an image does is written in `catalogue.yaml`;
- server-side apply: the fields that somebody owns in one version of a kind are not converted to another
  (autoscaling/v1 and v2, Events); what admission changes is nobody's;
- CBOR and protobuf answers; OpenAPI has no descriptions and no schemas of custom resources, v2 no paths;
- access: roles count only with `EmbeddedCluster(rbac=True)`; no client certificates, no anonymous user, no impersonated
  uid; users' tokens do not expire; no TLS;
- faults delay requests, cut connections and answers; they do not slow single bytes, reorder, or lose what has been
  stored;
- admission policies are stored and never asked, webhooks neither: a write that one would be asked about is only refused
  while its Service is not there or has nobody behind it; pod security judges by the newest version of a
  policy; quotas count without `status` having to be filled first;
- custom resources: rules in CEL and conversion webhooks are not run (a definition with rules is answered with a
  warning); a status is written at once where the real server takes a moment;
- kinds: alpha and beta kinds are not served; resource claims and flow schemas are stored and nobody acts on them;
- requests: a body or patch that cannot be read is refused in the real words for JSON, in similar ones for YAML and for
  strategic merge patches of another type than the field's; versions that are served no more (`apps/v1beta1`) are not
  known by name; `/` lists no paths;
- the refusal of a changed pod or volume leaves out the diff, that of a Job's template shows it as clients write it;
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
- storage: only volumes of the driver `disks.simulator` are attached, and none is ever forced off a node that is lost;
  volumes grow without the node; no snapshots, no recycling; a StorageClass `standard` is made that a bare real
  cluster has not;
- autoscaling: metrics of pods, objects and the outside world fail as in a cluster without an adapter; tolerances that
  `behavior` states do not count; nodes' metrics are not chosen by label;
- aggregated API servers: only those on loopback can be reached, by an ExternalName service (one whose port says
  `appProtocol: http` is spoken to without TLS); connections are not upgraded, OpenAPI is not merged;
- persistence: everything is gone when it stops; old versions can be listed as far back as they can be watched from;
- validation of volume sources of clouds, of resource claims and runtime classes, of Windows' own fields and of what
  only feature gates switch on; warnings of what is deprecated; events never expire.
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
