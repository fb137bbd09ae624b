"""``cluster start``: an embedded cluster in the foreground, with a kubeconfig of its own, until interrupted."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from cli.cluster_file import default_kubeconfig, prepare_place, remove_if_ours
from cli.failures import Exit, fail
from cli.sandbox_label import EMBEDDED_VALUE, SANDBOX_LABEL
from simulator import EmbeddedCluster
from simulator.api_client import ApiClient, ApiError, Connection
from simulator.cluster import ClusterError
from simulator.resources import NAMESPACES

_LOOK_SECONDS = 0.5


def run_cluster(*, nodes: int, speed: float, port: int, kubeconfig: Path | None) -> int:
    """Run until SIGINT or SIGTERM; answers the exit code. Raises Misconfigured for a file that is not to be written."""
    target = prepare_place(kubeconfig or default_kubeconfig())
    with _interrupted() as interrupted:
        try:
            with EmbeddedCluster(nodes=nodes, speed=speed, port=port) as cluster:
                _run(cluster, target, interrupted, nodes=nodes, speed=speed)
        except (ClusterError, ApiError) as error:
            raise fail(_cause(error), Exit.CLUSTER_FAILED) from None
        except OSError as error:
            raise fail(f"{target} cannot be written: {error.strerror}", Exit.KUBECONFIG) from None
    typer.echo("The embedded cluster has ended, and everything in it.")
    return Exit.OK


def _run(cluster: EmbeddedCluster, target: Path, interrupted: threading.Event, *, nodes: int, speed: float) -> None:
    asyncio.run(_label(cluster))
    cluster.write_kubeconfig(target)
    try:
        typer.echo(_greeting(cluster, target, nodes=nodes, speed=speed))
        while not interrupted.wait(_LOOK_SECONDS) and cluster.running:
            pass
    finally:
        remove_if_ours(target, cluster.kubeconfig()["clusters"][0]["cluster"]["server"])


def _cause(error: ClusterError | ApiError) -> str:
    """A port that is taken is the usual one, and says so by itself."""
    cause = error.__cause__
    return str(cause) if isinstance(cause, OSError) else str(error)


async def _label(cluster: EmbeddedCluster) -> None:
    connection = Connection(cluster.server, cluster.admin_token, user_agent="k8s-auto-fixer cluster start")
    async with ApiClient(connection) as admin:
        labels = {SANDBOX_LABEL: EMBEDDED_VALUE}
        await admin.patch(NAMESPACES, "kube-system", {"metadata": {"labels": labels}})


def _greeting(cluster: EmbeddedCluster, target: Path, *, nodes: int, speed: float) -> str:
    return (
        f"An embedded cluster of {nodes} nodes at {speed:g} times real speed answers at {cluster.server}.\n"
        "\n"
        f"  export KUBECONFIG={target}\n"
        "  kubectl get nodes\n"
        "  k8s-auto-fixer cluster scenarios\n"
        "  k8s-auto-fixer cluster break image-typo\n"
        "\n"
        "Ctrl-C ends it."
    )


@contextmanager
def _interrupted() -> Iterator[threading.Event]:
    """Set by SIGINT and SIGTERM, which do nothing else while the block runs."""
    event = threading.Event()
    before = {number: signal.signal(number, lambda *_: event.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
