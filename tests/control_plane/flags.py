"""With which flags each component of the control plane is started. Pure; the reasons stand beside the flags.

Facts from `PROGRAM --help` and pkg/kubeapiserver/options of Kubernetes v1.36, and etcd 3.6.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .credentials import Credentials

_AUDIT_POLICY = Path(__file__).resolve().with_name("audit.yaml")


@dataclass(frozen=True)
class Layout:
    """Where one control plane lives: its folder, its secrets, its loopback ports."""

    folder: Path
    credentials: Credentials
    api_port: int
    etcd_port: int
    etcd_peer_port: int

    @property
    def server(self) -> str:
        return f"https://127.0.0.1:{self.api_port}"

    @property
    def etcd_data(self) -> Path:
        return self.folder / "etcd-data"

    @property
    def audit_log(self) -> Path:
        return self.folder / "audit.log"


def etcd(layout: Layout) -> list[str]:
    clients, peers = (f"http://127.0.0.1:{port}" for port in (layout.etcd_port, layout.etcd_peer_port))
    return [
        f"--data-dir={layout.etcd_data}",
        "--name=default",
        f"--listen-client-urls={clients}",
        f"--advertise-client-urls={clients}",
        f"--listen-peer-urls={peers}",
        f"--initial-advertise-peer-urls={peers}",
        f"--initial-cluster=default={peers}",
        "--unsafe-no-fsync",  # nothing here has to survive a power cut
        "--log-level=warn",
    ]


def kube_apiserver(layout: Layout) -> list[str]:
    own = layout.credentials
    return [
        f"--etcd-servers=http://127.0.0.1:{layout.etcd_port}",
        f"--secure-port={layout.api_port}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        # the endpoints of the Service `kubernetes` cannot be a loopback address, and nobody here dials them
        "--endpoint-reconciler-type=none",
        "--service-cluster-ip-range=10.96.0.0/16",
        f"--cert-dir={layout.folder}",
        f"--tls-cert-file={own.cert_file}",
        f"--tls-private-key-file={own.key_file}",
        f"--token-auth-file={own.token_file}",
        "--anonymous-auth=false",  # whoever is in the audit log has a name
        # No Node authorizer: it ties a kubelet to the one node it is named after, and ours plays all nodes.
        "--authorization-mode=RBAC",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={own.service_account_key_file}",
        f"--service-account-signing-key-file={own.service_account_key_file}",
        "--kubelet-preferred-address-types=InternalIP",
        "--allow-privileged=true",
        f"--audit-policy-file={_AUDIT_POLICY}",
        f"--audit-log-path={layout.audit_log}",
        "--audit-log-maxsize=2048",  # MB; by default 100 and then another file
        "--audit-log-mode=blocking",  # no batching: a request's line is written as the request ends
        "--profiling=false",
    ]


def kube_scheduler(kubeconfig: Path) -> list[str]:
    return [f"--kubeconfig={kubeconfig}", "--leader-elect=false", "--secure-port=0"]


def kube_controller_manager(layout: Layout, kubeconfig: Path) -> list[str]:
    own = layout.credentials
    return [
        f"--kubeconfig={kubeconfig}",
        "--leader-elect=false",
        "--secure-port=0",
        "--use-service-account-credentials=true",  # as on a real cluster: the audit log names each controller
        "--kube-api-qps=500",  # 20 by default: fetching those credentials alone would take seconds
        "--kube-api-burst=1000",
        f"--service-account-private-key-file={own.service_account_key_file}",
        f"--root-ca-file={own.ca_file}",
    ]


def simulator_kubelet(layout: Layout, *, token_file: Path, nodes: int) -> list[str]:
    own = layout.credentials
    return [
        f"--server={layout.server}",
        f"--token-file={token_file}",
        f"--ca-file={own.ca_file}",
        f"--nodes={nodes}",
        "--speed=1",  # the control plane's own clocks cannot be sped up
        "--storage",
        f"--tls-cert={own.cert_file}",
        f"--tls-key={own.key_file}",
    ]
