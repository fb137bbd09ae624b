"""The rights that are shipped, what the policy would change by them, and what ``doctor`` asks for, are one list."""

from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml

from cli import doctor
from incidents.allowed import ALLOWED, CREATED, RECREATED, WITH_APPROVAL
from incidents.objects import AROUND_WORKLOADS, SERVICE_ACCOUNT, WORKLOADS
from tools.cluster.own_objects import Permission

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
KINDS = {**WORKLOADS, **AROUND_WORKLOADS, SERVICE_ACCOUNT.kind: SERVICE_ACCOUNT}
NOT_EVERYWHERE = {"applications", "verticalpodautoscalers"}  # of programs that a cluster may not have
ONE_OBJECT = {"namespaces"}  # by name; asking for all of them would be asking for more


def granted(files: Iterable[Path]) -> set[Permission]:
    """By the ClusterRoles of these files; a subresource apart from what it is of."""
    documents = [item for file in files for item in yaml.safe_load_all(file.read_text())]
    return {
        Permission(verb, group, resource.partition("/")[0], resource.partition("/")[2])
        for item in documents
        if item.get("kind") == "ClusterRole"
        for rule in item["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def right(verb: str, kind: str) -> Permission:
    """The right to do that to objects of the kind."""
    meant = KINDS[kind]
    group, _, _ = meant.api_version.rpartition("/")
    return Permission(verb, group, meant.plural)


@pytest.fixture(scope="module")
def shipped() -> set[Permission]:
    return granted([DEPLOY / "rbac.yaml"])


@pytest.fixture(scope="module")
def asked() -> set[Permission]:
    return {*doctor._READ, *doctor._WRITE, *doctor._MORE}


def test_whatever_the_policy_may_change_the_shipped_rights_let_it_change(shipped: set[Permission]) -> None:
    wanted = {right("patch", kind) for kind in {*ALLOWED, *WITH_APPROVAL}}
    wanted |= {right(verb, kind) for kind in RECREATED for verb in ("create", "delete")}
    assert wanted - shipped == set()


def test_what_is_created_where_it_is_missing_has_an_optional_role() -> None:
    assert {right("create", kind) for kind in CREATED} <= granted(DEPLOY.glob("*.yaml"))


def test_doctor_asks_for_nothing_that_is_not_shipped(shipped: set[Permission], asked: set[Permission]) -> None:
    assert asked - shipped == set()


def test_doctor_asks_for_every_right_to_write_and_for_every_kind_that_is_read(
    shipped: set[Permission], asked: set[Permission]
) -> None:
    reads = {"get", "list", "watch"}
    assert {one for one in shipped if one.verb not in reads} - asked == set()
    kinds = {(one.group, one.resource, one.subresource) for one in shipped if one.verb in reads}
    left = kinds - {(one.group, one.resource, one.subresource) for one in asked}
    assert {resource for _, resource, _ in left} == NOT_EVERYWHERE | ONE_OBJECT
