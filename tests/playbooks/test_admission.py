"""Pods that are refused when they are made: corrected where one correction is meant, else told with the reason."""

from typing import Any

import msgspec
import pytest

from incidents.causes import with_effects
from incidents.evidence import EventLine, Evidence
from incidents.proposals import Needs, Opinion, RollBack, SetField, Silent
from incidents.symptoms import Symptom
from playbooks.admission import consider
from playbooks.belonging import BESIDE
from playbooks.confidence import ONLY_ONE_FITS, SEEN_WELL, SUGGESTED
from tests.builders import (
    condition,
    container,
    deployment,
    evidence,
    pod,
    replica_set,
    snapshot,
    stamp,
    subject,
    template,
)

Object = dict[str, Any]
SPEC = "/spec/template/spec"
RESOURCES = f"{SPEC}/containers[web]/resources"


def refused(
    why: str, *, listed: dict[str, list[Object]] | None = None, of: Object | None = None, **spec: Any
) -> Evidence:
    present = template(of or container(), **spec)
    failure = condition("ReplicaFailure", "True", "FailedCreate", f'pods "web-x" is forbidden: {why}')
    return evidence(snapshot(deployment(present), [replica_set(present, conditions=[failure])]), objects=listed)


def named(kind: str, *names: str, beside: tuple[str, ...] = ()) -> dict[str, list[Object]]:
    """Objects of a kind, and the Deployments beside the one that is refused."""
    nobody: dict[str, list[Object]] = {other: [] for other in BESIDE}
    workloads = [{"kind": "Deployment", "metadata": {"name": name}} for name in beside]
    return {**nobody, "Deployment": workloads, kind: [{"metadata": {"name": name}} for name in names]}


ACCOUNT = 'error looking up service account shop/shop-raeder: serviceaccount "shop-raeder" not found'


def test_what_there_is_has_to_be_listed_first() -> None:
    assert isinstance(consider(refused(ACCOUNT, serviceAccountName="shop-raeder"), ()), Needs)


def test_the_one_account_that_is_meant_is_used_in_both_fields() -> None:
    spec: Object = {"serviceAccountName": "shop-raeder", "serviceAccount": "shop-raeder"}
    answer = consider(refused(ACCOUNT, listed=named("ServiceAccount", "shop-reader", "default"), **spec), ())
    assert isinstance(answer, Opinion)
    assert answer.proposal.action == (
        SetField(path=f"{SPEC}/serviceAccountName", expected="shop-raeder", value="shop-reader"),
        SetField(path=f"{SPEC}/serviceAccount", expected="shop-raeder", value="shop-reader"),
    )
    assert answer.proposal.ends is Symptom.CREATE_FORBIDDEN


def no_account(name: str) -> str:
    return f'error looking up service account shop/{name}: serviceaccount "{name}" not found'


@pytest.mark.parametrize(
    ("wrong", "there", "beside"),
    [
        ("web-runner", "wbe-runner", ()),  # it says what the workload is called, and nobody may have made it yet
        ("shop-raeder", "shop-reader", ()),  # nothing says whose it is
        ("web-api-raeder", "web-api-reader", ("web-api",)),
    ],
)
def test_to_run_as_an_account_that_may_be_anothers_is_asked(wrong: str, there: str, beside: tuple[str, ...]) -> None:
    listed = named("ServiceAccount", there, "default", beside=beside)
    answer = consider(refused(no_account(wrong), listed=listed, serviceAccountName=wrong), ())
    assert isinstance(answer, Opinion)
    assert isinstance(answer.proposal.action, tuple)
    assert answer.proposal.confidence == SUGGESTED


def test_to_run_as_an_account_that_the_last_good_revision_ran_as_or_that_bears_its_name_is_certain() -> None:
    listed = named("ServiceAccount", "web-runner", "default", beside=("api",))
    own = consider(refused(no_account("web-runenr"), listed=listed, serviceAccountName="web-runenr"), ())
    assert isinstance(own, Opinion)
    assert own.proposal.confidence == ONLY_ONE_FITS
    present = template(serviceAccountName="web")
    failure = condition("ReplicaFailure", "True", "FailedCreate", f'pods "web-x" is forbidden: {no_account("web")}')
    new, old = (
        replica_set(present, conditions=[failure]),
        replica_set(template(serviceAccountName="wbe"), number=1),
    )
    taken = snapshot(deployment(present), [old, new], [pod(name="web-old", of=old, ready=True)])
    before = consider(evidence(taken, objects=named("ServiceAccount", "wbe")), ())
    assert isinstance(before, Opinion)
    assert before.proposal.confidence == SEEN_WELL


def test_whose_an_account_is_has_to_be_known_first_and_where_it_cannot_be_read_a_person_is_asked() -> None:
    taken = refused(
        no_account("web-runenr"), listed=named("ServiceAccount", "web-runner"), serviceAccountName="web-runenr"
    )
    only = msgspec.structs.replace(
        taken, objects={"ServiceAccount": taken.objects["ServiceAccount"]}, answers={"objects:ServiceAccount": ()}
    )
    assert isinstance(consider(only, ()), Needs)
    unread = consider(msgspec.structs.replace(only, answers=taken.answers), ())
    assert isinstance(unread, Opinion)
    assert unread.proposal.confidence == SUGGESTED


@pytest.mark.parametrize(
    ("kind", "field", "why"),
    [
        ("PriorityClass", "priorityClassName", "no PriorityClass with name urgnet was found"),
        ("RuntimeClass", "runtimeClassName", 'pod rejected: RuntimeClass "urgnet" not found'),
    ],
)
def test_classes_are_corrected_in_the_same_way_or_a_person_is_told(kind: str, field: str, why: str) -> None:
    spec: Object = {field: "urgnet"}
    answer = consider(refused(why, listed=named(kind, "urgent"), **spec), ())
    assert isinstance(answer, Opinion)
    assert answer.proposal.action == (SetField(path=f"{SPEC}/{field}", expected="urgnet", value="urgent"),)
    nobody = consider(refused(why, listed=named(kind, "batch"), **spec), ())
    assert isinstance(nobody, Silent)
    assert nobody.diagnosis is not None
    assert "urgnet" in nobody.diagnosis.cause


def test_a_limit_above_the_range_comes_down_to_it_with_the_request_above_it() -> None:
    big = container(resources={"limits": {"memory": "2Gi"}, "requests": {"memory": "1Gi", "cpu": "1"}})
    why = "maximum memory usage per Container is 512Mi, but limit is 2Gi"
    answer = consider(refused(why, of=big), ())
    assert isinstance(answer, Opinion)
    assert answer.proposal.action == (
        SetField(path=f"{RESOURCES}/limits/memory", expected="2Gi", value="512Mi"),
        SetField(path=f"{RESOURCES}/requests/memory", expected="1Gi", value="512Mi"),
    )


def test_a_request_below_the_range_goes_up_to_it() -> None:
    small = container(resources={"limits": {"cpu": "1"}, "requests": {"cpu": "10m"}})
    answer = consider(refused("minimum cpu usage per Container is 100m, but request is 10m", of=small), ())
    assert isinstance(answer, Opinion)
    assert answer.proposal.action == (SetField(path=f"{RESOURCES}/requests/cpu", expected="10m", value="100m"),)


@pytest.mark.parametrize(
    ("why", "cause"),
    [
        ("exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2", "quota: small"),
        ('violates PodSecurity "restricted:latest": privileged', "PodSecurity"),
        ('failed calling webhook "v.example": failed to call webhook: no endpoints', "v.example"),
        ("something from a newer Kubernetes", "something from a newer Kubernetes"),
    ],
)
def test_what_was_set_to_say_no_is_for_a_person_with_the_reason(why: str, cause: str) -> None:
    answer = consider(refused(why), ())
    assert isinstance(answer, Silent)
    assert answer.diagnosis is not None
    assert cause in answer.diagnosis.cause


def test_a_class_that_the_last_good_revision_did_without_is_rolled_back() -> None:
    present = template(priorityClassName="urgent-tier")
    why = 'pods "web-x" is forbidden: no PriorityClass with name urgent-tier was found'
    new = replica_set(present, conditions=[condition("ReplicaFailure", "True", "FailedCreate", why)])
    old = replica_set(template(), number=1)
    taken = snapshot(deployment(present), [old, new], [pod(name="web-old", of=old, ready=True)])
    answer = consider(evidence(taken, objects=named("PriorityClass", "batch")), ())
    assert isinstance(answer, Opinion)
    assert isinstance(answer.proposal.action, RollBack)
    nobody = consider(evidence(snapshot(deployment(present), [new]), objects=named("PriorityClass", "batch")), ())
    assert isinstance(nobody, Silent)


def quota(hard: dict[str, str], used: dict[str, str] | None = None) -> dict[str, list[Object]]:
    status = {"hard": hard, "used": used or dict.fromkeys(hard, "0")}
    return {"ResourceQuota": [{"kind": "ResourceQuota", "metadata": {"name": "q"}, "status": status}]}


UNSAID = "failed quota: q: must specify limits.memory for: web; requests.memory for: web"


def test_a_quota_that_wants_amounts_gets_usual_ones_that_leave_room() -> None:
    assert isinstance(consider(refused(UNSAID), ()), Needs)
    hard = {"limits.memory": "2Gi", "requests.memory": "100Mi"}
    answer = consider(refused(UNSAID, of=container(resources={}), listed=quota(hard)), ())
    assert isinstance(answer, Opinion)
    assert answer.proposal.action == (
        SetField(path=f"{RESOURCES}/limits", expected=None, value={"memory": "256Mi"}),
        SetField(path=f"{RESOURCES}/requests", expected=None, value={"memory": "50Mi"}),
    )


def test_what_a_container_says_already_is_not_said_again() -> None:
    of = container(resources={"limits": {"memory": "1Gi"}, "requests": {"cpu": "1"}})
    hard = {"limits.memory": "2Gi", "requests.memory": "2Gi"}
    answer = consider(refused(UNSAID, of=of, listed=quota(hard)), ())
    assert isinstance(answer, Opinion)
    assert answer.proposal.action == (SetField(path=f"{RESOURCES}/requests/memory", expected=None, value="128Mi"),)


def test_a_quota_without_room_or_that_cannot_be_read_is_for_a_person() -> None:
    used = {"limits.memory": "2000Mi", "requests.memory": "0"}
    full = quota({"limits.memory": "2Gi", "requests.memory": "1Gi"}, used)
    unread: dict[str, list[Object]] = {"ResourceQuota": []}
    for listed in (full, unread):
        answer = consider(refused(UNSAID, listed=listed), ())
        assert isinstance(answer, Silent)
        assert answer.diagnosis is not None
        assert "quota q demands" in answer.diagnosis.cause


@pytest.mark.parametrize(
    "why",
    [
        'violates PodSecurity "restricted:latest": privileged',
        'failed calling webhook "v.example": service "gone" not found',
        'admission webhook "v.example" denied the request: no',
    ],
)
def test_no_command_is_told_that_would_loosen_what_protects_others(why: str) -> None:
    answer = consider(refused(why), ())
    assert isinstance(answer, Silent)
    assert answer.diagnosis is not None
    assert answer.diagnosis.by_hand == ()


def refused_set(event: str, *, listed: dict[str, list[Object]] | None = None, **spec: Any) -> Evidence:
    """A StatefulSet of which no pod is made; why, only its controller's event says."""
    workload = deployment(template(**spec)) | {"kind": "StatefulSet"}
    workload["metadata"]["creationTimestamp"] = stamp(3600)
    workload["status"] = {"replicas": 0, "observedGeneration": 2}
    said = EventLine(
        about="StatefulSet/web", type="Warning", reason="FailedCreate", message=event, count=9, last_seen=stamp()
    )
    return msgspec.structs.replace(evidence(snapshot(workload), objects=listed), events=(said,))


def test_what_a_controller_says_in_an_event_alone_names_the_account_that_is_looked_for() -> None:
    spec: Object = {"serviceAccountName": "shop-raeder"}
    said = f"create Pod web-0 in StatefulSet web failed error: {ACCOUNT}"
    answer = consider(refused_set(said, listed=named("ServiceAccount", "shop-reader"), **spec), ())
    assert isinstance(answer, Opinion)
    wanted = SetField(path=f"{SPEC}/serviceAccountName", expected="shop-raeder", value="shop-reader")
    assert answer.proposal.action == (wanted,)
    there = consider(refused_set(said, listed=named("ServiceAccount", "shop-reader", "shop-raeder"), **spec), ())
    assert isinstance(there, Silent)
    assert there.diagnosis is None


@pytest.mark.parametrize(
    "said",
    [
        "minimum memory usage per Container is 100Gi, but request is 64Mi",
        UNSAID,
        "exceeded quota: small, requested: pods=1",
        "something from a newer Kubernetes",
    ],
)
def test_an_event_that_anybody_may_write_moves_no_number_and_is_told(said: str) -> None:
    small = container(resources={"requests": {"memory": "64Mi"}})
    asked = refused_set(said, listed=quota({"limits.memory": "2Gi", "requests.memory": "100Mi"}), containers=[small])
    answer = consider(asked, ())
    assert isinstance(answer, Silent)
    assert answer.diagnosis is not None
    assert said[:40] in " ".join((answer.diagnosis.cause, *answer.diagnosis.rests_on))


TOO_MUCH = "maximum memory usage per Container is 512Mi, but limit is 2Gi"


def begun(why: str, *, ready: bool = True, good: tuple[int, ...] = (), of: Object, **fields: Any) -> Evidence:
    """As `refused`, with a pod of the present template, which was made before the rule was."""
    present = template(of)
    failure = condition("ReplicaFailure", "True", "FailedCreate", f'pods "web-x" is forbidden: {why}')
    new = replica_set(present, conditions=[failure])
    taken = snapshot(deployment(present, replicas=2), [new], [pod(of=new, ready=ready)])
    return evidence(taken, seen_well=good, **fields)


def test_what_has_run_with_more_than_a_later_rule_allows_is_not_starved() -> None:
    big = container(resources={"limits": {"memory": "2Gi"}})
    assert isinstance(consider(begun(TOO_MUCH, ready=False, of=big), ()), Opinion)
    for taken in (begun(TOO_MUCH, of=big), begun(TOO_MUCH, ready=False, good=(2,), of=big)):
        answer = consider(taken, ())
        assert isinstance(answer, Silent)
        assert answer.diagnosis is not None
    more = container(resources={"limits": {"cpu": "1"}, "requests": {"cpu": "10m"}})
    why = "minimum cpu usage per Container is 100m, but request is 10m"
    assert isinstance(consider(begun(why, of=more), ()), Opinion)


def test_what_has_run_without_any_bound_is_given_none() -> None:
    room = quota({"limits.memory": "2Gi", "requests.memory": "2Gi"})
    answer = consider(begun(UNSAID, of=container(), objects=room), ())
    assert isinstance(answer, Silent)
    assert answer.diagnosis is not None


def test_init_containers_say_what_they_take_too() -> None:
    room = quota({"limits.memory": "2Gi", "requests.memory": "2Gi"})
    setup = {"name": "setup", "image": "busybox:1.37"}
    answer = consider(refused(UNSAID, of=container(resources={}), listed=room, initContainers=[setup]), ())
    assert isinstance(answer, Opinion)
    assert any("initContainers[setup]" in path for path in answer.proposal.paths)


RATIO = "cpu max limit to request ratio per Container is 4, but provided ratio is 10.000000"


def test_a_share_that_is_too_small_is_mended_by_asking_for_more() -> None:
    steep = container(resources={"limits": {"cpu": "1"}, "requests": {"cpu": "100m"}})
    answer = consider(refused(RATIO, of=steep), ())
    assert isinstance(answer, Opinion)
    assert answer.proposal.action == (SetField(path=f"{RESOURCES}/requests/cpu", expected="100m", value="250m"),)
    within = container(resources={"limits": {"cpu": "1"}, "requests": {"cpu": "500m"}})
    assert isinstance(consider(refused(RATIO, of=within), ()), Silent)


FILLED_IN = (
    'Pod "web-x" is invalid: spec.containers[0].resources.requests: Invalid value: "1Gi": must be less than or equal '
    "to memory limit of 512Mi"
)


def test_a_limit_that_the_range_filled_in_below_the_request_is_said_as_large_as_it() -> None:
    for resources, edit in (
        ({"requests": {"memory": "1Gi"}}, SetField(path=f"{RESOURCES}/limits", expected=None, value={"memory": "1Gi"})),
        (
            {"requests": {"memory": "1Gi"}, "limits": {"cpu": "1"}},
            SetField(path=f"{RESOURCES}/limits/memory", expected=None, value="1Gi"),
        ),
    ):
        answer = consider(refused(FILLED_IN, of=container(resources=resources)), ())
        assert isinstance(answer, Opinion)
        assert answer.proposal.action == (edit,)
    own = container(resources={"requests": {"memory": "512Mi"}, "limits": {"memory": "1Gi"}})
    assert isinstance(consider(refused(FILLED_IN, of=own), ()), Silent)


def test_what_cannot_be_listed_is_not_missing() -> None:
    taken = refused(ACCOUNT, serviceAccountName="shop-raeder")
    unread = msgspec.structs.replace(taken, answers={"objects:ServiceAccount": ()})
    answer = consider(unread, ())
    assert isinstance(answer, Silent)
    assert answer.diagnosis is not None


def test_a_webhook_that_fails_others_is_told_with_where_it_is_asked() -> None:
    place = {"service": {"namespace": "guards", "name": "gate"}}
    hooks = [
        {"name": "v.example", "clientConfig": place},
        {"name": "w.example", "failurePolicy": "Ignore", "clientConfig": place},
    ]
    made = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "webhooks": hooks,
    }
    taken = evidence(snapshot({**made, "metadata": {"name": "gates", "uid": "uid-gates"}}))
    assert consider(taken, ()) == Silent("no webhook of it fails anything")
    health = with_effects(taken.health, "ValidatingWebhookConfiguration", [subject()])
    answer = consider(msgspec.structs.replace(taken, health=health), ())
    assert isinstance(answer, Silent)
    assert answer.diagnosis is not None
    assert answer.diagnosis.cause.endswith("it asks v.example at Service guards/gate")
