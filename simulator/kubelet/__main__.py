"""``python -m simulator.kubelet``: the simulated nodes against an API server that runs elsewhere.

Prints one line, ``kubelet ready nodes=N metrics=PORT registry=HOST:PORT``, once every node is Ready; ends on SIGTERM or
SIGINT with exit code 0.
"""

import argparse
import asyncio
import signal
import ssl
import sys
from pathlib import Path

from aiohttp import web

from simulator.api_client import ApiClient, ApiError, Connection
from simulator.clock import SimClock
from simulator.kubelet.catalogue import Catalogue, CatalogueError, load_catalogue
from simulator.kubelet.kubelet import Kubelet, KubeletOptions
from simulator.registry import registry_app
from simulator.storage.runner import run_storage

_START_SECONDS = 60.0


def main() -> int:
    """Parse the command line and run; returns the exit code."""
    arguments = _parser().parse_args()
    failed = False
    try:
        asyncio.run(_run(arguments))
    except* (CatalogueError, ApiError, OSError, TimeoutError, ValueError) as group:
        print(f"kubelet: {_first(group)}", file=sys.stderr)
        failed = True
    return 1 if failed else 0


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simulator.kubelet", description=__doc__)
    parser.add_argument("--server", required=True, help="URL of the API server")
    parser.add_argument("--token-file", type=Path, help="file with the bearer token")
    parser.add_argument("--ca-file", help="CA of the API server, for https")
    parser.add_argument("--nodes", type=int, default=3, help="how many nodes to simulate")
    parser.add_argument("--speed", type=float, default=1.0, help="divides every wait")
    parser.add_argument("--seed", type=int, default=0, help="seed of jitter")
    parser.add_argument("--catalogue", type=Path, help="another catalogue file")
    parser.add_argument("--storage", action="store_true", help="also provision, attach and resize volumes")
    parser.add_argument("--tls-cert", help="certificate of the log endpoint (https)")
    parser.add_argument("--tls-key", help="its key")
    return parser


async def _run(arguments: argparse.Namespace) -> None:
    token = arguments.token_file.read_text(encoding="utf-8").strip() if arguments.token_file else None
    connection = Connection(arguments.server, token, arguments.ca_file, "simulated-kubelet")
    catalogue = load_catalogue(arguments.catalogue) if arguments.catalogue else load_catalogue()
    options = KubeletOptions(nodes=arguments.nodes, seed=arguments.seed, tls=_tls(arguments))
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with ApiClient(connection) as client:
        kubelet = Kubelet(client, SimClock(arguments.speed), catalogue, options)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(kubelet.run())]
            tasks.append(group.create_task(_announce(kubelet, catalogue, arguments.nodes)))
            if arguments.storage:
                tasks.append(group.create_task(run_storage(client, SimClock(arguments.speed))))
            await stop.wait()
            for task in tasks:
                task.cancel()


async def _announce(kubelet: Kubelet, catalogue: Catalogue, nodes: int) -> None:
    runner = web.AppRunner(registry_app(catalogue), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with asyncio.timeout(_START_SECONDS):
            await kubelet.ready.wait()
        where = f"metrics={kubelet.log_port} registry=127.0.0.1:{runner.addresses[0][1]}"
        print(f"kubelet ready nodes={nodes} {where}", flush=True)
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


def _tls(arguments: argparse.Namespace) -> ssl.SSLContext | None:
    if not arguments.tls_cert:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(arguments.tls_cert, arguments.tls_key)
    return context


if __name__ == "__main__":
    sys.exit(main())
