"""The file into which an embedded cluster's kubeconfig goes, and the files into which it never goes.

A kubeconfig is often somebody's only way into a cluster. So nothing is ever added to one, and a file is
overwritten only if all it holds is an embedded cluster that has ended.
"""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from tools.cluster.errors import Misconfigured

CLUSTER_NAME = "embedded"
_CONNECT_SECONDS = 0.5


def default_kubeconfig() -> Path:
    """Ours alone: in the user's runtime folder, which ends with the login as the cluster does, or in their cache."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    folder = Path(runtime) if runtime else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return folder / "k8s-auto-fixer" / "cluster.kubeconfig"


def prepare_place(path: Path) -> Path:
    """The file to write, in a folder that exists. Raises Misconfigured if it may not be overwritten."""
    target = path.expanduser().resolve()  # a link to somebody's own kubeconfig is that kubeconfig
    if target == (Path.home() / ".kube" / "config").resolve():
        raise Misconfigured(f"{target} is your own kubeconfig and is left alone; pass another --kubeconfig FILE")
    try:
        if target.exists() and target.stat().st_size:
            _check_ours(target)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(f"{target} cannot be written: {error.strerror}; pass another --kubeconfig FILE") from error
    return target


def remove_if_ours(path: Path, server: str) -> None:
    """Remove the kubeconfig of a cluster that has ended; if meanwhile the file holds anything else it stays."""
    with contextlib.suppress(OSError, Misconfigured):
        if [_server(item) for item in _clusters(path)] == [server]:
            path.unlink()


def _check_ours(target: Path) -> None:
    clusters = _clusters(target)
    servers = [_server(item) for item in clusters]
    ours = all(item.get("name") == CLUSTER_NAME for item in clusters) and all(map(_is_loopback, servers))
    if not ours or len(clusters) != 1:
        raise Misconfigured(f"{target} holds other clusters and is left alone; pass another --kubeconfig FILE")
    if _answers(servers[0]):
        raise Misconfigured(f"{target} belongs to an embedded cluster that is running; pass another --kubeconfig FILE")


def _clusters(path: Path) -> list[dict[str, Any]]:
    """Raises Misconfigured for what is no kubeconfig: it is somebody's file."""
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
        clusters = found["clusters"] or []
        if found["kind"] != "Config" or not all(isinstance(item, dict) for item in clusters):
            raise ValueError
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, ValueError):
        text = f"{path} is there already and is no kubeconfig; pass another --kubeconfig FILE"
        raise Misconfigured(text) from None
    return list(clusters)


def _server(entry: dict[str, Any]) -> str:
    return str((entry.get("cluster") or {}).get("server", ""))


def _is_loopback(server: str) -> bool:
    return urlsplit(server).hostname == "127.0.0.1"


def _answers(server: str) -> bool:
    parts = urlsplit(server)
    try:
        with socket.create_connection((str(parts.hostname), parts.port or 80), timeout=_CONNECT_SECONDS):
            return True
    except OSError:
        return False
