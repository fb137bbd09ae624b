"""Every rule refuses its own case and lets the good one through."""

from copy import deepcopy
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from incidents.changes import CHANGE_ANNOTATION, UNTIL_ANNOTATION, Anew, ChangeState, InverseKind, LeafChange
from incidents.masking import MASK
from incidents.objects import ChangeId, reference
from incidents.patch import leaf_diff
from incidents.policy import Answer, Bounds, Mode, Policy, Verdict
from incidents.proposals import Recreate, RollBack, SetField
from incidents.snapshot import template_digest
from incidents.symptoms import Symptom
from remediation.guardrails import View, before_dry_run, on_difference
from remediation.guardrails.inverse import inverse_of, never_ran
from tests.builders import (
    IMAGE_PATH,
    MEMORY_PATH,
    NOW,
    change,
    container,
    deployment,
    not_there,
    pod,
    proposal,
    replica_set,
    running,
    snapshot,
    template,
)
from tests.remediation.scene import claim

IMAGE = "/spec/template/spec/containers/0/image"
CLAIM_SIZE = "/spec/resources/requests/storage"
MEMORY = "/spec/template/spec/containers/0/resources/limits/memory"
PROBE = {"httpGet": {"path": "/", "port": 80}}
AUTO = Policy(mode=Mode.AUTO)
Object = dict[str, Any]


def live(**fields: Any) -> Object:
    web = container(
        resources={"limits": {"memory": "128Mi", "cpu": "1"}},
        livenessProbe=PROBE,
        securityContext={"runAsNonRoot": True},
    )
    return deployment(template(web, container("side", "redis:7")), **fields)


def edited(document: Object, place: str, value: Any) -> Object:
    """A copy with one place set, or removed for None."""
    answer = deepcopy(document)
    *parents, last = place.split("/")[1:]
    at: Any = answer
    for part in parents:
        at = at[int(part)] if isinstance(at, list) else at.setdefault(part, {})
    if value is None:
        del at[last]
    else:
        at[last] = value
    return answer


def view(answer: Object | None = None, **fields: Any) -> View:
    """A good change of the image; each test spoils one thing."""
    now = fields.pop("live", None) or live()
    answer = edited(now, IMAGE, "nginx:1.28") if answer is None else answer
    return View(
        **{
            "policy": AUTO,
            "proposal": proposal(),
            "live": now,
            "read_generation": 2,
            "now": NOW,
            "answer": answer,
            "diff": leaf_diff(now, answer),
            **fields,
        }
    )


def memory_view(value: str, *, before: str = "128Mi", stored: str | None = None, **fields: Any) -> View:
    """A change of the memory limit, stored as ``stored``."""
    now = edited(live(), MEMORY, before)
    asked = proposal(SetField(path=MEMORY_PATH, expected=before, value=value))
    return view(edited(now, MEMORY, stored or value), live=now, proposal=asked, **fields)


def judged(seen: View) -> Verdict:
    return on_difference(seen, before_dry_run(seen))


def rules(verdict: Verdict) -> set[str]:
    return {ruling.rule for ruling in verdict.objections}


def test_the_good_change_is_allowed_by_every_rule() -> None:
    verdict = judged(view())
    assert (verdict.answer, verdict.objections) == (Answer.ALLOW, ())


def test_no_ruling_at_all_is_a_refusal() -> None:
    assert Verdict(()).answer is Answer.REFUSE


@pytest.mark.parametrize(
    ("mode", "answer"),
    [
        (Mode.OBSERVE, Answer.REFUSE),
        (Mode.SUGGEST, Answer.NEEDS_APPROVAL),
        (Mode.APPROVE, Answer.NEEDS_APPROVAL),
        (Mode.AUTO, Answer.ALLOW),
    ],
)
def test_the_mode_refuses_asks_or_allows(mode: Mode, answer: Answer) -> None:
    assert judged(view(policy=Policy(mode=mode))).answer is answer


@pytest.mark.parametrize(
    "value",
    [MASK, f"Bearer {MASK}", {"httpGet": {"httpHeaders": [{"name": "Authorization", "value": MASK}]}}, ["--key", MASK]],
    ids=str,
)
@pytest.mark.parametrize("anew", [False, True])
def test_what_is_masked_in_the_evidence_is_written_by_nobody(value: object, anew: bool) -> None:
    edit = SetField(path=IMAGE_PATH, expected="nginx:1.27", value=value)
    asked = msgspec.structs.replace(proposal(), action=Recreate(edits=(edit,)) if anew else (edit,))
    verdict = before_dry_run(view(proposal=asked))
    assert verdict.answer is Answer.REFUSE
    assert "masked" in rules(verdict)


def test_the_default_policy_asks_a_person() -> None:
    assert judged(view(policy=Policy())).answer is Answer.NEEDS_APPROVAL


@pytest.mark.parametrize(
    ("policy", "refused"),
    [
        (Policy(mode=Mode.AUTO, excluded_namespaces=("shop",)), True),
        (Policy(mode=Mode.AUTO, namespaces=("other",)), True),
        (Policy(mode=Mode.AUTO, namespaces=("shop",), excluded_namespaces=("shop",)), True),
        (Policy(mode=Mode.AUTO, namespaces=("shop",)), False),
    ],
)
def test_a_namespace_that_is_not_covered_is_not_touched(policy: Policy, refused: bool) -> None:
    assert (rules(judged(view(policy=policy))) == {"namespace"}) is refused


@pytest.mark.parametrize("namespace", ["kube-system", "kube-public", "kube-node-lease"])
def test_the_namespaces_of_kubernetes_itself_are_excluded_by_default(namespace: str) -> None:
    assert not AUTO.covers(namespace)


ASKED: list[tuple[str, Answer, dict[str, Any]]] = [
    ("confidence", Answer.NEEDS_APPROVAL, {"proposal": proposal(confidence=0.79)}),
    ("manager", Answer.REFUSE, {"manager": "App/shop"}),
    ("paused", Answer.REFUSE, {"live": live(paused=True)}),
    ("edited-since", Answer.DEFER, {"read_generation": 1}),
]


@pytest.mark.parametrize(("rule", "answer", "fields"), ASKED, ids=[row[0] for row in ASKED])
def test_what_is_asked_is_judged_before_anything_is_sent(rule: str, answer: Answer, fields: dict[str, Any]) -> None:
    verdict = before_dry_run(view(**fields))
    assert (rules(verdict), verdict.answer) == ({rule}, answer)


def test_what_is_being_deleted_is_left_alone() -> None:
    going = live()
    going["metadata"]["deletionTimestamp"] = "2026-11-21T12:00:00Z"
    assert rules(before_dry_run(view(live=going))) == {"terminating"}


@pytest.mark.parametrize(
    ("state", "answer"), [(ChangeState.SENT, Answer.DEFER), (ChangeState.ABANDONED, Answer.REFUSE)]
)
def test_what_another_incident_is_making_anew_is_waited_for(state: ChangeState, answer: Answer) -> None:
    going = live()
    going["metadata"]["deletionTimestamp"] = "2026-11-21T12:00:00Z"
    other = change(incident="another", state=state, anew=Anew(before=going, after=going))
    verdict = before_dry_run(view(live=going, recent=(other,)))
    assert [one.answer for one in verdict.rulings if one.rule == "terminating"] == [answer]
    assert (verdict.until is not None) is (answer is Answer.DEFER), "it is taken up again, and not given up at once"


@pytest.mark.parametrize(
    ("until", "deferred"),
    [
        (NOW + timedelta(minutes=5), True),
        (NOW - timedelta(seconds=1), False),
        (NOW + timedelta(hours=2), False),
        ("soon", False),
        ("2026-11-21T12:30:00", False),
    ],
    ids=str,
)
def test_another_stores_change_is_waited_for_until_its_own_deadline(until: Any, deferred: bool) -> None:
    text = until if isinstance(until, str) else until.isoformat()
    marked = live(annotations={CHANGE_ANNOTATION: "theirs", UNTIL_ANNOTATION: text})
    verdict = before_dry_run(view(live=marked))
    assert (rules(verdict) == {"foreign-change"}) is deferred
    assert verdict.answer is (Answer.DEFER if deferred else Answer.ALLOW)
    assert verdict.until == (until if deferred else None)


def test_changes_of_this_store_are_nothing_to_wait_for() -> None:
    until = (NOW + timedelta(minutes=5)).isoformat()
    marked = live(annotations={CHANGE_ANNOTATION: "ours", UNTIL_ANNOTATION: until})
    assert before_dry_run(view(live=marked, earlier=(change("ours"),))).answer is Answer.ALLOW
    assert before_dry_run(view(live=marked, known=frozenset({ChangeId("ours")}))).answer is Answer.ALLOW


def test_a_change_that_changes_nothing_is_refused() -> None:
    assert "no-difference" in rules(judged(view(live())))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("/metadata/labels", {"injected": "yes"}),
        ("/spec/replicas", 5),
        ("/spec/template/spec/containers/1/image", "redis:6"),
        ("/spec/template/spec/nodeName", "n1"),
        ("/metadata/annotations/sidecar", "yes"),
    ],
)
def test_a_leaf_that_a_webhook_adds_is_refused(place: str, value: Any) -> None:
    good = view()
    assert good.answer is not None
    answer = edited(good.answer, place, value)
    verdict = judged(view(answer))
    assert (verdict.answer, "pointers" in rules(verdict)) == (Answer.REFUSE, True)


def test_a_value_that_a_webhook_turns_into_another_is_refused() -> None:
    verdict = judged(view(edited(live(), IMAGE, "nginx:1.29")))
    assert rules(verdict) == {"pointers"}


@pytest.mark.parametrize(
    "path",
    [
        "/spec/minReadySeconds",
        "/spec/template/spec/hostNetwork",
        "/spec/template/spec/containers[web]/securityContext/privileged",
        "/metadata/managedFields",
        "/metadata/annotations/k8s-auto-fixer~1change",
        "/status/replicas",
    ],
)
def test_a_field_the_policy_does_not_name_may_not_even_be_asked_for(path: str) -> None:
    both = (
        SetField(path=IMAGE_PATH, expected="nginx:1.27", value="nginx:1.28"),
        SetField(path=path, expected=1, value=2),
    )
    assert "pointers" in rules(judged(view(proposal=proposal(*both))))


def test_the_policy_decides_which_fields_of_which_kind() -> None:
    assert "pointers" in rules(judged(view(policy=Policy(mode=Mode.AUTO, allowed_pointers={}))))


def test_memory_may_be_doubled_and_the_servers_spelling_is_the_same_value() -> None:
    assert judged(memory_view("256Mi")).answer is Answer.ALLOW
    assert judged(memory_view("1024Mi", before="512Mi", stored="1Gi")).answer is Answer.ALLOW


@pytest.mark.parametrize(
    ("before", "value"),
    [("128Mi", "64Mi"), ("128Mi", "1025Mi"), ("6Gi", "9Gi"), ("128Mi", "lots"), ("lots", "128Mi"), ("128Mi", "-1")],
)
def test_memory_never_goes_down_nor_beyond_its_bounds(before: str, value: str) -> None:
    assert "memory" in rules(judged(memory_view(value, before=before)))


CPU = "/spec/template/spec/containers/0/resources/limits/cpu"


@pytest.mark.parametrize(
    ("before", "value", "refused"),
    [("100m", "200m", False), ("1", "2", False), ("100m", "801m", True), ("3", "6", True), ("200m", "100m", True)],
)
def test_a_cpu_limit_goes_up_within_its_bounds_and_never_down(before: str, value: str, refused: bool) -> None:
    now = edited(live(), CPU, before)
    path = CPU.replace("containers/0", "containers[web]")
    asked = proposal(SetField(path=path, expected=before, value=value), ends=Symptom.PROBE_FAILING)
    verdict = judged(view(edited(now, CPU, value), live=now, proposal=asked))
    assert rules(verdict) == ({"cpu"} if refused else set())


DISK = "/spec/template/spec/containers/0/resources/limits/ephemeral-storage"
HELD = "/spec/template/spec/volumes/0/emptyDir/sizeLimit"


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/spec/template/spec/containers[web]/resources/limits/ephemeral-storage", DISK),
        ("/spec/template/spec/volumes[held]/emptyDir/sizeLimit", HELD),
    ],
)
@pytest.mark.parametrize(
    ("before", "value", "objections"),
    [
        ("64Mi", "512Mi", set()),
        ("64Mi", "32Mi", {"disk"}),
        ("64Mi", "513Mi", {"disk"}),
        ("6Gi", "9Gi", {"disk"}),
        ("64Mi", None, {"disk"}),
    ],
)
def test_what_may_be_written_to_a_nodes_disk_is_only_raised_and_within_bounds(
    path: str, place: str, before: str, value: str | None, objections: set[str]
) -> None:
    now = live()
    now["spec"]["template"]["spec"]["volumes"] = [{"name": "held", "emptyDir": {}}]
    now = edited(now, place, before)
    asked = proposal(SetField(path=path, expected=before, value=value), ends=Symptom.EVICTED)
    assert objections <= rules(judged(view(edited(now, place, value), live=now, proposal=asked)))
    if not objections:
        assert judged(view(edited(now, place, value), live=now, proposal=asked)).answer is Answer.ALLOW


@pytest.mark.parametrize(
    ("before", "value", "objections"),
    [
        ("1Gi", "2Gi", set()),
        ("1Gi", "4Gi", set()),
        ("1Gi", "5Gi", {"storage"}),
        ("512Gi", "1025Gi", {"storage"}),
        ("2Gi", "1Gi", {"storage"}),
        ("2Gi", None, {"requests"}),
    ],
)
def test_a_claim_grows_within_bounds_only_when_a_person_agrees_and_never_shrinks(
    before: str, value: str | None, objections: set[str]
) -> None:
    now = edited(claim("disks"), CLAIM_SIZE, before)
    now["metadata"] |= {"uid": "uid-albums", "namespace": "shop"}
    edit = SetField(path=CLAIM_SIZE, expected=before, value=value)
    asked = proposal(edit, target=reference(now), ends=Symptom.UNSCHEDULABLE)  # which lets a container ask for less
    kind = inverse_of(asked)
    seen = view(edited(now, CLAIM_SIZE, value), live=now, proposal=asked, inverse=kind, read_generation=0)
    verdict = judged(seen)
    assert kind is InverseKind.NONE
    assert {ruling.rule for ruling in verdict.rulings if ruling.answer is Answer.REFUSE} == objections
    assert verdict.answer is (Answer.REFUSE if objections else Answer.NEEDS_APPROVAL)


def test_bounds_are_counted_from_the_value_before_the_first_change() -> None:
    first = change(diff=(LeafChange(pointer=MEMORY, before="128Mi", after="512Mi"),), state=ChangeState.APPLIED)
    within = memory_view("1Gi", before="512Mi", earlier=(first,))
    beyond = memory_view("2Gi", before="512Mi", earlier=(first,))
    assert judged(within).answer is Answer.ALLOW
    assert rules(judged(beyond)) == {"memory"}
    undone = change(diff=first.diff, state=ChangeState.UNDONE)
    assert judged(memory_view("2Gi", before="512Mi", earlier=(undone,))).answer is Answer.ALLOW


def test_the_bounds_come_from_the_policy() -> None:
    tight = Policy(mode=Mode.AUTO, bounds=Bounds(memory_factor=1.5))
    assert rules(judged(memory_view("256Mi", policy=tight))) == {"memory"}


@pytest.mark.parametrize("image", ["evil.example/nginx:1.28", "ngnix:1.28", "other/nginx:1.28", "NOT AN IMAGE"])
def test_an_image_of_a_repository_this_workload_never_used_is_refused(image: str) -> None:
    asked = proposal(SetField(path=IMAGE_PATH, expected="nginx:1.27", value=image))
    assert "image-repository" in rules(judged(view(edited(live(), IMAGE, image), proposal=asked)))


@pytest.mark.parametrize(
    ("before", "after", "allowed"),
    [
        ("ngnix:1.28", "nginx:1.28", True),
        ("docker.io/library/ngnix:1.28", "nginx:1.28", True),
        ("ngnix:1.28", "nginx:1.29", False),  # more than its name
        ("ngnix:1.28", "httpd:1.28", False),  # another image
        ("ngnix:1.28", "evil.example/nginx:1.28", False),
        ("evil.example/ngnix:1.28", "nginx:1.28", False),
        ("team/ngnix:1.28", "team/nginx:1.28", False),
        ("mysql:9", "mariadb:9", False),
    ],
)
def test_a_slip_of_an_official_name_may_be_corrected_and_nothing_else(before: str, after: str, allowed: bool) -> None:
    now = edited(live(), IMAGE, before)
    asked = proposal(SetField(path=IMAGE_PATH, expected=before, value=after))
    ruled = rules(judged(view(edited(now, IMAGE, after), live=now, proposal=asked)))
    assert ("image-repository" not in ruled) is allowed


def test_an_image_of_a_repository_it_has_used_before_is_allowed() -> None:
    before = replica_set(template(container(image="mirror.example/nginx:1.26")), number=1)
    asked = proposal(SetField(path=IMAGE_PATH, expected="nginx:1.27", value="mirror.example/nginx:1.26"))
    answer = edited(live(), IMAGE, "mirror.example/nginx:1.26")
    assert judged(view(answer, proposal=asked, replica_sets=(before,))).answer is Answer.ALLOW


@pytest.mark.parametrize(
    ("written", "new", "allowed"),
    [
        ("https://Registry.example/shop/Web:1", "registry.example/shop/web:1", False),  # another host's name
        ("registry.example/shop/Web:1", "registry.example/shop/web:1", True),
        ("registry.example/shop/Web:1", "registry.example/shop/web:2", False),
        ("registry.example/shop/Web:1", "evil.example/shop/web:1", False),
    ],
)
def test_a_name_that_is_none_may_be_spelled_as_it_has_to_be(written: str, new: str, allowed: bool) -> None:
    now = edited(live(), IMAGE, written)
    asked = proposal(SetField(path=IMAGE_PATH, expected=written, value=new))
    assert (judged(view(edited(now, IMAGE, new), live=now, proposal=asked)).answer is Answer.ALLOW) is allowed


@pytest.mark.parametrize(
    ("place", "field"),
    [
        ("livenessProbe", "/spec/template/spec/containers/0/livenessProbe"),
        ("memory limit", MEMORY),
        ("securityContext", "/spec/template/spec/containers/0/securityContext"),
    ],
)
def test_probes_limits_and_security_settings_are_not_removed(place: str, field: str) -> None:
    allowing = Policy(mode=Mode.AUTO, allowed_pointers={"Deployment": ("/spec/**",)})
    verdict = judged(view(edited(live(), field, None), policy=allowing))
    assert any(ruling.rule == "nothing-weakened" and place in ruling.reason for ruling in verdict.objections)


def test_a_paused_rollout_is_resumed_only_when_a_person_agrees_and_with_nothing_else_in_it() -> None:
    resume = SetField(path="/spec/paused", expected=True, value=None)
    now = live(paused=True)
    verdict = judged(view(edited(now, "/spec/paused", None), live=now, proposal=proposal(resume)))
    assert verdict.answer is Answer.NEEDS_APPROVAL
    more = proposal(resume, SetField(path=IMAGE_PATH, expected="nginx:1.27", value="nginx:1.28"))
    assert "paused" in rules(before_dry_run(view(live=now, proposal=more)))


def test_a_restart_is_a_matter_of_approval() -> None:
    place = "/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt"
    now = live()
    now["spec"]["template"]["metadata"]["annotations"] = {"team": "shop"}
    answer = deepcopy(now)
    answer["spec"]["template"]["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"] = "2026-11-21T12:00:00Z"
    asked = proposal(SetField(path=place, expected=None, value="2026-11-21T12:00:00Z"))
    assert judged(view(answer, live=now, proposal=asked)).answer is Answer.NEEDS_APPROVAL


def test_a_workload_is_not_scaled_to_zero_to_look_healthy() -> None:
    allowing = Policy(mode=Mode.AUTO, allowed_pointers={"Deployment": ("/spec/**",)})
    asked = proposal(SetField(path="/spec/replicas", expected=1, value=0))
    verdict = judged(view(edited(live(), "/spec/replicas", 0), policy=allowing, proposal=asked))
    assert rules(verdict) == {"nothing-weakened"}


@pytest.mark.parametrize(
    ("before", "after", "allowed"), [(0, 1, True), (0, 2, False), (2, 4, True), (2, 5, False), (3, 2, False)]
)
def test_replicas_are_woken_one_at_a_time_and_doubled_at_most_and_only_when_a_person_agrees(
    before: int, after: int, allowed: bool
) -> None:
    now = edited(live(), "/spec/replicas", before)
    asked = proposal(SetField(path="/spec/replicas", expected=before, value=after))
    verdict = judged(view(edited(now, "/spec/replicas", after), live=now, proposal=asked))
    assert verdict.answer is (Answer.NEEDS_APPROVAL if allowed else Answer.REFUSE)


@pytest.mark.parametrize(
    ("kind", "ran_before", "answer"),
    [
        (InverseKind.EXACT, True, Answer.ALLOW),
        (InverseKind.COMPENSATING, True, Answer.NEEDS_APPROVAL),
        (InverseKind.COMPENSATING, False, Answer.ALLOW),
        (InverseKind.NONE, False, Answer.NEEDS_APPROVAL),
    ],
)
def test_what_cannot_be_taken_back_exactly_is_for_a_person_unless_what_it_replaces_never_ran(
    kind: InverseKind, ran_before: bool, answer: Answer
) -> None:
    assert before_dry_run(view(inverse=kind, never_ran=not ran_before)).answer is answer


def test_never_ran_is_said_of_pods_none_of_whose_containers_was_ever_started() -> None:
    present = replica_set(template())
    pulling = pod(not_there("nginx:x"), of=present)
    crashing = pod(running(), of=present)
    assert never_ran(snapshot(deployment(), [present], [pulling]))
    assert not never_ran(snapshot(deployment(), [present], [pulling, crashing]))
    assert not never_ran(snapshot(deployment(), [present], []))  # who knows what has been here


class TestRollbacks:
    """A whole template is put back."""

    OLD = template(
        container(image="nginx:1.0", resources={"limits": {"memory": "128Mi", "cpu": "1"}}, livenessProbe=PROBE,
                  securityContext={"runAsNonRoot": True}),
        container("side", "redis:7"),
    )  # fmt: skip

    def rolled(self, answer: Object | None = None, *, digest: str = "", **fields: Any) -> Verdict:
        action = RollBack(replica_set="web-h1", digest=digest or template_digest(self.OLD))
        answer = answer or edited(live(), "/spec/template", self.OLD)
        return judged(view(answer, proposal=proposal(action=action), **fields))

    def test_the_revision_that_was_named_is_allowed(self) -> None:
        assert self.rolled().answer is Answer.ALLOW

    def test_another_template_than_the_one_named_is_refused(self) -> None:
        assert rules(self.rolled(digest="another")) == {"rollback"}
        mutated = edited(live(), "/spec/template", edited(self.OLD, "/spec/nodeName", "n1"))
        assert rules(self.rolled(mutated)) == {"rollback"}

    def test_nothing_but_the_template_may_change(self) -> None:
        answer = edited(edited(live(), "/spec/template", self.OLD), "/spec/replicas", 3)
        assert rules(self.rolled(answer)) == {"rollback"}

    def test_a_kind_the_policy_does_not_name_is_not_rolled_back(self) -> None:
        assert rules(self.rolled(policy=Policy(mode=Mode.AUTO, rollback_kinds=()))) == {"rollback"}

    def test_one_that_takes_a_probe_away_is_for_a_person_to_decide(self) -> None:
        old = deepcopy(self.OLD)
        del old["spec"]["containers"][0]["livenessProbe"]
        verdict = self.rolled(edited(live(), "/spec/template", old), digest=template_digest(old))
        assert (rules(verdict), verdict.answer) == ({"nothing-weakened"}, Answer.NEEDS_APPROVAL)
