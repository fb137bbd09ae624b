"""What may have been well before is not changed by rules for what has never worked, whoever has recorded it or not."""

from typing import Any

import msgspec
import pytest

from incidents.evidence import Evidence
from incidents.objects import CRON_JOB, JOB
from incidents.proposals import Opinion, RollBack, Silent
from incidents.snapshot import as_replica_set, template_digest
from playbooks.been_well import may_have_been_well
from playbooks.confidence import LIKELY, SUGGESTED
from playbooks.consult import consult
from playbooks.last_good import never_well
from tests.builders import (
    condition,
    container,
    deployment,
    ended,
    evidence,
    not_there,
    pod,
    replica_set,
    running,
    snapshot,
    stamp,
    template,
    waiting,
)

Object = dict[str, Any]
DAY = 86_400.0
LIVENESS = "livenessProbe"
ASKED = {"exec": {"command": ["pg_isready"]}, "periodSeconds": 10}
HANGS = 'probe failed: command timed out: "pg_isready" timed out after 1s'


def dated(item: Object, age: float) -> Object:
    return {**item, "metadata": {**item["metadata"], "creationTimestamp": stamp(age)}}


def ready_until(seconds_ago: float) -> Object:
    return {**condition("Ready", "False"), "lastTransitionTime": stamp(seconds_ago)}


def database(status: Object, *, age: float, stands: float | None = None, probe: str = LIVENESS) -> Evidence:
    """A StatefulSet of one pod that is so old and fails a probe; ``stands``: the age of its revision, if another."""
    asked = template({**container(), probe: ASKED})
    revision = as_replica_set(
        {
            "apiVersion": "apps/v1",
            "kind": "ControllerRevision",
            "metadata": {
                "name": "web-r1",
                "uid": "uid-r1",
                "creationTimestamp": stamp(age if stands is None else stands),
                "labels": {"controller-revision-hash": "web-r1"},
            },
            "revision": 1,
            "data": {"spec": {"template": asked}},
        }
    )
    assert revision is not None
    served = deployment(asked, serviceName="web")
    served |= {"kind": "StatefulSet", "status": served["status"] | dict.fromkeys(UPDATED, "web-r1")}
    failing = pod(status, name="web-0", age=age, labels={"app": "web", "controller-revision-hash": "web-r1"})
    failing["status"]["conditions"] = [ready_until(status.get("until", age))]
    taken = evidence(
        snapshot(served, [revision], [failing]),
        unhealthy=[f"{probe.removesuffix('Probe').capitalize()} {HANGS}"],
        objects={"Service": ()},
    )
    said = "Container web failed liveness probe, will be restarted"
    killing = [msgspec.structs.replace(taken.events[0], reason="Killing", message=said)] if probe == LIVENESS else []
    about = [msgspec.structs.replace(one, about="Pod/web-0") for one in (*taken.events, *killing)]
    return msgspec.structs.replace(taken, events=tuple(about))


UPDATED = ("currentRevision", "updateRevision")


def killed(restarts: int, *, ran: float | None = None) -> Object:
    """A container that was killed so often, the last time after so many seconds."""
    last = ended("Error", 137, seconds_ago=30)
    return running(restarts=restarts, last=last if ran is None else {**last, "startedAt": stamp(30 + ran)})


def changed(taken: Evidence) -> float | None:
    """How certain the change is that is proposed; None without one."""
    answer = consult(taken, ())
    assert isinstance(answer, Opinion | Silent), answer
    return answer.proposal.confidence if isinstance(answer, Opinion) else None


@pytest.mark.parametrize("restarts", [1, 3, 5, 40])
def test_a_probe_is_not_made_more_patient_for_what_ran_for_months_and_hangs_now(restarts: int) -> None:
    assert changed(database(killed(restarts, ran=45), age=90 * DAY)) is (SUGGESTED if restarts < 5 else None)


@pytest.mark.parametrize("restarts", [2, 3])
def test_what_waited_for_long_before_its_first_start_did_not_run_in_that_time(restarts: int) -> None:
    assert never_well(database(killed(restarts, ran=1), age=7200))


def test_what_init_containers_took_is_no_run_however_often_it_crashed_since() -> None:
    late = database(killed(5, ran=1), age=9000)
    assert not never_well(late)
    done = {**condition("Initialized", "True"), "lastTransitionTime": stamp(900)}
    late.snapshot.pods[0]["status"]["conditions"].append(done)
    assert never_well(late)
    done["status"] = "False"
    assert not never_well(late)


def test_one_run_that_lasted_for_longer_than_a_crash_is_remembered_speaks_for_it() -> None:
    assert never_well(database(killed(1, ran=600), age=3000))
    assert not never_well(database(killed(1, ran=3000), age=4000))


def test_what_was_ready_until_long_after_its_start_was_well() -> None:
    lost = {**running(), "until": 60.0}
    assert not never_well(database(lost, age=7200, probe="readinessProbe"))
    assert never_well(database(lost, age=120, probe="readinessProbe"))
    assert never_well(database(running(), age=7200, probe="readinessProbe"))  # never Ready since its start


def test_what_ran_for_long_and_was_never_ready_has_never_been_well() -> None:
    assert never_well(database(killed(2, ran=3000), age=7200, probe="readinessProbe"))


def test_what_its_own_probes_let_live_for_long_before_they_end_it_has_never_been_well() -> None:
    patient = database(killed(1, ran=2400), age=2500)
    spec = patient.pod_spec["containers"][0]["livenessProbe"]
    assert not never_well(patient)
    spec["initialDelaySeconds"] = 2350
    assert never_well(patient)


def test_what_is_killed_from_its_start_on_gets_its_more_patient_probe_at_once() -> None:
    assert changed(database(killed(3, ran=45), age=300)) == LIKELY


@pytest.mark.parametrize(("stands", "sure"), [(3600.0, LIKELY), (90 * DAY, SUGGESTED)])
def test_pods_that_are_too_new_to_say_anything_of_an_old_revision_make_a_suggestion_of_it(
    stands: float, sure: float
) -> None:
    assert changed(database(killed(3, ran=45), age=300, stands=stands)) == sure


def test_what_was_broken_for_days_as_far_as_anybody_knows_is_asked_about() -> None:
    assert changed(database(killed(900, ran=45), age=3 * DAY)) == SUGGESTED


OLD, NEW = template(container(image="nginx:1.26")), template(container(image="nginx:1.27.99"))


def rolled_out(*, days: float, old_ready: bool = False, seen_well: tuple[int, ...] = (1,)) -> Evidence:
    """A second revision, so many days old, whose image is not in the registry."""
    old, new = dated(replica_set(OLD, number=1), 400 * DAY), dated(replica_set(NEW, number=2), days * DAY)
    pods = [pod(not_there("nginx:1.27.99"), of=new)]
    pods += [pod(name="web-old", of=old, ready=True)] if old_ready else []
    return evidence(snapshot(deployment(NEW), [old, new], pods), seen_well=seen_well)


def test_an_image_that_an_old_revision_lacks_now_is_put_back_by_a_person_only() -> None:
    assert changed(rolled_out(days=0.1)) == 0.97
    assert changed(rolled_out(days=30)) == SUGGESTED


def test_a_rollout_that_never_got_past_the_pods_before_it_is_mended_however_old_it_is() -> None:
    assert changed(rolled_out(days=30, old_ready=True)) == 0.97


def test_to_go_back_from_an_old_revision_is_a_suggestion() -> None:
    crashes = waiting("CrashLoopBackOff", "back-off", restarts=4, last=ended(seconds_ago=20))
    for days, sure in ((0.1, True), (30, False)):
        new = dated(replica_set(NEW, number=2), days * DAY)
        taken = evidence(
            snapshot(deployment(NEW), [replica_set(OLD, number=1), new], [pod(crashes, of=new)]), seen_well=[1]
        )
        answer = consult(taken, ())
        assert isinstance(answer, Opinion)
        assert isinstance(answer.proposal.action, RollBack)
        assert (answer.proposal.confidence > SUGGESTED) is sure


def test_what_is_recorded_counts_without_any_revision_to_find_it_in() -> None:
    taken = msgspec.structs.replace(database(killed(3, ran=45), age=300), revisions=())
    assert never_well(taken)
    assert not never_well(msgspec.structs.replace(taken, seen_well=True))


def test_a_cron_job_whose_job_came_to_a_good_end_with_this_template_has_been_well() -> None:
    spec = OLD["spec"]
    parts = {"metadata": {"name": "web", "namespace": "shop", "uid": "uid-web", "generation": 4}}
    cron_job = {
        "apiVersion": CRON_JOB.api_version,
        "kind": CRON_JOB.kind,
        **parts,
        "spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": OLD}}},
    }

    def made(pods: Object) -> Object:
        done = {"conditions": [condition("Complete", "True")]}
        return {
            "kind": JOB.kind,
            "metadata": {"name": "web-1", "creationTimestamp": stamp(DAY)},
            "spec": {"template": {"metadata": {"labels": {"job-name": "web-1"}}, "spec": pods}},
            "status": done,
        }

    for pods, well in ((spec, True), (NEW["spec"], False)):
        taken = evidence(msgspec.structs.replace(snapshot(cron_job), related=(made(pods),)))
        assert never_well(taken) is not well


def test_a_pod_whose_image_was_changed_a_moment_ago_is_not_judged_by_how_it_ran_before() -> None:
    bare = pod(
        waiting("ImagePullBackOff", "of nginx:1.27", restarts=1, last=killed(1, ran=DAY)["lastState"]["terminated"]),
        age=DAY * 9,
    )
    for generation, old in ((1, True), (2, False)):
        changed_since = {**bare, "metadata": {**bare["metadata"], "generation": generation}}
        taken = evidence(snapshot(changed_since, pods=[changed_since]))
        assert never_well(taken) is not old
        assert may_have_been_well(taken) is old


def test_a_revision_is_known_by_its_template_and_not_by_what_is_masked_of_it() -> None:
    taken = database(killed(3, ran=45), age=300, stands=90 * DAY)
    assert taken.present == template_digest(taken.template)
    assert may_have_been_well(taken)
    shown = msgspec.structs.replace(taken, present="0" * 16)
    assert not may_have_been_well(shown)
