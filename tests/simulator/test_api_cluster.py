"""The embedded cluster as a whole: its life, its users, what it shows of itself."""

import stat
import threading
from pathlib import Path

import httpx
import pytest

from simulator import EmbeddedCluster
from simulator.cluster import ClusterError
from tests.simulator.conftest import PODS


def test_start_returns_when_every_node_is_ready(cluster: EmbeddedCluster) -> None:
    nodes = [body for key, body in cluster.dump().items() if key.startswith("v1/Node/")]
    assert len(nodes) == 3
    for node in nodes:
        conditions = {one["type"]: one["status"] for one in node["status"]["conditions"]}
        assert conditions["Ready"] == "True"


def test_the_dump_is_keyed_by_kind_namespace_and_name_and_is_a_copy(cluster: EmbeddedCluster) -> None:
    dump = cluster.dump()
    assert "v1/Namespace//kube-system" in dump
    dump["v1/Namespace//kube-system"]["metadata"]["labels"].clear()
    assert cluster.dump()["v1/Namespace//kube-system"]["metadata"]["labels"]


def test_every_user_has_a_token_and_appears_in_the_request_log(cluster: EmbeddedCluster) -> None:
    assert cluster.token("jane") == cluster.token("jane") != cluster.admin_token
    headers = {"Authorization": f"Bearer {cluster.token('jane')}", "User-Agent": "curious"}
    assert httpx.get(cluster.server + PODS, headers=headers).status_code == 200
    record = next(one for one in cluster.requests() if one.user == "jane")
    assert (record.user_agent, record.verb, record.path, record.code) == ("curious", "list", PODS, 200)


def test_a_kubeconfig_is_readable_by_its_owner_alone(cluster: EmbeddedCluster, tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("old")
    path.chmod(0o644)
    assert stat.S_IMODE(cluster.write_kubeconfig(path).stat().st_mode) == 0o600


def test_the_registry_answers(cluster: EmbeddedCluster) -> None:
    tags = httpx.get(f"http://{cluster.registry}/v2/library/nginx/tags/list").json()["tags"]
    assert "1.27" in tags


def test_stopping_ends_the_server_and_its_thread() -> None:
    before = threading.active_count()
    cluster = EmbeddedCluster(nodes=1)
    with cluster:
        server = cluster.server
    cluster.stop()
    assert threading.active_count() == before
    with pytest.raises(httpx.ConnectError):
        httpx.get(server)
    assert cluster.dump()["v1/Node//node-1"]


def test_a_cluster_is_started_once() -> None:
    with EmbeddedCluster(nodes=0) as cluster, pytest.raises(ClusterError, match="started once"):
        cluster.start()


def test_a_taken_port_is_one_clear_error(cluster: EmbeddedCluster) -> None:
    port = int(cluster.server.rpartition(":")[2])
    with pytest.raises(ClusterError, match="did not start"):
        EmbeddedCluster(port=port).start()


@pytest.mark.parametrize("options", [{"speed": 0}, {"speed": -1}, {"nodes": -1}])
def test_a_bad_option_is_refused(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        EmbeddedCluster(**options)
