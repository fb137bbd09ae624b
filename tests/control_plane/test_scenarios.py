"""A scenario of each family on the real control plane: the installed program, the shipped rights, nothing sped up.

Which ones is drawn by the commit (`make prove` runs them all). They run once, side by side, and each test looks at
that one run. The same scenarios then run on the embedded cluster: where the two differ, the embedded one is wrong.
What is missed on either side is played once more, for a machine that has other things to do; what is harmed never is.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from incidents.incident import Incident, Outcome
from simulator.judge import judge
from simulator.resources import DEPLOYMENTS, EVENTS
from simulator.scenario import Scenario, apply_break, apply_setup, load_scenario, load_scenarios, settled
from tests.prove.agreement import disagreements
from tests.prove.embedded import run_embedded
from tests.prove.real import NODES, RealRun, admin_of, asking_for_tags, clear, run_real
from tests.prove.results import Result
from tests.prove.sample import one_per_family, seed
from tests.scenario_runs import eventually
from tools.store.sqlite import open_store

from .harness import ControlPlane
from .program import NAME, OPTIONAL, RBAC, USER, WRITES, Program, requests_of

pytestmark = pytest.mark.control_plane

_HANDED_OVER = ("escalated", "rolled_back")
_NOT_REPAIRED = 9  # as cli/failures.py has it
_STATE_SECONDS = 180.0  # a few are usual
_ITS_OWN = {("leases", NAME), ("selfsubjectaccessreviews", "")}
_SCENARIOS = {scenario.name: scenario for scenario in one_per_family(load_scenarios(), seed=seed())}
each_scenario = pytest.mark.parametrize("scenario", _SCENARIOS.values(), ids=_SCENARIOS.keys())


@pytest.fixture(scope="module")
def program(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Program:
    kubelet = control_plane.start_kubelet(nodes=NODES)
    return Program(control_plane, tmp_path_factory.mktemp("program"), settings=asking_for_tags(kubelet))


@pytest.fixture(scope="module")
def real(control_plane: ControlPlane, program: Program) -> RealRun:
    run = asyncio.run(run_real(list(_SCENARIOS.values()), control_plane=control_plane, program=program))
    _print(run)
    return run


@pytest.fixture(scope="module")
def ended(
    control_plane: ControlPlane, program: Program, real: RealRun, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Result]:
    """Of each scenario how it ended on the real side, by its second run if it was missed in the first."""
    missed = [_SCENARIOS[item.scenario] for item in real.results if item.failures and not item.harms]
    if not missed:
        return {item.scenario: item for item in real.results}
    other = Program(control_plane, tmp_path_factory.mktemp("again"), settings=program.settings)
    again = asyncio.run(run_real(missed, control_plane=control_plane, program=other))
    _print(again)
    return {item.scenario: item for item in [*real.results, *again.results]}


@pytest.fixture(scope="module")
def embedded(ended: Mapping[str, Result]) -> Mapping[str, Result]:
    """After the real run: it would take that one's processor time."""

    def played(scenarios: list[Scenario]) -> dict[str, Result]:
        return {item.scenario: item for item in asyncio.run(run_embedded(scenarios))}

    first = played(list(_SCENARIOS.values()))
    missed = [
        scenario
        for name, scenario in _SCENARIOS.items()
        if not first[name].harms and (first[name].failures or disagreements(scenario, first[name], ended[name]))
    ]
    return first | played(missed) if missed else first


def _print(run: RealRun) -> None:
    """What a person wants to know of a run that took minutes (`pytest -s`, or when a test has failed)."""
    for result in run.results:
        namespace = _SCENARIOS[result.scenario].namespace
        asked = [request for request in run.own if request.namespace == namespace]
        written = [request.dry_run for request in asked if request.verb in WRITES]
        print(
            f"{result.scenario:20} {result.outcome:12} {result.seconds:6.1f} s  {len(asked):4} requests, "
            f"{written.count(True)} dry runs, {written.count(False)} changes; {result.warnings}"
        )
    print(f"all: {run.played.seconds:.1f} s, {len(run.own)} requests of the program")


async def _incidents_of(path: Path) -> list[Incident]:
    async with open_store(path, now=lambda: datetime.now(UTC)) as store:
        return await store.incidents()


@each_scenario
def test_every_scenario_ends_as_expected_and_unharmed(ended: Mapping[str, Result], scenario: Scenario) -> None:
    assert ended[scenario.name].failures == ()


def test_nothing_was_harmed(real: RealRun) -> None:
    assert real.harms == []
    seen = judge(real.played.before, real.played.after, real.requests, user=USER, scenarios=[])
    assert {harm.rule for harm in seen} >= {"foreign-write", "field"}, "the judge sees what it changed"


def test_every_write_of_it_carries_a_change_id(real: RealRun) -> None:
    writes = [request for request in real.own if request.verb in WRITES]
    changes = [request for request in writes if (request.resource, request.namespace) not in _ITS_OWN]
    assert ("leases", NAME) in {(request.resource, request.namespace) for request in writes}
    assert {request.dry_run for request in changes} == {True, False}
    assert [request for request in changes if " change/" not in request.user_agent] == []
    made = {(request.verb, request.resource) for request in changes}
    assert ("patch", "deployments") in made
    assert made <= _granted_writes()


def test_every_change_was_rehearsed_under_its_own_id(real: RealRun) -> None:
    """An undo is the exception: its inverse comes from what the server has stored, and its tests guard it."""
    patches = [request for request in real.own if request.verb == "patch"]
    rehearsed = [request.user_agent for request in patches if request.dry_run]
    landed = {request.user_agent for request in patches if not request.dry_run}
    assert landed
    assert landed <= set(rehearsed)
    assert len(rehearsed) == len(set(rehearsed))


def _granted_writes() -> set[tuple[str, str]]:
    """By verb and resource, what the shipped rights let it change."""
    return {(verb, resource) for verb, resource in _rights_in(RBAC) if verb not in ("get", "list", "watch")}


def _rights_in(path: Path) -> set[tuple[str, str]]:
    roles = [item for item in yaml.safe_load_all(path.read_text()) if item["kind"] in ("Role", "ClusterRole")]
    rules = [rule for role in roles for rule in role["rules"]]
    return {(verb, resource) for rule in rules for resource in rule["resources"] for verb in rule["verbs"]}


def test_it_never_asked_for_a_secret(real: RealRun) -> None:
    assert [request for request in real.own if "secrets" in request.path] == []


def test_no_request_of_it_was_refused_but_for_what_an_optional_role_grants(real: RealRun) -> None:
    """Whether it has such a role it learns by asking, once a repair needs it."""
    may_be_granted = {right for path in OPTIONAL for right in _rights_in(path)}
    refused = [request for request in real.own if request.code in (401, 403)]
    assert [request for request in refused if (request.verb, request.resource) not in may_be_granted] == []


def test_nothing_it_did_went_wrong_unseen(real: RealRun, program: Program) -> None:
    logged = program.logged()
    undone = {"change.undone"} if any(item.outcome == "rolled_back" for item in real.results) else set()
    assert {line["event"] for line in logged} >= {"daemon.watching", "incident.ended"} | undone
    assert [line for line in logged if line["level"] != "info"] == []


def test_sigterm_ends_it_within_ten_seconds_and_with_exit_code_0(real: RealRun, program: Program) -> None:
    assert program.exit_code == 0  # killed after ten seconds, it would be -9


def test_a_message_went_out_for_each_handed_over_incident_and_no_other(real: RealRun, program: Program) -> None:
    """One each, and one more only of those that have healed since: that it is over; and one for each question."""
    messages = [json.loads(line) for line in program.notices.read_text().splitlines()]
    sent = [item["incident"] for item in messages if item["key"].endswith("/handed-over")]
    over = [item["incident"] for item in messages if item["key"].endswith("/closed")]
    asked = [item["key"] for item in messages if "/request/" in item["key"]]
    incidents = asyncio.run(_incidents_of(program.store))  # all of them: some are found while others take minutes
    handed_over = [item for item in incidents if item.outcome in (Outcome.ESCALATED, Outcome.ROLLED_BACK)]
    told = [item.id for item in handed_over if item.caused_by is None]  # its cause's message tells of the others
    assert sorted(sent) == sorted(told)
    ended = {_SCENARIOS[item.scenario].namespace for item in real.results if item.outcome in _HANDED_OVER}
    assert ended <= {item.subject.namespace for item in handed_over}
    assert len(messages) == len(sent) + len(over) + len(asked)
    assert len(asked) == len(set(asked))
    assert set(over) <= set(told)
    assert len(over) == len(set(over))


@each_scenario
def test_the_embedded_cluster_agrees(
    ended: Mapping[str, Result], embedded: Mapping[str, Result], scenario: Scenario
) -> None:
    here = embedded[scenario.name]
    assert here.failures == ()
    assert disagreements(scenario, here, ended[scenario.name]) == ()


# --- one pass, in a mode that changes nothing


@pytest.fixture(scope="module")
def suggested(control_plane: ControlPlane) -> Iterator[Scenario]:
    """The image typo once more, in a namespace of its own, after the daemon has gone."""
    typo = load_scenario("image-typo")
    namespace = "shop-suggest"
    setup = tuple(item | {"metadata": item["metadata"] | {"namespace": namespace}} for item in typo.setup)
    scenario = replace(typo, namespace=namespace, setup=setup)
    asyncio.run(_break(control_plane, scenario))
    yield scenario
    asyncio.run(_clear(control_plane, scenario))


async def _break(control_plane: ControlPlane, scenario: Scenario) -> None:
    async with admin_of(control_plane) as admin:

        async def warned_of() -> bool:
            found = await admin.list(EVENTS, scenario.namespace, field_selector="type=Warning")
            return bool(found["items"])

        await apply_setup(admin, scenario)
        await eventually(lambda: settled(admin, scenario), seconds=_STATE_SECONDS)
        await apply_break(admin, scenario)
        await eventually(warned_of, seconds=_STATE_SECONDS)


async def _clear(control_plane: ControlPlane, scenario: Scenario) -> None:
    async with admin_of(control_plane) as admin:
        await clear(admin, [scenario])


def _stands(control_plane: ControlPlane, scenario: Scenario) -> dict[str, Any]:
    """What of the Deployment only a write changes."""
    live = control_plane.request("GET", DEPLOYMENTS.path(scenario.namespace, "web")).json()
    metadata = live["metadata"]
    return {"spec": live["spec"], "generation": metadata["generation"], "annotations": metadata["annotations"]}


def test_fix_in_suggest_mode_shows_the_change_and_makes_none(
    real: RealRun, control_plane: ControlPlane, program: Program, suggested: Scenario, tmp_path: Path
) -> None:
    before = _stands(control_plane, suggested)
    done = program.once("fix", "deployment/web", "--namespace", suggested.namespace, store=tmp_path / "store.sqlite")

    assert done.returncode == _NOT_REPAIRED, done.stderr
    assert "/spec/template/spec/containers/0/image" in done.stdout
    assert "- nginx:1.27-alpnie" in done.stdout
    assert "+ nginx:1.27-alpine" in done.stdout
    assert _stands(control_plane, suggested) == before
    asked = requests_of(control_plane.audit_events())
    wrote = [item for item in asked if (item.user, item.namespace) == (USER, suggested.namespace)]
    wrote = [item for item in wrote if item.verb in WRITES]
    assert [(item.verb, item.resource, item.dry_run, item.code) for item in wrote] == [
        ("patch", "deployments", True, 200)
    ]
    assert " change/" in wrote[0].user_agent


# --- the rights


def test_doctor_finds_everything_permitted_under_the_shipped_rights(program: Program) -> None:
    done = program.once("doctor", "--mode", "auto")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "not permitted" not in done.stdout


@pytest.mark.parametrize(
    ("verb", "group", "resource", "namespace"),
    [
        pytest.param("get", "", "secrets", "shop-front", id="read a secret"),
        pytest.param("create", "", "pods/exec", "shop-front", id="run something in a pod"),
        pytest.param("delete", "apps", "deployments", "shop-front", id="delete a workload"),
        pytest.param("update", "apps", "deployments/scale", "shop-front", id="scale a workload"),
        pytest.param("patch", "", "configmaps", "shop-front", id="change configuration"),
        pytest.param("delete", "apps", "replicasets", "shop-front", id="delete a history"),
        pytest.param("delete", "", "nodes", "", id="delete a node"),
        pytest.param("get", "", "namespaces", "", id="read another namespace"),
        pytest.param("get", "coordination.k8s.io", "leases", "kube-system", id="read the lease of another"),
        pytest.param("delete", "coordination.k8s.io", "leases", NAME, id="delete its lease"),
        pytest.param("patch", "rbac.authorization.k8s.io", "clusterroles", "", id="change its rights"),
    ],
)
def test_the_shipped_rights_do_not_let_it(
    control_plane: ControlPlane, program: Program, verb: str, group: str, resource: str, namespace: str
) -> None:
    name, _, subresource = resource.partition("/")
    wanted = {"verb": verb, "group": group, "resource": name, "subresource": subresource, "namespace": namespace}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": wanted},
    }
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    answer = control_plane.request("POST", path, body, token=program.token).json()
    assert answer["status"]["allowed"] is False


def test_the_shipped_rights_name_every_verb_and_resource() -> None:
    roles = [item for item in yaml.safe_load_all(RBAC.read_text()) if item["kind"] in ("Role", "ClusterRole")]
    rules = [rule for role in roles for rule in role["rules"]]
    assert [rule for rule in rules if "*" in {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}] == []
    assert not {verb for verb, _ in _granted_writes()} & {"deletecollection", "escalate", "bind", "impersonate"}
    assert not {resource for _, resource in _granted_writes()} & {"secrets", "clusterroles", "roles", "namespaces"}
