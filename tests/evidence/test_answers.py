"""What an image says of itself, and what containers use, as playbooks get it: a line a fact, and nothing secret."""

from datetime import timedelta
from typing import Any

import msgspec
import orjson
import pytest

from evidence.answers import NO_METRICS, Answers, described
from incidents.evidence import Evidence, Want, WantKind
from tests.builders import NAMESPACE, NOW, deployment, evidence, pod, replica_set, snapshot
from tests.remediation.scripted import ScriptedCluster
from tools.cluster.errors import Forbidden, NotFound
from tools.cluster.reader import Reader
from tools.cluster.transport import Query

USAGE = Want(WantKind.USAGE, NAMESPACE)


def test_program_ports_user_and_platform_are_facts_of_their_own() -> None:
    run = {
        "Entrypoint": ["/app/web", "--serve"],
        "Cmd": ["--fast"],
        "ExposedPorts": {"8080/tcp": {}, "53/udp": {}},
        "User": "1000",
        "Env": ["PASSWORD=made-up"],
    }
    assert described({"os": "linux", "architecture": "arm64", "config": run}) == [
        "entrypoint=/app/web",
        "entrypoint=--serve",
        "cmd=--fast",
        "port=53/udp",
        "port=8080/tcp",
        "user=1000",
        "platform=linux/arm64",
    ]


def test_what_is_no_config_has_no_program() -> None:
    assert described({"config": "nothing"}) == ["platform=None/None"]
    assert described({"config": {"Entrypoint": "/app/web"}}) == ["platform=None/None"]


def test_a_long_answer_is_cut() -> None:
    many = described({"config": {"Cmd": ["x" * 900] * 500}})
    assert len(many) == 60
    assert max(map(len, many)) < 320


def test_ports_of_another_shape_are_none() -> None:
    for odd in (8080, "8080/tcp", ["8080/tcp"], None):
        assert described({"config": {"ExposedPorts": odd}}) == ["platform=None/None"]


def measured(name: str = "web-1", cpu: object = "99500000n", memory: object = "65536Ki") -> dict[str, Any]:
    return {"metadata": {"name": name}, "containers": [{"name": "web", "usage": {"cpu": cpu, "memory": memory}}]}


class Metrics(ScriptedCluster):
    """A cluster that serves measurements, or fails in their place."""

    def __init__(self, answer: object) -> None:
        super().__init__(deployment())
        self.answer = answer

    async def send(self, method: str, path: str, *, query: Query | None = None, **_: Any) -> bytes:
        self.requests.append((path, str((query or {}).get("labelSelector"))))
        if isinstance(self.answer, Exception):
            raise self.answer
        return orjson.dumps(self.answer)


async def usage(cluster: Metrics, answers: Answers | None = None, *, seconds_later: float = 0) -> Evidence:
    taken = evidence(snapshot(deployment(), [replica_set()], [pod()]))
    taken = msgspec.structs.replace(taken, taken_at=NOW + timedelta(seconds=seconds_later))
    return await (answers or Answers(Reader(cluster))).answer(taken, [USAGE])


async def test_usage_is_a_line_for_each_container_of_the_subjects_own_pods() -> None:
    cluster = Metrics({"items": [measured(), measured("a-neighbour")], "metadata": {}})
    found = await usage(cluster)
    assert found.answers == {USAGE.key: ("web-1 web cpu=100m memory=64Mi",)}
    assert cluster.requests == [(f"/apis/metrics.k8s.io/v1beta1/namespaces/{NAMESPACE}/pods", "app=web")]


@pytest.mark.parametrize(
    "odd",
    [
        measured(cpu="lots"),
        measured(cpu="-1"),
        measured(memory=None),
        measured() | {"containers": [{"name": "web\nweb-1", "usage": {"cpu": "1", "memory": "1Mi"}}]},
        measured() | {"containers": None},
        {"metadata": {"name": {}}},
        {},
    ],
)
async def test_what_is_no_measurement_is_left_out(odd: dict[str, Any]) -> None:
    assert (await usage(Metrics({"items": [odd], "metadata": {}}))).answers == {USAGE.key: ()}


@pytest.mark.parametrize("answer", [{"items": 7}, {"items": ["web-1"]}, NotFound("no such kind", code=404)])
async def test_without_a_metrics_api_usage_is_unread(answer: object) -> None:
    found = await usage(Metrics(answer))
    assert (found.answers, len(found.unread)) == ({USAGE.key: ()}, 1)


async def test_metrics_that_were_refused_are_not_asked_for_again_for_a_while() -> None:
    cluster = Metrics(Forbidden("pods.metrics.k8s.io is forbidden", code=403))
    answers = Answers(Reader(cluster))
    said = [(await usage(cluster, answers, seconds_later=seconds)).unread for seconds in (0, 1, 599)]
    assert len(cluster.requests) == 1
    assert {line for (line,) in said} == {f"{USAGE.key}: {NO_METRICS}"}
    cluster.answer = {"items": [measured()], "metadata": {}}  # the role has been granted meanwhile
    found = await usage(cluster, answers, seconds_later=600)
    assert found.answers == {USAGE.key: ("web-1 web cpu=100m memory=64Mi",)}


async def test_usage_is_cut_by_pods_those_that_fail_first_and_never_within_one() -> None:
    names = [f"web-{number}" for number in range(90)]
    pods = [pod(name=name, ready=number < 45) for number, name in enumerate(names)]
    each = [{"name": one, "usage": {"cpu": "1", "memory": "1Mi"}} for one in ("web", "proxy")]
    items = [{"metadata": {"name": name}, "containers": each} for name in names]
    cluster = Metrics({"items": items, "metadata": {}})
    taken = await Answers(Reader(cluster)).answer(evidence(snapshot(deployment(), [replica_set()], pods)), [USAGE])
    told = [line.split()[:2] for line in taken.answers[USAGE.key]]
    assert told == [[name, one] for name in (*names[45:], *names[:15]) for one in ("web", "proxy")]
