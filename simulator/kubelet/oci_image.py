"""The OCI documents of a catalogue image: manifest and config, with right digests. Pure and deterministic.

Layers are described, never served: nothing in the simulated world downloads one.
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from simulator.kubelet.catalogue import Program

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
_LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
_CREATED = "2026-01-05T00:00:00Z"


@dataclass(frozen=True)
class ImageDigests:
    """The digests and the bytes they are of."""

    manifest: str
    manifest_bytes: bytes
    config: str
    config_bytes: bytes


def image_digests(repository: str, tag: str, program: Program) -> ImageDigests:
    """The documents of one tag."""
    ports, platform = tuple(sorted(program.ports)), program.platforms[0]
    return _build(repository, tag, ports, program.user, program.entrypoint, program.size_bytes, platform)


@lru_cache(maxsize=1024)
def _build(
    repository: str,
    tag: str,
    ports: tuple[int, ...],
    user: str,
    entrypoint: tuple[str, ...],
    size: int,
    platform: str,
) -> ImageDigests:
    layer = _digest(f"{repository}:{tag}".encode())
    config_bytes = orjson.dumps(_config(ports, user, entrypoint, layer) | _built_for(platform))
    config = _digest(config_bytes)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": {"mediaType": CONFIG_TYPE, "digest": config, "size": len(config_bytes)},
        "layers": [{"mediaType": _LAYER_TYPE, "digest": layer, "size": size}],
    }
    manifest_bytes = orjson.dumps(manifest)
    return ImageDigests(_digest(manifest_bytes), manifest_bytes, config, config_bytes)


def _built_for(platform: str) -> dict[str, str]:
    system, _, architecture = platform.partition("/")
    return {"architecture": architecture, "os": system}


def _config(ports: tuple[int, ...], user: str, entrypoint: tuple[str, ...], layer: str) -> dict[str, Any]:
    run: dict[str, Any] = {
        "Entrypoint": list(entrypoint),
        "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
        "WorkingDir": "/",
    }
    if ports:
        run["ExposedPorts"] = {f"{port}/tcp": {} for port in ports}
    if user:
        run["User"] = user
    return {
        "created": _CREATED,
        "config": run,
        "rootfs": {"type": "layers", "diff_ids": [layer]},
        "history": [{"created": _CREATED, "created_by": "simulated"}],
    }


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
