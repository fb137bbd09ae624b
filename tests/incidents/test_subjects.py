"""Who is believed to own whom, and what an incident is about."""

from typing import Any

import pytest

from incidents.objects import ClusterId, selects
from incidents.subjects import owns, subject_of
from tests.builders import deployment, owned_by, pod, replica_set

CLUSTER = ClusterId("c")


def test_the_topmost_believed_workload_is_the_subject() -> None:
    found = subject_of([pod(), replica_set(), deployment()], cluster=CLUSTER)
    assert found is not None
    assert (found.kind, found.name, found.key) == ("Deployment", "web", "c/uid-web")


def test_a_replica_set_is_passed_through_and_never_a_subject() -> None:
    found = subject_of([pod(), replica_set()], cluster=CLUSTER)
    assert found is not None
    assert found.kind == "Pod"
    assert subject_of([replica_set()], cluster=CLUSTER) is None


def test_an_unknown_controller_above_is_kept_as_the_manager() -> None:
    found = subject_of([deployment()], cluster=CLUSTER, manager="App/shop")
    assert found is not None
    assert found.manager == "App/shop"


def test_two_subjects_of_one_name_are_told_apart_by_uid() -> None:
    second = deployment()
    second["metadata"]["uid"] = "uid-second"
    one, other = (subject_of([item], cluster=CLUSTER) for item in (deployment(), second))
    assert one is not None
    assert other is not None
    assert one.key != other.key


def test_an_owner_with_uid_namespace_and_selector_is_believed() -> None:
    assert owns(deployment(), replica_set())
    assert owns(replica_set(), pod())


@pytest.mark.parametrize(
    "forge",
    [
        {"uid": "guessed"},
        {"controller": False},
        {"controller": None},
        {"uid": None},
    ],
    ids=str,
)
def test_a_forged_owner_reference_gains_nothing(forge: dict[str, Any]) -> None:
    forged = replica_set()
    forged["metadata"]["ownerReferences"] = [{**owned_by("Deployment", "web", "uid-web"), **forge}]
    assert not owns(deployment(), forged)


def test_an_owner_in_another_namespace_is_not_believed() -> None:
    forged = replica_set()
    forged["metadata"]["namespace"] = "attacker"
    assert not owns(deployment(), forged)


def test_an_owner_whose_selector_does_not_match_is_not_believed() -> None:
    forged = replica_set()
    forged["metadata"]["labels"] = {"app": "other"}
    assert not owns(deployment(), forged)


def test_an_empty_selector_is_no_evidence_of_owning() -> None:
    everything = deployment()
    everything["spec"]["selector"] = {}
    assert not owns(everything, replica_set())


def test_a_cron_job_is_believed_by_uid_and_namespace_alone() -> None:
    cron = {"kind": "CronJob", "metadata": {"uid": "u", "namespace": "shop"}, "spec": {}}
    job = {"metadata": {"namespace": "shop", "ownerReferences": [owned_by("CronJob", "c", "u", "batch/v1")]}}
    assert owns(cron, job)


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ({"key": "tier", "operator": "In", "values": ["a", "b"]}, True),
        ({"key": "tier", "operator": "In", "values": ["b"]}, False),
        ({"key": "tier", "operator": "NotIn", "values": ["b"]}, True),
        ({"key": "tier", "operator": "NotIn", "values": ["a"]}, False),
        ({"key": "tier", "operator": "Exists"}, True),
        ({"key": "none", "operator": "Exists"}, False),
        ({"key": "none", "operator": "DoesNotExist"}, True),
        ({"key": "tier", "operator": "DoesNotExist"}, False),
        ({"key": "tier", "operator": "Resembles"}, False),
    ],
    ids=str,
)
def test_selector_expressions_mean_what_they_mean_in_kubernetes(expression: dict[str, Any], holds: bool) -> None:
    assert selects({"matchExpressions": [expression]}, {"tier": "a"}) is holds
