"""Why the controller-manager itself cannot delete what is behind a volume. Pure.

After pkg/volume/plugins.go and hostpath/host_path.go in Kubernetes v1.36: of the kinds of volume that
it knows it can delete only directories of the node under /tmp, and those are for tests.
"""

import re

from simulator.informer import Object

_TEMPORARY = re.compile(r"^/tmp/.+$")


def deletion_problem(volume: Object) -> str:
    """What the event says; empty when it can be deleted."""
    source, name = volume["spec"].get("hostPath"), volume["metadata"]["name"]
    if source is None:
        return f'error getting deleter volume plugin for volume "{name}": no deletable volume plugin matched'
    if _TEMPORARY.match(source.get("path", "")):
        return ""
    return f"host_path deleter only supports /tmp/.+ but received provided {source.get('path', '')}"
