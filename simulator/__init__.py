"""An embedded Kubernetes cluster for demonstrations and tests: real protocol, simulated containers.

An HTTP API server on loopback that unmodified Kubernetes clients talk to, and as clients of it the controllers, a
scheduler, a kubelet for some nodes that reacts to what the spec says, and an OCI registry. It is checked
against a real control plane, with which its kubelet works too.

What it does not do:
- containers: no code runs; what an image does is written in `catalogue.yaml`;
- server-side apply (415), managedFields, fieldValidation beyond JSON types, CBOR, aggregated discovery;
- OpenAPI schemas: `kubectl explain` and client-side validation find none;
- authorisation: every known user may do everything; no TLS; tokens do not expire;
- admission beyond namespaces, ServiceAccounts, priorities and tolerations: no quotas, limit ranges, pod
  security, priority classes, disruption budgets, webhooks or custom resources;
- kinds other than those of `apiserver.kinds`: no StatefulSet, DaemonSet, Job, volume claims, Ingress;
- `exec`, `attach`, `port-forward`, `proxy`, ephemeral containers, in-place resize;
- a network: pods have addresses that lead nowhere, services are not proxied;
- persistence: everything is gone when it stops; old versions of objects cannot be read, only watched from;
- validation of affinity, security contexts and volume sources; events never expire.
"""

from simulator.cluster import EmbeddedCluster

__all__ = ["EmbeddedCluster"]
