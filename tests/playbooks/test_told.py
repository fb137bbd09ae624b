"""Families that only tell: what the API server refused, closed networks, nodes that are gone, Jobs that failed."""

import json
import shlex
from typing import Any

import msgspec
import pytest

from incidents.evidence import Evidence
from incidents.health import Finding
from incidents.proposals import Needs, Opinion, SetField, Silent
from incidents.symptoms import Symptom
from playbooks import jobs, network, node, permissions
from playbooks.confidence import SUGGESTED
from tests.builders import container, deployment, ended, evidence, pod, replica_set, snapshot, template, waiting

Object = dict[str, Any]
REFUSED = (
    'services is forbidden: User "system:serviceaccount:shop:web" cannot list resource "services" in API group "" '
    'in the namespace "shop"'
)
LOOKUP = "fatal: lookup api.example: i/o timeout"


def crashing(log: str, *, listed: dict[str, list[Object]] | None = None, **spec: Any) -> Evidence:
    present = template(container(), **spec)
    new = replica_set(present)
    crashes = pod(waiting("CrashLoopBackOff", "back-off", restarts=3, last=ended()), of=new)
    return evidence(snapshot(deployment(present), [new], [crashes]), log=log, objects=listed)


def cause(answer: Silent | Needs | Opinion) -> str:
    assert isinstance(answer, Silent), answer
    assert answer.diagnosis is not None, answer
    return answer.diagnosis.cause


class TestPermissions:
    def granted(self, verb: str = "", *, to: str = "web", role: str = "reader") -> dict[str, list[Object]]:
        """A Role with one verb on Services, and its binding; none at all without a verb."""
        rules = [{"apiGroups": [""], "resources": ["services"], "verbs": [verb]}]
        binding = {
            "metadata": {"name": "bound"},
            "roleRef": {"kind": "Role", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": to, "namespace": "shop"}],
        }
        if not verb:
            return {"Role": [], "RoleBinding": []}
        return {"Role": [{"metadata": {"name": "reader"}, "rules": rules}], "RoleBinding": [binding]}

    @pytest.mark.parametrize(
        ("verb", "fields", "said"),
        [
            ("list", {"to": "default"}, "gives the Role reader, which allows it, to ServiceAccount default"),
            ("get", {}, "gives it the Role reader, which has no such rule"),
            ("list", {"role": "raeder"}, "gives it the Role raeder, which does not exist"),
            ("list", {}, "in namespace shop"),
            ("get", {"to": "default"}, "in namespace shop"),
        ],
    )
    def test_the_binding_that_has_to_do_with_it_is_named(self, verb: str, fields: dict[str, str], said: str) -> None:
        taken = crashing(REFUSED, listed=self.granted(verb, **fields), serviceAccountName="web")
        assert cause(permissions.consider(taken, ())).endswith(said)

    def test_who_was_refused_what_is_told_with_the_smallest_rule(self) -> None:
        assert isinstance(permissions.consider(crashing(REFUSED, serviceAccountName="web"), ()), Needs)
        answer = permissions.consider(crashing(REFUSED, listed=self.granted(), serviceAccountName="web"), ())
        assert cause(answer) == "ServiceAccount web may not list services in namespace shop"
        assert isinstance(answer, Silent)
        assert answer.diagnosis is not None
        assert 'apiGroups: [""], resources: [services], verbs: [list]' in answer.diagnosis.rests_on[1]

    def commands(self, answer: Silent | Needs | Opinion) -> tuple[str, ...]:
        assert isinstance(answer, Silent), answer
        assert answer.diagnosis is not None, answer
        return answer.diagnosis.by_hand

    @pytest.mark.parametrize(
        ("verb", "fields", "commands"),
        [
            ("", {}, 4),  # each below what it means
            ("list", {"to": "default"}, 4),
            ("get", {}, 2),
            ("list", {"role": "raeder"}, 2),
            ("list", {}, 0),
        ],
        ids=["nothing is bound", "another has it", "its role lacks it", "its role is missing", "it is granted by now"],
    )
    def test_the_commands_that_grant_just_that_are_told(self, verb: str, fields: dict[str, str], commands: int) -> None:
        taken = crashing(REFUSED, listed=self.granted(verb, **fields), serviceAccountName="web")
        assert len(self.commands(permissions.consider(taken, ()))) == commands

    def test_what_would_lead_to_other_rights_is_worded_for_nobody(self) -> None:
        for verb, resource in (
            ("list", "secrets"),
            ("list", "pods/exec"),
            ("create", "serviceaccounts/token"),
            ("create", "pods"),
        ):
            log = REFUSED.replace("services", resource).replace("list", verb)
            taken = crashing(log, listed=self.granted(), serviceAccountName="web")
            assert self.commands(permissions.consider(taken, ())) == ()

    def test_a_pod_without_an_account_of_its_own_is_told_that_it_needs_one(self) -> None:
        answer = permissions.consider(crashing(REFUSED, listed=self.granted()), ())
        assert self.commands(answer) == ()
        assert isinstance(answer, Silent)
        assert answer.diagnosis is not None
        assert "it needs a ServiceAccount of its own" in answer.diagnosis.rests_on[-1]

    def test_a_role_that_others_are_bound_to_gets_no_rule_for_the_sake_of_one(self) -> None:
        listed = self.granted("get")
        listed["RoleBinding"][0]["subjects"].append({"kind": "Group", "name": "system:serviceaccounts"})
        answer = permissions.consider(crashing(REFUSED, listed=listed, serviceAccountName="web"), ())
        assert "create role web-list-services" in self.commands(answer)[1]
        assert not any("patch role" in line for line in self.commands(answer))

    def test_without_a_look_at_the_roles_nothing_is_worded(self) -> None:
        asked = crashing(REFUSED, listed=self.granted(), serviceAccountName="web")
        taken = msgspec.structs.replace(asked, objects={})
        assert self.commands(permissions.consider(taken, ())) == ()

    def test_a_log_without_a_refusal_says_nothing(self) -> None:
        assert permissions.consider(crashing("error: forbidden by policy"), ()).diagnosis is None  # type: ignore[union-attr]


class TestNetwork:
    def closed(self, **spec: Any) -> dict[str, list[Object]]:
        return {"NetworkPolicy": [{"metadata": {"name": "sealed"}, "spec": {"policyTypes": ["Egress"], **spec}}]}

    def test_a_policy_that_lets_nothing_out_is_named(self) -> None:
        assert isinstance(network.consider(crashing(LOOKUP), ()), Needs)
        for chosen in ({}, {"matchLabels": {"app": "web"}}):
            taken = crashing(LOOKUP, listed=self.closed(podSelector=chosen))
            assert cause(network.consider(taken, ())).startswith("NetworkPolicy sealed allows")

    def test_a_policy_for_others_or_that_lets_something_out_explains_nothing(self) -> None:
        specs: list[Object] = [
            {"podSelector": {"matchLabels": {"app": "db"}}},
            {"podSelector": {}, "egress": [{}]},
            {"podSelector": {}, "egress": [{"ports": [{"port": 443}, {"port": 53, "protocol": "UDP"}]}]},
            {"podSelector": {}, "egress": [{"ports": [{"port": "dns"}]}]},
            {"podSelector": {}, "egress": [{"ports": [{"port": 1, "endPort": 99}]}]},
        ]
        for spec in specs:
            answer = network.consider(crashing(LOOKUP, listed=self.closed(**spec)), ())
            assert isinstance(answer, Silent)
            assert answer.diagnosis is None

    def test_a_policy_that_lets_out_all_but_names_is_told_by_the_port(self) -> None:
        closed = self.closed(podSelector={}, egress=[{"ports": [{"port": 443}]}])
        assert "port 53" in cause(network.consider(crashing(LOOKUP, listed=closed), ()))
        answer = network.consider(crashing("dial tcp 10.0.0.9:5432: i/o timeout", listed=closed), ())
        assert isinstance(answer, Silent)
        assert answer.diagnosis is None

    def test_names_that_are_looked_up_elsewhere_are_told_by_the_field(self) -> None:
        refused = "dial tcp 10.0.0.9:5432: i/o timeout"
        taken = crashing(refused, dnsPolicy="None", dnsConfig={"nameservers": ["192.0.2.53"]})
        assert "dnsConfig.nameservers 192.0.2.53" in cause(network.consider(taken, ()))
        assert "where the node looks up its own" in cause(network.consider(crashing(LOOKUP, dnsPolicy="Default"), ()))

    @pytest.mark.parametrize(("policy", "host"), [("None", "api.example"), ("Default", "parcels.shop.svc")])
    def test_to_look_names_up_at_the_clusters_servers_is_asked_for(self, policy: str, host: str) -> None:
        answer = network.consider(crashing(f"lookup {host}: no such host", dnsPolicy=policy), ())
        assert isinstance(answer, Opinion)
        path = "/spec/template/spec/dnsPolicy"
        assert answer.proposal.action == (SetField(path=path, expected=policy, value="ClusterFirst"),)
        assert answer.proposal.confidence == SUGGESTED

    def opened(self, *policies: Object, log: str = LOOKUP) -> tuple[str, ...]:
        placed = [{**one, "metadata": {"namespace": "shop", **one["metadata"]}} for one in policies]
        answer = network.consider(crashing(log, listed={"NetworkPolicy": placed}), ())
        assert isinstance(answer, Silent)
        assert answer.diagnosis is not None
        return answer.diagnosis.by_hand

    @pytest.mark.parametrize(
        ("egress", "operations"),
        [
            ({"egress": [{"ports": [{"port": 443}]}]}, [("add", "/spec/egress/-")]),
            ({"egress": []}, [("test", "/spec/egress"), ("add", "/spec/egress")]),
            ({}, [("test", "/spec/egress"), ("add", "/spec/egress")]),
        ],
    )
    def test_the_command_opens_the_port_of_name_servers_and_nothing_else(
        self, egress: Object, operations: list[tuple[str, str]]
    ) -> None:
        (policy,) = self.closed(podSelector={}, **egress)["NetworkPolicy"]
        meaning, command = self.opened(policy)
        assert "every pod of the namespace" in meaning
        words = shlex.split(command)
        assert words[:6] == ["kubectl", "-n", "shop", "patch", "networkpolicy", "sealed"]
        patch = json.loads(words[-1])
        assert [(one["op"], one["path"]) for one in patch] == operations
        added = patch[-1]["value"] if egress.get("egress") else patch[-1]["value"][0]
        assert {one["port"] for one in added["ports"]} == {53}
        assert len(added["to"]) == 1

    def test_no_command_is_told_where_another_rule_is_meant_or_nobody_knows_which(self) -> None:
        (policy,) = self.closed(podSelector={})["NetworkPolicy"]
        another = {**policy, "metadata": {"name": "narrow"}}
        assert self.opened(policy, another) == ()
        assert self.opened(policy, log="dial tcp 10.0.0.9:5432: i/o timeout") == ()
        assert self.opened({**policy, "metadata": {"name": "$(reboot)"}}) == ()

    def test_a_crash_for_another_reason_is_no_matter_of_the_network(self) -> None:
        answer = network.consider(crashing("KeyError: 'id'", listed=self.closed(podSelector={})), ())
        assert isinstance(answer, Silent)
        assert answer.diagnosis is None


class TestNodes:
    def placed(self, ready: str) -> Evidence:
        new = replica_set(template(nodeName="n1"))
        down = {"metadata": {"name": "n1"}, "status": {"conditions": [{"type": "Ready", "status": ready}]}}
        taken = evidence(snapshot(deployment(), [replica_set()], [pod(of=new)]), objects={"Node": [down]})
        found = (Finding(Symptom.NOT_READY, "0 of 1 ready after its deadline"),)
        new_health = msgspec.structs.replace(taken.health, findings=found)
        own = msgspec.structs.replace(taken.snapshot, replica_sets=(new,), workload=deployment(template(nodeName="n1")))
        return msgspec.structs.replace(taken, health=new_health, snapshot=own)

    def test_pods_whose_only_nodes_are_gone_are_told_by_the_node(self) -> None:
        assert cause(node.consider(self.placed("Unknown"), ())) == "node n1 is not ready"

    def test_a_node_that_is_ready_explains_nothing(self) -> None:
        answer = node.consider(self.placed("True"), ())
        assert isinstance(answer, Silent)
        assert answer.diagnosis is None


class TestJobs:
    def failed(self, why: str, *, message: str = "", log: str = "") -> Evidence:
        made = deployment()
        made.update(kind="Job", apiVersion="batch/v1")
        made["spec"]["activeDeadlineSeconds"] = 20
        last = {"name": "web", "state": {"terminated": {"exitCode": 1, "message": message}}}
        taken = evidence(snapshot(made, (), [pod(last, phase="Failed")]), log=log)
        found = (Finding(Symptom.JOB_FAILED, why),)
        return msgspec.structs.replace(taken, health=msgspec.structs.replace(taken.health, findings=found))

    def test_a_deadline_is_told_by_its_field(self) -> None:
        taken = self.failed("Job was active longer than specified deadline")
        assert "activeDeadlineSeconds of 20 s" in cause(jobs.consider(taken, ()))

    def test_the_last_words_are_told_and_without_any_the_log(self) -> None:
        why = "Job has reached the specified backoff limit"
        assert "no table tenants" in cause(jobs.consider(self.failed(why, message="no table tenants"), ()))
        assert "disk on fire" in cause(jobs.consider(self.failed(why, log="begin\ndisk on fire\n"), ()))
        assert cause(jobs.consider(self.failed(why), ())) == f"it failed: {why}"

    def test_a_job_whose_pods_cannot_begin_is_told_with_what_keeps_them(self) -> None:
        made = deployment()
        made.update(kind="Job", apiVersion="batch/v1")
        lost = pod(waiting("ImagePullBackOff", "nginx:1.28-alpnie: not found"), phase="Pending")
        assert "nginx:1.28-alpnie: not found" in cause(jobs.consider(evidence(snapshot(made, (), [lost])), ()))

    def test_a_schedule_that_was_missed_is_told_with_its_zone(self) -> None:
        taken = self.failed("unused")
        taken.snapshot.workload["spec"].update(schedule="0 3 * * *", timeZone="Mars/Phobos")
        found = (Finding(Symptom.SCHEDULE_MISSED, "it should have run at 03:00"),)
        late = msgspec.structs.replace(taken, health=msgspec.structs.replace(taken.health, findings=found))
        assert "0 3 * * * in time zone Mars/Phobos" in cause(jobs.consider(late, ()))
