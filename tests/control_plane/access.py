"""Takes the roles that every cluster starts with from a real API server into `simulator/apiserver/access.json`.

Only those that matter on an embedded cluster: the four for users, what they are aggregated from, discovery for
everybody, scheduler and kubelet. Run it after a change of the Kubernetes version: `python -m
tests.control_plane.access`.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from .build import find_binaries
from .harness import ControlPlane

_TARGET = Path(__file__).resolve().parents[2] / "simulator" / "apiserver" / "access.json"
_API = "/apis/rbac.authorization.k8s.io/v1"
_ROLES = frozenset({
    "admin", "cluster-admin", "edit", "system:aggregate-to-admin", "system:aggregate-to-edit",
    "system:aggregate-to-view", "system:basic-user", "system:discovery", "system:kube-scheduler", "system:node",
    "system:node-proxier",
    "system:public-info-viewer", "system:volume-scheduler", "view",
})  # fmt: skip


def kept(listed: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """The chosen objects of a list, without what a server adds."""
    found = []
    for one in listed["items"]:
        name = one["metadata"]["name"]
        if name in _ROLES or (kind == "ClusterRoleBinding" and one["roleRef"]["name"] in _ROLES):
            meta = {key: one["metadata"][key] for key in ("name", "labels", "annotations") if key in one["metadata"]}
            rest = {key: value for key, value in one.items() if key != "metadata"}
            found.append({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": meta, **rest})
    return sorted(found, key=lambda one: str(one["metadata"]["name"]))


def main() -> int:
    """Starts a control plane, asks it, writes the file."""
    binaries = find_binaries(os.environ)
    if binaries is None:
        print("the programs of a control plane are missing: run `make control-plane`", file=sys.stderr)
        return 1
    found: list[dict[str, Any]] = []
    with ControlPlane(binaries) as control_plane:
        for plural, kind in (("clusterroles", "ClusterRole"), ("clusterrolebindings", "ClusterRoleBinding")):
            listed = control_plane.request("GET", f"{_API}/{plural}").json()
            found += [one for one in kept(listed, kind) if not one["metadata"]["name"].startswith("simulator-")]
    _TARGET.write_text("[\n" + ",\n".join(json.dumps(one, sort_keys=True) for one in found) + "\n]\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
