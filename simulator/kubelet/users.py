"""runAsNonRoot against the user an image runs as (verifyRunAsNonRoot in pkg/kubelet/kuberuntime, v1.36). Pure."""

from typing import Any

from simulator.informer import Object
from simulator.kubelet.references import ConfigError


def refuse_user(pod: Object, container: dict[str, Any], image_user: str) -> None:
    """Raises ``ConfigError`` when the container must not run as root and would, or could."""
    settings = (pod["spec"].get("securityContext") or {}) | (container.get("securityContext") or {})
    if not settings.get("runAsNonRoot"):
        return
    metadata = pod["metadata"]
    name = f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"
    where = f'(pod: "{name}", container: {container["name"]})'
    if settings.get("runAsUser") is not None:
        if int(settings["runAsUser"]) == 0:
            raise ConfigError(f"container's runAsUser breaks non-root policy {where}")
        return
    user = image_user.partition(":")[0]
    if user in ("", "0"):
        raise ConfigError(f"container has runAsNonRoot and image will run as root {where}")
    if not user.isdecimal():
        why = f"image has non-numeric user ({user}), cannot verify user is non-root"
        raise ConfigError(f"container has runAsNonRoot and {why} {where}")
