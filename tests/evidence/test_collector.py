"""What is read of the cluster for one decision, and that it is masked before anybody sees it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evidence.collector import Collector, SubjectGone
from evidence.image_index import ImageIndex, with_mark
from evidence.snapshots import read_snapshot, selector_text
from incidents.codec import encode
from incidents.evidence import Want, WantKind
from incidents.health import State
from incidents.objects import reference
from incidents.subjects import subject_at
from incidents.symptoms import Symptom
from tests.builders import (
    NOW,
    container,
    deployment,
    pod,
    replica_set,
    running,
    subject,
    template,
    waiting,
)
from tests.remediation.scripted import ScriptedCluster
from tools.cluster.reader import Reader
from tools.store.sqlite import open_store

Now = Callable[[], Any]


def collector(cluster: ScriptedCluster) -> Collector:
    return Collector(Reader(cluster), now=lambda: NOW)


async def test_only_pods_and_replica_sets_that_are_really_owned_are_read() -> None:
    forged = pod(name="forged")
    forged["metadata"]["ownerReferences"][0]["uid"] = "guessed"
    stranger = replica_set(number=9, owner="somebody-else")
    cluster = ScriptedCluster(deployment(), replica_set(), stranger, pod(), forged)
    taken = await read_snapshot(Reader(cluster), reference(deployment()), now=NOW)
    assert taken is not None
    assert [item["metadata"]["name"] for item in taken.replica_sets] == ["web-h2"]
    assert [item["metadata"]["name"] for item in taken.pods] == ["web-1"]


async def test_an_object_of_the_same_name_with_another_uid_is_not_the_subject() -> None:
    other = deployment()
    other["metadata"]["uid"] = "another"
    with pytest.raises(SubjectGone):
        await collector(ScriptedCluster(other)).collect(subject(), good=frozenset())


async def test_no_secret_of_the_objects_and_messages_is_in_the_evidence() -> None:
    web = template(container(env=[{"name": "DB_PASSWORD", "value": "hunter2"}], args=["--token=hunter2"]))
    new = replica_set(web)
    said = 'exec: "/app --password=hunter2": no such file or directory'
    cluster = ScriptedCluster(deployment(web), new, pod(waiting("RunContainerError", said), of=new))
    evidence = await collector(cluster).collect(subject(), good=frozenset())
    assert evidence.health.findings
    assert "hunter2" not in encode(evidence)


async def test_what_cannot_be_read_is_named_and_is_no_error() -> None:
    cluster = ScriptedCluster(deployment(), replica_set(), pod(waiting("CrashLoopBackOff")))
    evidence = await collector(cluster).collect(subject(), good=frozenset())
    assert any("log of web in web-1" in gap for gap in evidence.unread)


async def test_a_pod_that_is_ready_between_two_crashes_makes_no_revision_good() -> None:
    last = {"reason": "Error", "exitCode": 1, "finishedAt": "2026-11-21T11:59:55Z"}
    flapping = pod(running(restarts=3, last=last), ready=True)
    evidence = await collector(ScriptedCluster(deployment(), replica_set(), flapping)).collect(
        subject(), good=frozenset()
    )
    assert [revision.good for revision in evidence.revisions] == [False]


async def test_an_older_revision_that_crashes_on_is_no_good_one_either() -> None:
    last = {"reason": "Error", "exitCode": 1, "finishedAt": "2026-11-21T11:59:55Z"}
    old = replica_set(template(container(image="nginx:1.0")), number=1)
    flapping = pod(running(restarts=3, last=last), ready=True, name="old", of=old)
    new = replica_set(number=2)
    cluster = ScriptedCluster(deployment(), old, new, flapping, pod(name="new", of=new))
    evidence = await collector(cluster).collect(subject(), good=frozenset())
    assert evidence.last_good is None


async def test_other_namespaces_lend_tags_of_the_same_repository_and_nothing_else() -> None:
    elsewhere = pod(name="elsewhere")
    elsewhere["metadata"]["namespace"] = "other"
    elsewhere["spec"] = {
        "containers": [container(image="nginx:1.27-alpine"), container(image="evil/nginx:1.27-alpine")]
    }
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "n", "uid": "n"},
        "status": {"images": [{"names": ["docker.io/library/nginx:1.25", "redis:7"]}, {}]},
    }
    cluster = ScriptedCluster(deployment(), replica_set(), elsewhere, node)
    evidence = await collector(cluster).collect(subject(), good=frozenset())
    want = Want(WantKind.KNOWN_IMAGES, "nginx")
    answered = await collector(cluster).answer(evidence, [want, Want(WantKind.IMAGE_TAGS, "nginx")])
    assert answered.answers[want.key] == ("docker.io/library/nginx:1.25", "nginx:1.27-alpine")
    assert answered.answers["image-tags:nginx"] == ()


@pytest.mark.parametrize(
    ("selector", "text"),
    [
        ({"matchLabels": {"app": "web", "tier": "a"}}, "app=web,tier=a"),
        ({"matchExpressions": [{"key": "t", "operator": "In", "values": ["a", "b"]}]}, "t in (a,b)"),
        ({"matchExpressions": [{"key": "t", "operator": "NotIn", "values": ["a"]}]}, "t notin (a)"),
        ({"matchExpressions": [{"key": "t", "operator": "Exists"}, {"key": "u", "operator": "DoesNotExist"}]}, "t,!u"),
    ],
    ids=str,
)
def test_a_selector_becomes_the_query_parameter(selector: dict[str, Any], text: str) -> None:
    assert selector_text(selector) == text


async def test_a_node_is_a_case_with_its_manifest_what_it_says_and_what_it_explains() -> None:
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "node-1", "uid": "uid-node", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "status": {"conditions": [{"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown"}]},
    }
    broken = subject_at(reference(node), cluster=subject().cluster)
    evidence = await collector(ScriptedCluster(node)).collect(broken, good=frozenset(), explained=[subject()])
    assert evidence.snapshot.workload["metadata"]["name"] == "node-1"
    assert [finding.symptom for finding in evidence.health.findings] == [Symptom.NODE_NOT_READY] * 2
    assert evidence.affects == ("deployment/web in shop",)


async def test_a_quota_fails_for_as_long_as_it_explains_anything() -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "small", "namespace": "shop", "uid": "q"},
    }
    small = subject_at(reference(quota), cluster=subject().cluster)
    states = [
        (await collector(ScriptedCluster(quota)).collect(small, good=frozenset(), explained=some)).health.state
        for some in ([subject()], [])
    ]
    assert states == [State.FAILING, State.WELL]


async def test_the_index_of_the_sweep_saves_the_list_of_all_pods(tmp_path: Path) -> None:
    cluster = ScriptedCluster(deployment(), replica_set(), pod())
    async with open_store(tmp_path / "store.sqlite", now=lambda: NOW) as store:
        indexed = Collector(Reader(cluster), now=lambda: NOW, images=ImageIndex(store, subject().cluster))
        evidence = await indexed.collect(subject(), good=frozenset())
        want = Want(WantKind.KNOWN_IMAGES, "nginx")
        await store.record_images(subject().cluster, with_mark({"docker.io/library/nginx": ["nginx:1.26"]}))
        before = len(cluster.requests)
        answered = await indexed.answer(evidence, [want])
        assert answered.answers[want.key] == ("nginx:1.26",)
        assert len(cluster.requests) == before


async def test_a_state_that_was_read_just_now_is_not_read_again() -> None:
    cluster = ScriptedCluster(deployment(ready=0), replica_set(), pod(waiting("ImagePullBackOff")))
    reading = await read_snapshot(Reader(cluster), reference(deployment()), now=NOW)
    anew = await collector(cluster).collect(subject(), good=frozenset())
    cluster.requests.clear()
    handed_on = await collector(cluster).collect(subject(), good=frozenset(), reading=reading)
    assert handed_on == anew
    assert [path for _, path in cluster.requests if not path.endswith(("/events", "/log"))] == []
