"""Volumes for claims: the controllers of the controller-manager, and what a storage vendor adds to a cluster.

`binder`, `protection` and `ephemeral` are what a real control plane has too; `runner` starts what it lacks
(provisioner, attacher, resizer): clients of the API like any other, which work against a real one as well.
"""
