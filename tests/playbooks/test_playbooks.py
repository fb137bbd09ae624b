"""What the playbooks are certain of, and where they stay silent."""

from typing import Any

import pytest

from incidents.evidence import Evidence, WantKind
from incidents.images import parse_image
from incidents.incident import Result, Round, Verification
from incidents.proposals import Needs, Opinion, RollBack, SetField, Silent
from incidents.symptoms import Symptom
from playbooks import FAMILIES, consult
from playbooks.image_reference import _nearest
from tests.builders import (
    IMAGE_PATH,
    MEMORY_PATH,
    OOM,
    container,
    deployment,
    ended,
    evidence,
    not_there,
    pod,
    replica_set,
    running,
    snapshot,
    template,
    waiting,
)

TYPO = "nginx:1.27-alpnie"
GOOD = "nginx:1.27-alpine"
KNOWN = "known-images:nginx"
TAGS = "image-tags:nginx"
Object = dict[str, Any]


def bad_image(
    status: Object | None = None,
    *,
    wanted: str = TYPO,
    before: str | None = None,
    ready_before: bool = True,
    present_seen_well: bool = False,
    paused: bool = False,
    **fields: Any,
) -> Evidence:
    """A Deployment whose present revision cannot pull its image; ``before`` is the image of revision 1."""
    present = template(container(image=wanted))
    new = replica_set(present, number=2)
    sets, pods = [new], [pod(status or not_there(wanted), of=new)]
    if before is not None:
        old = replica_set(template(container(image=before)), number=1)
        sets.insert(0, old)
        if ready_before:
            pods.append(pod(name="web-old", of=old, ready=True))
    workload = deployment(present, paused=paused)
    return evidence(snapshot(workload, sets, pods), seen_well=[2] if present_seen_well else [], **fields)


def bad_memory(limits: Object | None, *, status: Object | None = None, of: int = 2) -> Evidence:
    """A Deployment whose container is OOM-killed at its limit."""
    present = template(container(resources={"limits": limits} if limits is not None else {}))
    old, new = replica_set(template(container(image="nginx:1.0")), number=1), replica_set(present, number=2)
    broken = pod(status or waiting("CrashLoopBackOff", restarts=3, last=OOM), of=new if of == 2 else old)
    return evidence(snapshot(deployment(present), [old, new], [broken]))


def crashing(
    *, old_ready: bool = False, seen_well: tuple[int, ...] = (), new_ready: bool = False, status: Object | None = None
) -> Evidence:
    """A Deployment whose present revision crashes."""
    present = template(container(image="nginx:2.0"))
    old, new = replica_set(number=1), replica_set(present, number=2)
    pods = [pod(status or waiting("CrashLoopBackOff", restarts=3, last=ended()), of=new)]
    if old_ready:
        pods.append(pod(name="web-old", of=old, ready=True))
    if new_ready:
        pods.append(pod(name="web-new", of=new, ready=True))
    return evidence(snapshot(deployment(present), [old, new], pods), seen_well=seen_well)


def certain(taken: Evidence, rounds: tuple[Round, ...] = ()) -> Opinion:
    answer = consult(taken, rounds)
    assert isinstance(answer, Opinion), answer
    return answer


def silent(taken: Evidence, rounds: tuple[Round, ...] = ()) -> str:
    answer = consult(taken, rounds)
    assert isinstance(answer, Silent), answer
    return answer.because


def tried(opinion: Opinion, result: Result) -> Round:
    return Round(
        number=1,
        diagnosis=opinion.diagnosis,
        proposal=opinion.proposal,
        verification=Verification(result=result, detail=""),
    )


class TestImages:
    """References that are mistyped or whose tag does not exist."""

    def test_the_image_of_the_last_good_revision_comes_first(self) -> None:
        opinion = certain(bad_image(before="nginx:1.26"))
        assert opinion.proposal.action == (SetField(path=IMAGE_PATH, expected=TYPO, value="nginx:1.26"),)
        assert opinion.proposal.ends is Symptom.IMAGE_PULL
        assert opinion.proposal.confidence == opinion.diagnosis.confidence == 0.97
        assert any("revision 1 runs nginx:1.26 and has ready pods now" in basis for basis in opinion.diagnosis.rests_on)

    def test_a_revision_that_was_merely_the_previous_one_is_no_evidence(self) -> None:
        assert isinstance(consult(bad_image(before="nginx:1.26", ready_before=False), ()), Needs)

    def test_without_a_good_revision_images_of_this_cluster_are_asked_for_then_the_registry(self) -> None:
        first = consult(bad_image(), ())
        assert isinstance(first, Needs)
        assert [want.kind for want in first.wants] == [WantKind.KNOWN_IMAGES]
        second = consult(bad_image(answers={KNOWN: ()}), ())
        assert isinstance(second, Needs)
        assert [want.kind for want in second.wants] == [WantKind.IMAGE_TAGS]

    def test_the_one_near_tag_that_the_cluster_uses_is_certain_enough(self) -> None:
        opinion = certain(bad_image(answers={KNOWN: (GOOD, "nginx:1.25")}))
        assert opinion.proposal.action == (SetField(path=IMAGE_PATH, expected=TYPO, value=GOOD),)
        assert opinion.proposal.confidence == 0.85

    def test_the_one_near_tag_that_the_registry_lists_is_certain_enough(self) -> None:
        opinion = certain(bad_image(answers={KNOWN: (), TAGS: ("1.27-alpine", "1.27", "1.26-alpine")}))
        assert opinion.proposal.action == (SetField(path=IMAGE_PATH, expected=TYPO, value=GOOD),)
        assert "the registry lists it" in opinion.diagnosis.rests_on[1]

    def test_the_name_stays_spelled_as_it_was(self) -> None:
        wanted = "docker.io/library/nginx:latess"
        taken = bad_image(wanted=wanted, answers={"known-images:docker.io/library/nginx": ("nginx:latest",)})
        assert certain(taken).proposal.action == (
            SetField(path=IMAGE_PATH, expected=wanted, value="docker.io/library/nginx:latest"),
        )

    def test_an_image_of_another_repository_is_never_taken(self) -> None:
        others = ("evil.example/nginx:1.27-alpine", "other/nginx:1.27-alpine")
        assert "no known tag" in silent(bad_image(answers={KNOWN: others, TAGS: ()}))

    def test_several_tags_equally_near_are_not_chosen_between(self) -> None:
        answers = {KNOWN: (), TAGS: ("stable-perl", "stable-pera")}
        taken = bad_image(wanted="nginx:stable-perx", answers=answers)
        assert "several tags are equally near" in silent(taken)

    @pytest.mark.parametrize(
        ("wrong", "exists"),
        [
            ("1.27", "1.28"),
            ("1.27", "1.2.7"),
            ("1.27", "12.7"),
            ("1.10", "1.1"),
            ("1.27-alpnie", "1.28-alpine"),
            ("1.1.1k", "1.1.1l"),
            ("1.1.1k", "1.1.1"),
            ("v2", "rc2"),
            ("a3f9c1e", "a3f9c1d"),
            ("latest", "oldest-of-all"),
        ],
    )
    def test_another_version_is_not_a_slip_of_the_keyboard(self, wrong: str, exists: str) -> None:
        assert _nearest(parse_image(f"nginx:{wrong}"), {exists}) == []

    @pytest.mark.parametrize(
        ("wrong", "exists"),
        [("latess", "latest"), ("1.27-alpnie", "1.27-alpine"), ("1.27alpine", "1.27-alpine"), ("stabel", "stable")],
    )
    def test_a_slip_inside_a_word_is_one(self, wrong: str, exists: str) -> None:
        assert _nearest(parse_image(f"nginx:{wrong}"), {exists, "1.0"}) == [exists]

    @pytest.mark.parametrize(
        "said",
        [
            "failed to authorize: failed to fetch oauth token: unexpected status: 401 Unauthorized",
            "denied: requested access to the resource is denied",
            "pull access denied, repository does not exist or may require authorization: server message: denied",
            "403 Forbidden",
        ],
    )
    def test_a_registry_that_refuses_access_is_not_a_typo(self, said: str) -> None:
        taken = bad_image(waiting("ImagePullBackOff", said), before="nginx:1.26", answers={KNOWN: (GOOD,)})
        assert "refuses access" in silent(taken)

    def test_a_mistyped_repository_goes_back_to_the_one_that_runs(self) -> None:
        said = "pull access denied, repository does not exist or may require authorization: authorization failed"
        taken = bad_image(waiting("ErrImagePull", said), wanted="ngnix:1.27", before="nginx:1.27")
        assert certain(taken).proposal.action == (SetField(path=IMAGE_PATH, expected="ngnix:1.27", value="nginx:1.27"),)

    @pytest.mark.parametrize("said", ["i/o timeout", "connection refused", "no such host", "429 Too Many Requests"])
    def test_a_registry_that_does_not_answer_says_nothing_about_the_image(self, said: str) -> None:
        taken = bad_image(waiting("ErrImagePull", said), before="nginx:1.26")
        assert "nothing says that the image does not exist" in silent(taken)

    def test_words_in_the_reference_itself_prove_nothing(self) -> None:
        wanted = "nginx:invalidimagename"
        taken = bad_image(waiting("ErrImagePull", f"{wanted}: i/o timeout"), wanted=wanted, before="nginx:1.26")
        assert "nothing says" in silent(taken)

    def test_what_an_event_says_of_this_image_counts(self) -> None:
        taken = bad_image(waiting("ErrImagePull", ""), before="nginx:1.26", events=[f"{TYPO}: not found"])
        assert certain(taken).proposal.action == (SetField(path=IMAGE_PATH, expected=TYPO, value="nginx:1.26"),)
        other = bad_image(waiting("ErrImagePull", ""), before="nginx:1.26", events=["redis:1: not found"])
        assert "nothing says" in silent(other)

    def test_an_image_that_has_been_pulled_before_is_no_typo(self) -> None:
        assert "was well before" in silent(bad_image(before="nginx:1.26", present_seen_well=True))

    @pytest.mark.parametrize("wanted", ["nginx", "nginx@sha256:" + "a" * 64, "nginx:1.27@sha256:" + "a" * 64])
    def test_an_image_without_a_tag_of_its_own_has_no_near_tag(self, wanted: str) -> None:
        assert "not named by a tag" in silent(bad_image(wanted=wanted))

    def test_pods_of_an_old_revision_are_not_the_present_trouble(self) -> None:
        old, new = replica_set(template(container(image=TYPO)), number=1), replica_set(number=2)
        pods = [pod(not_there(TYPO), of=old), pod(name="new", of=new)]
        assert "no image fails" in silent(evidence(snapshot(deployment(), [old, new], pods), seen_well=[2]))

    def test_a_leftover_of_an_old_typo_does_not_hide_the_present_one(self) -> None:
        old = replica_set(template(container("other", image="x:1")), number=1)
        good = replica_set(template(container(image="nginx:1.26")), number=2)
        present = template(container(image=TYPO))
        new = replica_set(present, number=3)
        pods = [
            pod(not_there("x:1"), of=old, name="old"),
            pod(not_there(TYPO), of=new),
            pod(name="g", of=good, ready=True),
        ]
        pods[0]["status"]["containerStatuses"][0]["name"] = "other"
        taken = evidence(snapshot(deployment(present), [old, good, new], pods))
        assert certain(taken).proposal.action == (SetField(path=IMAGE_PATH, expected=TYPO, value="nginx:1.26"),)


class TestMemory:
    """Containers killed at their limit."""

    def test_the_limit_is_doubled_and_the_evidence_named(self) -> None:
        opinion = certain(bad_memory({"memory": "128Mi"}))
        assert opinion.proposal.action == (SetField(path=MEMORY_PATH, expected="128Mi", value="256Mi"),)
        assert (opinion.proposal.ends, opinion.diagnosis.confidence) == (Symptom.OOM_KILLED, 0.9)
        assert opinion.diagnosis.rests_on == (
            "lastState of container web is OOMKilled, 3 times",
            "its memory limit is 128Mi",
        )

    @pytest.mark.parametrize("limits", [None, {}, {"cpu": "1"}], ids=str)
    def test_without_a_limit_it_was_the_node_that_ran_out(self, limits: Object | None) -> None:
        assert "no memory limit" in silent(bad_memory(limits))

    def test_a_limit_that_cannot_be_read_is_not_guessed_at(self) -> None:
        assert "is not a quantity" in silent(bad_memory({"memory": "lots"}))

    def test_what_an_old_template_suffered_says_nothing_of_the_present_one(self) -> None:
        assert "no container is killed" in silent(bad_memory({"memory": "128Mi"}, of=1))

    def test_an_init_container_is_not_taken_for_a_container(self) -> None:
        status = waiting("CrashLoopBackOff", name="setup", restarts=3, last=OOM)
        assert "not in the present template" in silent(bad_memory({"memory": "128Mi"}, status=status))

    def test_a_leak_gets_another_step_each_round_and_never_the_same_one(self) -> None:
        first = certain(bad_memory({"memory": "128Mi"}))
        again = tried(first, Result.NO_BETTER)
        second = certain(bad_memory({"memory": "256Mi"}), (again,))
        assert second.proposal.action == (SetField(path=MEMORY_PATH, expected="256Mi", value="512Mi"),)
        assert "was tried and was no better" in silent(bad_memory({"memory": "128Mi"}), (again,))


class TestCrashes:
    """Revisions that crash while another is known to work."""

    def test_a_revision_with_ready_pods_is_rolled_back_to(self) -> None:
        taken = crashing(old_ready=True)
        opinion = certain(taken)
        assert opinion.proposal.action == RollBack(replica_set="web-h1", digest=taken.revisions[0].digest)
        assert (opinion.proposal.ends, opinion.proposal.confidence) == (Symptom.CRASH_LOOP, 0.93)
        assert "revision 1 has 1 ready pods now" in opinion.diagnosis.rests_on

    def test_a_revision_that_was_seen_well_is_rolled_back_to(self) -> None:
        assert "revision 1 was seen well before" in certain(crashing(seen_well=(1,))).diagnosis.rests_on

    def test_being_the_previous_number_is_no_evidence(self) -> None:
        assert "no other revision is known to work" in silent(crashing())

    @pytest.mark.parametrize("how", [{"seen_well": (1, 2)}, {"old_ready": True, "new_ready": True}], ids=str)
    def test_a_revision_that_was_well_was_broken_from_elsewhere(self, how: dict[str, Any]) -> None:
        assert "came from elsewhere" in silent(crashing(**how))

    def test_a_kill_for_memory_is_another_family(self) -> None:
        taken = crashing(old_ready=True, status=waiting("CrashLoopBackOff", restarts=3, last=OOM))
        assert "no pod of the present revision crashes" in silent(taken)

    def test_crashes_of_an_old_revision_alone_are_no_reason(self) -> None:
        old, new = replica_set(template(container(image="nginx:0")), number=1), replica_set(number=2)
        pods = [pod(waiting("CrashLoopBackOff", last=ended()), of=old), pod(running(), name="new", of=new)]
        assert "no pod of the present revision crashes" in silent(evidence(snapshot(deployment(), [old, new], pods)))


class TestAllOfThem:
    """What holds for every playbook."""

    @pytest.mark.parametrize("result", list(Result))
    def test_only_what_was_proved_no_better_is_never_proposed_again(self, result: Result) -> None:
        taken = crashing(old_ready=True)
        round_ = tried(certain(taken), result)
        assert isinstance(consult(taken, (round_,)), Silent) is (result is Result.NO_BETTER)

    def test_a_paused_rollout_is_somebodys_work(self) -> None:
        assert "paused" in silent(bad_image(before="nginx:1.26", paused=True))

    def test_what_an_operator_manages_is_left_to_it(self) -> None:
        assert "App/shop manages it" in silent(bad_image(before="nginx:1.26", manager="App/shop"))

    def test_a_kind_nobody_knows_to_change_is_left_alone(self) -> None:
        bare = pod(not_there(TYPO))
        assert "no playbook knows how to change a Pod" in silent(evidence(snapshot(bare, pods=[bare])))

    def test_a_healthy_workload_gets_no_opinion(self) -> None:
        taken = evidence(snapshot(deployment(ready=1), [replica_set()], [pod(ready=True)]))
        assert set(silent(taken).split("; ")) == {
            "image: no image fails to be pulled",
            "memory: no container is killed for its memory",
            "crash-after-rollout: no pod of the present revision crashes",
        }
        assert len(FAMILIES) == 3

    def test_the_most_confident_opinion_is_chosen(self) -> None:
        present = template(container(image=TYPO), container("side", resources={"limits": {"memory": "64Mi"}}))
        old, new = replica_set(template(container(image="nginx:1.26")), number=1), replica_set(present, number=2)
        broken = pod(not_there(TYPO), waiting("CrashLoopBackOff", name="side", restarts=2, last=OOM), of=new)
        taken = evidence(snapshot(deployment(present), [old, new], [broken, pod(name="o", of=old, ready=True)]))
        assert certain(taken).diagnosis.family == "image"
