"""The rights that are shipped, what the policy would change by them, and what ``doctor`` asks for, are one list."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from app.settings import load_settings
from cli import doctor, rights
from incidents.allowed import ALLOWED, CREATED, RECREATED, WITH_APPROVAL
from incidents.objects import AROUND_WORKLOADS, SERVICE_ACCOUNT, WORKLOADS
from tests.world import USER, World, clean_environment, world
from tools.cluster.own_objects import OwnObjects, Permission

__all__ = ["clean_environment", "world"]

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
KINDS = {**WORKLOADS, **AROUND_WORKLOADS, SERVICE_ACCOUNT.kind: SERVICE_ACCOUNT}


def granted(files: Iterable[Path], role: str = "") -> set[Permission]:
    """By the roles of these files, or by the one of that name; a subresource apart from what it is of."""
    documents = [item for file in files for item in yaml.safe_load_all(file.read_text())]
    return {
        Permission(verb, group, part, of_it, _where(item, rule), name)
        for item in documents
        if item.get("kind") in ("ClusterRole", "Role") and item["metadata"]["name"].endswith(role)
        for rule in item["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for part, _, of_it in [resource.partition("/")]
        for verb in rule["verbs"]
        for name in rule.get("resourceNames", [""])
    }


def _where(role: dict[str, Any], rule: dict[str, Any]) -> str:
    """The namespace of a role that has one; one namespace by its name is in itself."""
    itself = rule["resourceNames"][0] if rule["resources"] == ["namespaces"] else ""
    return str(role["metadata"].get("namespace", itself))


def right(verb: str, kind: str) -> Permission:
    """The right to do that to objects of the kind."""
    meant = KINDS[kind]
    group, _, _ = meant.api_version.rpartition("/")
    return Permission(verb, group, meant.plural)


@pytest.fixture(scope="module")
def shipped() -> set[Permission]:
    return granted([DEPLOY / "rbac.yaml"])


def test_whatever_the_policy_may_change_the_shipped_rights_let_it_change(shipped: set[Permission]) -> None:
    wanted = {right("patch", kind) for kind in {*ALLOWED, *WITH_APPROVAL}}
    wanted |= {right(verb, kind) for kind in RECREATED for verb in ("create", "delete")}
    assert wanted - shipped == set()


def test_what_is_created_where_it_is_missing_has_an_optional_role() -> None:
    assert {right("create", kind) for kind in CREATED} <= granted(DEPLOY.glob("*.yaml"))


@pytest.mark.parametrize(
    ("roles", "asked"),
    [
        (("read",), {*rights.READ, *rights.OWNERS, rights.CLUSTER_ID}),
        (("repair",), {*rights.REPAIR}),
        (("anew", "nodes", "volumes"), {*rights.MORE, Permission("delete", "", "pods")}),
        (("lease",), {*rights.lease("k8s-auto-fixer")}),
    ],
    ids=["read", "repair", "anew, nodes and volumes", "lease"],
)
def test_doctor_asks_for_every_right_that_is_shipped_and_for_no_other(
    roles: tuple[str, ...], asked: set[Permission]
) -> None:
    assert {one for role in roles for one in granted([DEPLOY / "rbac.yaml"], f"-{role}")} == asked


def test_no_role_is_shipped_that_doctor_does_not_know(shipped: set[Permission]) -> None:
    asked = {*rights.READ, *rights.OWNERS, rights.CLUSTER_ID, *rights.REPAIR, *rights.MORE}
    assert shipped == asked | {*rights.lease("k8s-auto-fixer")}


async def test_doctor_says_of_each_right_whether_it_has_it(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    folder = world.folder
    kubeconfig = world.cluster.write_kubeconfig(folder / "kubeconfig", user=USER)
    settings = load_settings(kubeconfig=kubeconfig, store=folder / "store.sqlite")
    assert await doctor.examine(settings) == 0
    shown = capsys.readouterr().out.splitlines()
    for one in (*rights.READ, *rights.OWNERS, *rights.REPAIR, *rights.MORE, *rights.lease("k8s-auto-fixer")):
        assert any(str(one) in line and "not" not in line and "permitted" in line for line in shown), one


async def test_doctor_tells_what_is_not_seen_without_the_rights_to_what_a_cluster_may_not_have(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def allowed(_: OwnObjects, permission: Permission) -> bool:
        return msgspec.structs.replace(permission, namespace="") not in rights.OWNERS

    monkeypatch.setattr(OwnObjects, "allowed", allowed)
    kubeconfig = world.cluster.write_kubeconfig(world.folder / "kubeconfig", user=USER)
    settings = load_settings(kubeconfig=kubeconfig, store=world.folder / "store.sqlite")
    assert await doctor.examine(settings) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for one, then in (
        (rights.ARGO, "Argo CD marks is left alone"),
        (rights.VERTICAL, "no VerticalPodAutoscaler is seen"),
    ):
        for asked in one:
            told = shown.partition(f"{asked} not permitted")[2].split("not permitted")[0]
            assert then in told
    assert shown.count("left alone") == len(rights.ARGO)
