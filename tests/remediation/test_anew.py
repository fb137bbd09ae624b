"""What may be made anew, and in what form: one thing spoilt at a time, and the good one let through."""

from copy import deepcopy
from datetime import timedelta
from typing import Any, ClassVar

import msgspec
import pytest

from incidents.changes import InverseKind
from incidents.objects import ChangeId, reference
from incidents.policy import Answer, Mode, Policy, Verdict
from incidents.proposals import Action, Create, Proposal, Recreate, SetField
from incidents.snapshot import Snapshot
from remediation.anew import anew, as_answered, as_created, difference, rehearsal, sealed_anew
from remediation.guardrails import View, before_dry_run, on_difference
from remediation.guardrails.inverse import inverse_of, never_ran
from tests.builders import NOW, container, proposal

Object = dict[str, Any]
AUTO = Policy(mode=Mode.AUTO)
CHANGE = ChangeId("0c5a2f7e-1111")
CLASS = SetField(path="/spec/storageClassName", expected="fsat", value="fast")
MIRROR = "kubernetes.io/config.mirror"
IMAGE = SetField(path="/spec/template/spec/containers[import]/image", expected="nginx:1.28-alpnie", value="nginx:1.28")


def served(kind: str, name: str, api_version: str, **rest: Any) -> Object:
    metadata = {"name": name, "namespace": "shop", "uid": f"uid-{name}", "resourceVersion": "7", "generation": 1}
    return {"apiVersion": api_version, "kind": kind, "metadata": {**metadata, **rest.pop("metadata", {})}, **rest}


def claim(*, metadata: Object | None = None, phase: str = "Pending", **spec: Any) -> Object:
    size = {"requests": {"storage": "1Gi"}}
    return served(
        "PersistentVolumeClaim",
        "albums",
        "v1",
        metadata={"finalizers": ["kubernetes.io/pvc-protection"], **(metadata or {})},
        spec={"accessModes": ["ReadWriteOnce"], "storageClassName": "fsat", "resources": size, **spec},
        status={"phase": phase},
    )


def job(*, metadata: Object | None = None, status: Object | None = None, **spec: Any) -> Object:
    labels = {"app": "import", "job-name": "import", "batch.kubernetes.io/controller-uid": "uid-import"}
    pod = {"containers": [container("import", "nginx:1.28-alpnie")], "restartPolicy": "Never"}
    return served(
        "Job",
        "import",
        "batch/v1",
        metadata={"labels": labels, **(metadata or {})},
        spec={
            "selector": {"matchLabels": {"batch.kubernetes.io/controller-uid": "uid-import"}},
            "template": {"metadata": {"labels": labels}, "spec": pod},
            **spec,
        },
        status=status or {},
    )


def pod(*, metadata: Object | None = None, **spec: Any) -> Object:
    token = {"name": "kube-api-access-x7k2p", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}
    mount = {"name": token["name"], "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": True}
    data = {"name": "data", "mountPath": "/data"}
    volumes = [{"name": "data", "emptyDir": {}}, token]
    containers = [container("web", volumeMounts=[data, mount])]
    return served(
        "Pod", "web", "v1", metadata=metadata or {}, spec={"containers": containers, "volumes": volumes, **spec}
    )


def asked(live: Object, action: Action) -> Proposal:
    return msgspec.structs.replace(proposal(target=reference(live)), action=action)


def view(live: Object, *edits: SetField, policy: Policy = AUTO, **fields: Any) -> View:
    """A good proposal to make it anew, as the guardrails see it."""
    made = asked(live, Recreate(edits=edits or (CLASS if live["kind"] == "PersistentVolumeClaim" else IMAGE,)))
    patch = sealed_anew(made, live, change=CHANGE, until=NOW + timedelta(seconds=600))
    answer = as_created(anew(made, live, patch).after)
    return View(
        **{
            "policy": policy,
            "proposal": made,
            "live": live,
            "read_generation": 1,
            "now": NOW,
            "answer": answer,
            "diff": difference(made, live, answer),
            "inverse": inverse_of(made),
            "never_ran": True,
            **fields,
        }
    )


def judged(seen: View) -> Verdict:
    return on_difference(seen, before_dry_run(seen))


class TestWhatMayBe:
    """Nothing that belongs to somebody else, or holds anything, is deleted."""

    @pytest.mark.parametrize("live", [claim(), job()], ids=["claim", "job"])
    def test_what_holds_nothing_and_is_its_own_may_be_made_anew(self, live: Object) -> None:
        assert (judged(view(live)).answer, judged(view(live)).objections) == (Answer.ALLOW, ())

    @pytest.mark.parametrize(
        ("live", "because"),
        [
            (claim(phase="Bound", volumeName="v-1"), "may hold data"),
            (claim(volumeName="v-1"), "may hold data"),
            (claim(phase="Lost"), "may hold data"),
            (claim(metadata={"finalizers": ["backup.example/keep"]}), "backup.example/keep"),
            (claim(metadata={"ownerReferences": [{"kind": "Database", "name": "db"}]}), "belongs to Database db"),
            (job(metadata={"ownerReferences": [{"kind": "CronJob", "name": "nightly"}]}), "belongs to CronJob nightly"),
            (job(status={"succeeded": 1}), "done their work"),
            (job(status={"completedIndexes": "0"}), "done their work"),
            (job(status={"uncountedTerminatedPods": {"succeeded": ["uid-1"]}}), "done their work"),
            (job(manualSelector=True), "written by hand"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_anything_else_is_refused(self, live: Object, because: str) -> None:
        verdict = judged(view(live))
        assert verdict.answer is Answer.REFUSE
        assert [because in ruling.reason for ruling in verdict.objections if ruling.rule == "made-anew"] == [True]

    @pytest.mark.parametrize(
        "fields", [{"ephemeralContainers": [{"name": "debug"}]}, {"metadata": {"annotations": {MIRROR: "x"}}}]
    )
    def test_a_pod_that_is_looked_into_or_static_is_left_alone(self, fields: Object) -> None:
        edit = SetField(path="/spec/containers[web]/command", expected=None, value=["nginx"])
        assert judged(view(pod(**fields), edit)).answer is Answer.REFUSE

    def test_a_kind_that_the_policy_does_not_name_is_not_deleted(self) -> None:
        assert judged(view(claim(), policy=Policy(mode=Mode.AUTO, recreated_pointers={}))).answer is Answer.REFUSE

    def test_only_fields_that_are_named_for_it_may_differ(self) -> None:
        suspend = SetField(path="/spec/suspend", expected=None, value=True)
        larger = SetField(path="/spec/resources/requests/storage", expected="1Gi", value="2Gi")
        assert judged(view(job(), suspend)).answer is Answer.REFUSE
        assert judged(view(claim(), larger)).answer is Answer.NEEDS_APPROVAL

    def test_what_the_server_would_store_besides_is_refused(self) -> None:
        seen = view(job())
        answer = deepcopy(seen.answer)
        assert answer is not None
        answer["spec"]["template"]["spec"]["containers"].append(container("proxy"))
        spoilt = msgspec.structs.replace(seen, answer=answer, diff=difference(seen.proposal, seen.live, answer))
        assert judged(spoilt).answer is Answer.REFUSE

    def test_what_has_run_before_is_for_a_person(self) -> None:
        assert judged(view(job(), never_ran=False)).answer is Answer.NEEDS_APPROVAL

    def test_a_claim_has_never_run_while_it_has_no_volume_and_a_job_while_none_of_its_pods_has(self) -> None:
        waiting = {"metadata": {"name": "x"}, "status": {"containerStatuses": [{"state": {"waiting": {}}}]}}

        def seen(live: Object, beside: Object | None = None) -> bool:
            return never_ran(Snapshot(workload=live, pods=(waiting,), read_at=NOW), beside)

        assert seen(job())
        assert seen(job(), claim())
        assert not seen(job(status={"failed": 1}))  # its pods may be gone by now
        assert not seen(job(), claim(phase="Bound"))
        assert not seen(claim(), job())  # those are not its pods
        assert inverse_of(asked(job(), Recreate(edits=(IMAGE,)))) is InverseKind.COMPENSATING


class TestForm:
    """What is created is what an author wrote, and not what the cluster has made of it."""

    def test_a_job_comes_without_the_selector_and_labels_that_were_made_for_the_old_one(self) -> None:
        form = as_created(job())
        assert "selector" not in form["spec"]
        assert form["metadata"] == {"name": "import", "namespace": "shop", "labels": {"app": "import"}}
        assert form["spec"]["template"]["metadata"]["labels"] == {"app": "import"}

    def test_a_job_whose_selector_was_written_by_hand_keeps_it(self) -> None:
        assert "selector" in as_created(job(manualSelector=True))["spec"]

    def test_a_claim_comes_without_volume_and_without_what_its_controllers_noted(self) -> None:
        noted = {"volume.kubernetes.io/selected-node": "n1", "pv.kubernetes.io/bind-completed": "yes", "team": "a"}
        form = as_created(claim(metadata={"annotations": noted}, volumeName="v"))
        assert (form["metadata"]["annotations"], "volumeName" in form["spec"]) == ({"team": "a"}, False)
        assert "finalizers" not in form["metadata"]

    def test_a_pod_comes_without_its_token_and_its_node(self) -> None:
        spec = as_created(pod(nodeName="n1"))["spec"]
        assert spec["volumes"] == [{"name": "data", "emptyDir": {}}]
        assert spec["containers"][0]["volumeMounts"] == [{"name": "data", "mountPath": "/data"}]
        assert "nodeName" not in spec

    def test_a_node_that_somebody_named_is_kept(self) -> None:
        managed = [{"manager": "kubectl", "fieldsV1": {"f:spec": {"f:nodeName": {}}}}]
        assert as_created(pod(metadata={"managedFields": managed}, nodeName="n1"))["spec"]["nodeName"] == "n1"

    @pytest.mark.parametrize("live", [claim(volumeName="v"), job(), pod(nodeName="n")], ids=["claim", "job", "pod"])
    def test_the_form_of_a_form_is_itself(self, live: Object) -> None:
        assert as_created(as_created(live)) == as_created(live)

    def test_a_dry_run_uses_a_free_name_and_is_compared_under_the_one_that_is_meant(self) -> None:
        seen = view(job())
        after = as_created(job(metadata={"name": "import" + "x" * 70}))
        tried = rehearsal(after, CHANGE)
        assert tried["metadata"]["name"] != after["metadata"]["name"]
        assert len(tried["metadata"]["name"]) <= 63
        assert as_answered(tried, after) == after
        assert [leaf.pointer for leaf in seen.diff] == ["/spec/template/spec/containers/0/image"]


class TestCreating:
    """A ServiceAccount by its name, for a person to agree to; nothing else."""

    TARGET: ClassVar[Object] = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "shop", "namespace": "shop"},
    }

    def verdict(self, manifest: Object, stored: Object | None = None, **metadata: Any) -> Verdict:
        target = reference({**self.TARGET, "metadata": {**self.TARGET["metadata"], **metadata}})
        made = msgspec.structs.replace(proposal(target=target), action=Create(manifest=manifest))
        blank = {**self.TARGET, "metadata": {"name": "shop", "namespace": "shop"}}
        answer = stored or as_created(manifest)
        seen = View(
            policy=AUTO,
            proposal=made,
            live=blank,
            read_generation=0,
            now=NOW,
            answer=answer,
            diff=difference(made, blank, answer),
            inverse=inverse_of(made),
            never_ran=True,
        )
        return judged(seen)

    def test_it_is_created_only_if_a_person_agrees(self) -> None:
        verdict = self.verdict(self.TARGET)
        assert (verdict.answer, {one.rule for one in verdict.objections}) == (Answer.NEEDS_APPROVAL, {"created"})

    @pytest.mark.parametrize(
        "more",
        [
            {"secrets": [{"name": "token"}]},
            {"imagePullSecrets": [{"name": "registry"}]},
            {"metadata": {"name": "shop", "namespace": "shop", "annotations": {"eks.amazonaws.com/role-arn": "x"}}},
            {"metadata": {"name": "admin", "namespace": "shop"}},
            {"metadata": {"name": "shop", "namespace": "kube-system"}},
            {"kind": "Secret"},
        ],
    )
    def test_with_anything_else_than_the_name_that_is_missing_it_is_refused(self, more: Object) -> None:
        assert self.verdict({**self.TARGET, **more}).answer is Answer.REFUSE

    def test_what_a_webhook_would_add_is_refused(self) -> None:
        stored = {**self.TARGET, "automountServiceAccountToken": True}
        assert self.verdict(self.TARGET, stored).answer is Answer.REFUSE
