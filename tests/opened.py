"""The program opened in this process at an embedded cluster, at that cluster's speed and with nobody outside to ask."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from app.composition import App, open_app
from app.settings import embedded_settings
from simulator import EmbeddedCluster
from tools.notify import FileNotifier

USER = "k8s-auto-fixer"  # who it is at the cluster
HOSTS = ("docker.io", "registry.example")  # in whose place the simulated registry may be asked for tags


def registries_at(address: str, hosts: Sequence[str] = HOSTS) -> tuple[str, ...]:
    """The setting by which the program may ask the simulated registry at ``HOST:PORT`` for tags."""
    return tuple(f"{host}=http://{address}" for host in hosts)


@asynccontextmanager
async def opened_at(
    cluster: EmbeddedCluster, folder: Path, *, speed: float, hosts: Sequence[str] = HOSTS, secret_keys: bool = False
) -> AsyncIterator[App]:
    """The program, not yet watching, with its store and its notices in the folder.

    ``secret_keys``: it may list Secrets.
    """
    nobody = {"openai_api_key": None, "openai_base_url": None, "tavily_api_key": None}
    # Whatever the developer's environment says.
    registries = registries_at(cluster.registry, hosts)
    settings = embedded_settings(folder, registries=registries, read_secret_keys=secret_keys, **nobody)
    kubeconfig, notifier = cluster.kubeconfig(user=USER), FileNotifier(folder / "notices.jsonl")
    async with open_app(settings, kubeconfig=kubeconfig, speed=speed, notifier=notifier) as app:
        yield app
