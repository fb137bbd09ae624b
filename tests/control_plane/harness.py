"""A real control plane on loopback for one test session: etcd, API server, controller-manager, scheduler.

Owns: how the components are started, in what order and with which flags; who may talk to them (bearer tokens;
RBAC on); the ways in for a test (HTTP, kubectl, kubeconfig, ServiceAccount tokens), the audit log, and the
dump that the judge reads. There are no nodes until `start_kubelet`, which runs the simulator's kubelet as a
client of its own.

Refuses: to build anything (see build.py), to outlive its test (see components.py), to touch a kubeconfig or a
cache in the home directory. It authorises by RBAC alone: the Node authorizer ties a kubelet to the one node
it is named after, and ours plays all nodes; its user has the role `system:node` instead, the rights of a real
kubelet.

A bare control plane has no kube-proxy, DNS, network plugin, storage provisioner or metrics-server.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import uuid
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from . import flags
from .components import Component, ControlPlaneError, accepts_connections, free_ports, wait_until
from .credentials import KUBELET_USER, Credentials, create_credentials, write_private
from .dump import dump_objects
from .flags import Layout

_REPOSITORY = Path(__file__).resolve().parents[2]
_USER_AGENT = "control-plane-harness"
_START_SECONDS = 60.0  # 3-6 s is usual; a busy machine with two cores needs its time
_KUBECTL_SECONDS = 60.0
_KUBELET_READY = re.compile(r"^kubelet ready .*\bregistry=(?P<registry>\S+)", re.MULTILINE)
# The roles are the API server's own: a real kubelet's rights on all nodes, and a kube-proxy's, which the simulated
# programs need to reach a Service through its EndpointSlices. What makes volumes needs a role of its own.
_STORAGE_ROLE = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRole",
    "metadata": {"name": "simulator-storage"},
    "rules": [
        {
            "apiGroups": [""],
            "resources": ["persistentvolumes", "persistentvolumeclaims", "persistentvolumeclaims/status"],
            "verbs": ["get", "list", "watch", "create", "update", "patch", "delete"],
        },
        {
            "apiGroups": ["storage.k8s.io"],
            "resources": ["storageclasses", "csidrivers", "volumeattachments", "volumeattachments/status"],
            "verbs": ["get", "list", "watch", "create", "patch"],
        },
    ],
}
_KUBELET_RIGHTS = tuple(
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": f"simulator-{name}"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": KUBELET_USER}],
    }
    for name, role in (("kubelet", "system:node"), ("proxy", "system:node-proxier"), ("storage", "simulator-storage"))
)


@dataclass(frozen=True)
class Kubelet:
    """The simulator's kubelet, running: its nodes' names, and where its OCI registry is (`HOST:PORT`)."""

    nodes: tuple[str, ...]
    registry: str


class ControlPlane:
    """Starts with `with`, or `start` and `stop`. Synchronous; use it from one thread.

    `binaries` holds the five programs. `folder` gets keys, data and logs; without one a temporary folder is
    used and removed at the end. With one the logs stay for whoever looks into a failed test.
    """

    def __init__(self, binaries: Path, *, folder: Path | None = None) -> None:
        self._binaries = binaries
        self._given_folder = folder
        self._stack = ExitStack()
        self._components: list[Component] = []
        self._kubelet: Kubelet | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> Self:
        """Returns when the API server is ready and the controllers have begun to work; some seconds.

        Raises ControlPlaneError with the end of the log of the component that failed.
        """
        try:
            self._layout = self._open_folder()
            self._client = self._open_client()
            self._start_control_plane()
        except BaseException:  # Ctrl-C too: nothing may stay behind, and the exception goes on its way
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Ends everything that was started, last things first. May be called more than once."""
        self._stack.close()
        self._components.clear()
        self._kubelet = None

    # --- ways in ---

    @property
    def server(self) -> str:
        """`https://127.0.0.1:PORT`."""
        return self._layout.server

    @property
    def credentials(self) -> Credentials:
        return self._layout.credentials

    @property
    def ca_file(self) -> Path:
        return self.credentials.ca_file

    @property
    def admin_token(self) -> str:
        return self.credentials.tokens["admin"]

    @property
    def folder(self) -> Path:
        """Keys, data, kubeconfigs, audit log, and one log file a component."""
        return self._layout.folder

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """One request, as the administrator unless `token` says otherwise; returns whatever the answer is.

        The body is sent as JSON; for a patch give its `Content-Type` in `headers`.
        """
        sent = {"Authorization": f"Bearer {token or self.admin_token}", "Content-Type": "application/json"}
        content = None if body is None else json.dumps(body)
        return self._client.request(method, path, content=content, headers={**sent, **(headers or {})})

    def kubeconfig(self, user_token: str | None = None, *, namespace: str = "default") -> Path:
        """A self-contained kubeconfig (0600) for a bearer token, the administrator's if none is given."""
        token = user_token or self.admin_token
        authority = b64encode(self.ca_file.read_bytes()).decode()
        name = "control-plane"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": {"server": self.server, "certificate-authority-data": authority}}],
            "users": [{"name": name, "user": {"token": token}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": namespace}}],
            "current-context": name,
        }
        digest = sha256(f"{token}/{namespace}".encode()).hexdigest()[:12]
        return write_private(self.folder / f"kubeconfig-{digest}.yaml", json.dumps(config, indent=2))

    def kubectl(
        self,
        *args: str,
        input: str | None = None,  # noqa: A002 - as subprocess.run calls it
        token: str | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Runs the kubectl of the same release, away from $HOME. The caller looks at `returncode`."""
        return subprocess.run(
            [self._binaries / "kubectl", *args],
            env={**_environment(self.folder), "KUBECONFIG": str(self.kubeconfig(token))},
            input=input if input is not None else "",
            capture_output=True,
            text=True,
            check=False,
            timeout=_KUBECTL_SECONDS,
        )

    def apply(self, yaml_text: str) -> None:
        """`kubectl apply` as the administrator; raises ControlPlaneError with kubectl's words if it fails."""
        done = self.kubectl("apply", "--filename", "-", input=yaml_text)
        if done.returncode != 0:
            raise ControlPlaneError(f"kubectl apply ended with {done.returncode}: {done.stderr.strip()}")

    def service_account_token(self, namespace: str, name: str) -> str:
        """A token for an existing ServiceAccount, good for an hour (TokenRequest)."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": 3600},
        }
        return str(self._fetch("POST", path, body)["status"]["token"])

    # --- what it saw and holds ---

    def audit_events(self) -> Iterator[dict[str, Any]]:
        """Every request answered so far, in that order, as audit.k8s.io/v1 Events (policy: audit.yaml).

        The server answers first and logs after, so a request of our own is sent and its line waited for: by
        then the lines of all requests answered before this call are there. That request itself is left out.
        What was answered with 401 has an empty `user`.
        """
        mark = f"{_USER_AGENT}/mark-{uuid.uuid4()}"
        self.request("GET", "/version", headers={"User-Agent": mark}).raise_for_status()
        log = self._layout.audit_log
        self._wait(lambda: mark in log.read_text(), "a line in the audit log", self._components[0], seconds=10)
        written, _, _ = log.read_text().rpartition("\n")  # what follows is a line still being written
        events = map(json.loads, written.splitlines())
        return (event for event in events if not event.get("userAgent", "").startswith(f"{_USER_AGENT}/mark-"))

    def dump(self, namespace: str = "") -> dict[str, dict[str, Any]]:
        """Every object of every kind that can be listed, by `apps/v1/Deployment/NAMESPACE/NAME`.

        Of a kind without namespaces that part is empty: `v1/Node//NAME`. Custom resources are included. With a
        ``namespace`` only what is in it, which is quicker by far where there are a hundred.
        """
        return dump_objects(lambda path: self._fetch("GET", path), namespace)

    def _fetch(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        response = self.request(method, path, body)
        if response.is_error:
            raise ControlPlaneError(f"{method} {path} was answered with {response.status_code}: {response.text}")
        answer: dict[str, Any] = response.json()
        return answer

    # --- starting ---

    def _open_folder(self) -> Layout:
        if self._given_folder is None:
            folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="control-plane-")))
        else:
            folder = self._given_folder.resolve()
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        api_port, etcd_port, etcd_peer_port = free_ports(3)
        return Layout(
            folder=folder,
            credentials=create_credentials(folder),
            api_port=api_port,
            etcd_port=etcd_port,
            etcd_peer_port=etcd_peer_port,
        )

    def _open_client(self) -> httpx.Client:
        client = httpx.Client(
            base_url=self.server,
            verify=ssl.create_default_context(cafile=self.ca_file),
            headers={"User-Agent": _USER_AGENT},
            timeout=30,
            trust_env=False,  # a proxy setting of the machine must not see loopback traffic
        )
        return self._stack.enter_context(client)

    def _start_control_plane(self) -> None:
        # The data is big and of no use afterwards; the logs stay.
        self._stack.callback(shutil.rmtree, self._layout.etcd_data, ignore_errors=True)
        etcd = self._launch("etcd", flags.etcd(self._layout))
        self._wait(lambda: accepts_connections(self._layout.etcd_port), "etcd to listen", etcd)
        server = self._launch("kube-apiserver", flags.kube_apiserver(self._layout))
        self._wait(self._api_server_is_ready, "the API server to be ready", server)
        self._fetch("POST", "/apis/rbac.authorization.k8s.io/v1/clusterroles", _STORAGE_ROLE)
        for binding in _KUBELET_RIGHTS:
            self._fetch("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)
        scheduler, manager = (
            self.kubeconfig(self.credentials.tokens[f"system:kube-{name}"])
            for name in ("scheduler", "controller-manager")
        )
        self._launch("kube-scheduler", flags.kube_scheduler(scheduler))
        shown = self._launch("kube-controller-manager", flags.kube_controller_manager(self._layout, manager))
        self._wait(self._controllers_are_working, "the controller-manager to fill the default namespace", shown)

    def _launch(self, name: str, arguments: list[str]) -> Component:
        command = [str(self._binaries / name), *arguments]
        return self._keep(Component(name, command, folder=self.folder, environ=_environment(self.folder)))

    def _keep(self, component: Component, *, grace_seconds: float = 0.0) -> Component:
        self._stack.callback(component.stop, grace_seconds=grace_seconds)
        self._components.append(component)
        return component

    def _api_server_is_ready(self) -> bool:
        try:
            return self.request("GET", "/readyz").is_success
        except httpx.TransportError:
            return False  # not listening yet

    def _controllers_are_working(self) -> bool:
        made = ("serviceaccounts/default", "configmaps/kube-root-ca.crt")
        return all(self.request("GET", f"/api/v1/namespaces/default/{one}").is_success for one in made)

    def _wait(
        self, ready: Callable[[], object], what: str, shown: Component, *, seconds: float = _START_SECONDS
    ) -> None:
        wait_until(ready, what, components=self._components, seconds=seconds, shown=shown)

    def start_kubelet(self, nodes: int = 3, *, catalogue: Path | None = None) -> Kubelet:
        """Runs the simulator's kubelet; returns when its nodes take pods. A second call returns the first.

        `catalogue` is a file of other images than those that ship.
        Raises ControlPlaneError with the end of its log if it does not get there.
        """
        if self._kubelet is None:
            component = self._launch_kubelet(nodes, catalogue)
            try:
                self._wait(lambda: _announced(component), "the simulator's kubelet to be ready", component)
                self._wait(lambda: self._nodes_take_pods(nodes), "the nodes to lose their taints", component)
            except BaseException:  # without it the control plane is still good for tests that need no nodes
                component.stop()
                self._components.remove(component)
                raise
            names = (node["metadata"]["name"] for node in self._fetch("GET", "/api/v1/nodes")["items"])
            self._kubelet = Kubelet(nodes=tuple(names), registry=_announced(component))
        return self._kubelet

    def _nodes_take_pods(self, count: int) -> bool:
        """A node is born tainted not-ready; the controller-manager lifts that some time after Ready."""
        items = self._fetch("GET", "/api/v1/nodes")["items"]
        return len(items) >= count and not any(node["spec"].get("taints") for node in items)

    def _launch_kubelet(self, nodes: int, catalogue: Path | None) -> Component:
        token_file = write_private(self.folder / "kubelet.token", self.credentials.tokens[KUBELET_USER])
        arguments = flags.simulator_kubelet(self._layout, token_file=token_file, nodes=nodes)
        environ = {**_environment(self.folder), "PYTHONPATH": str(_REPOSITORY), "PYTHONUNBUFFERED": "1"}
        if catalogue is not None:
            arguments = [*arguments, "--catalogue", str(catalogue)]
        command = [sys.executable, "-m", "simulator.kubelet", *arguments]
        component = Component("simulator-kubelet", command, folder=self.folder, environ=environ)
        return self._keep(component, grace_seconds=3.0)


def _announced(kubelet: Component) -> str:
    """The address of its registry, printed when its nodes are Ready; empty before that."""
    found = _KUBELET_READY.search(kubelet.log.read_text(errors="replace"))
    return found["registry"] if found else ""


def _environment(home: Path) -> dict[str, str]:
    """PATH and little else: the developer's own KUBECONFIG, GODEBUG, ETCD_* and proxies stay out."""
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home), "LANG": "C.UTF-8"}
