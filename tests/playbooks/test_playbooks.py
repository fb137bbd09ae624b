"""What the playbooks are certain of, and where they stay silent."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from incidents.evidence import Evidence, WantKind
from incidents.incident import Result, Round, Verification
from incidents.proposals import Needs, Opinion, RollBack, SetField, Silent
from incidents.symptoms import Symptom
from playbooks import all_playbooks, consult
from playbooks.confidence import LIKELY
from tests.builders import (
    IMAGE_PATH,
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
    fields = {"objects": {"Pod": []}, **fields}  # nobody else is here
    return evidence(snapshot(workload, sets, pods), seen_well=[2] if present_seen_well else [], **fields)


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
        assert any("revision 1 has 1 ready pods now, with nginx:1.26" in basis for basis in opinion.diagnosis.rests_on)

    def test_a_revision_that_was_merely_the_previous_one_is_no_evidence(self) -> None:
        assert isinstance(consult(bad_image(before="nginx:1.26", ready_before=False), ()), Needs)

    def test_without_a_good_revision_the_tags_of_this_cluster_and_of_the_registry_are_asked_for(self) -> None:
        answer = consult(bad_image(), ())
        assert isinstance(answer, Needs)
        assert [want.kind for want in answer.wants] == [WantKind.KNOWN_IMAGES, WantKind.IMAGE_TAGS]

    def test_the_one_near_tag_that_the_cluster_uses_is_certain_enough(self) -> None:
        opinion = certain(bad_image(answers={KNOWN: (GOOD, "nginx:1.25"), TAGS: ()}))
        assert opinion.proposal.action == (SetField(path=IMAGE_PATH, expected=TYPO, value=GOOD),)
        assert opinion.proposal.confidence == 0.85

    def test_the_one_near_tag_that_the_registry_lists_is_certain_enough(self) -> None:
        opinion = certain(bad_image(answers={KNOWN: (), TAGS: ("1.27-alpine", "1.27", "1.26-alpine")}))
        assert opinion.proposal.action == (SetField(path=IMAGE_PATH, expected=TYPO, value=GOOD),)
        assert "the registry lists it" in opinion.diagnosis.rests_on[1]

    def test_the_name_stays_spelled_as_it_was(self) -> None:
        wanted = "docker.io/library/nginx:latess"
        tags = "image-tags:docker.io/library/nginx"
        answers = {"known-images:docker.io/library/nginx": ("nginx:latest",), tags: ()}
        taken = bad_image(wanted=wanted, answers=answers)
        assert certain(taken).proposal.action == (
            SetField(path=IMAGE_PATH, expected=wanted, value="docker.io/library/nginx:latest"),
        )

    def test_an_image_of_another_repository_is_never_taken(self) -> None:
        others = ("evil.example/nginx:1.27-alpine", "other/nginx:1.27-alpine")
        assert "no known tag" in silent(bad_image(answers={KNOWN: others, TAGS: ()}))

    @pytest.mark.parametrize(
        "answers",
        [
            {KNOWN: (), TAGS: ("1.27-alpine", "1.27-alpina")},
            {KNOWN: ("nginx:1.27-alpine",), TAGS: ("1.27-alpina",)},  # what is nearer at hand need not be what is meant
        ],
    )
    def test_of_two_tags_that_could_be_meant_none_is_chosen(self, answers: dict[str, tuple[str, ...]]) -> None:
        assert "several tags are near" in silent(bad_image(wanted="nginx:1.27-alpin", answers=answers))

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

    @pytest.mark.parametrize(
        "secured",
        [
            {"hostNetwork": False, "securityContext": {"runAsNonRoot": True}},
            {"automountServiceAccountToken": False},
            {"runtimeClassName": "sandbox"},
        ],
        ids=str,
    )
    def test_what_the_present_revision_secures_is_given_up_by_a_person_alone(self, secured: Object) -> None:
        present = template(container(image="nginx:2.0"), **secured)
        old, new = replica_set(number=1), replica_set(present, number=2)
        pods = [pod(waiting("CrashLoopBackOff", restarts=3, last=ended()), of=new), pod(name="o", of=old, ready=True)]
        assert certain(evidence(snapshot(deployment(present), [old, new], pods))).proposal.confidence < LIKELY

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
        assert not isinstance(consult(evidence(snapshot(bare, pods=[bare])), ()), Opinion)

    def test_a_healthy_workload_gets_no_opinion(self) -> None:
        taken = evidence(snapshot(deployment(ready=1), [replica_set()], [pod(ready=True)]))
        reasons = silent(taken)
        for playbook in all_playbooks().values():
            assert (f"{playbook.family}: " in reasons) == ("Deployment" in playbook.subjects)

    def test_every_playbook_says_what_it_is_about_and_what_brings_it_in(self) -> None:
        for playbook in all_playbooks().values():
            assert playbook.about.endswith((".", ":"))
            assert playbook.symptoms
            assert playbook.subjects

    def test_the_most_confident_opinion_is_chosen(self) -> None:
        present = template(container(image=TYPO), container("side", resources={"limits": {"memory": "64Mi"}}))
        old, new = replica_set(template(container(image="nginx:1.26")), number=1), replica_set(present, number=2)
        broken = pod(not_there(TYPO), waiting("CrashLoopBackOff", name="side", restarts=2, last=OOM), of=new)
        taken = evidence(snapshot(deployment(present), [old, new], [broken, pod(name="o", of=old, ready=True)]))
        assert certain(taken).diagnosis.family == "image"

    def test_a_playbook_that_fails_does_not_silence_the_others(self) -> None:
        def failing(taken: Evidence, rounds: Sequence[Round]) -> Silent:
            raise KeyError("a field that nobody foresaw")

        image = all_playbooks()["image"]
        odd = msgspec.structs.replace(image, family="odd", consider=failing)
        taken = bad_image(before="nginx:1.26")
        assert isinstance(consult(taken, (), {"odd": odd, "image": image}), Opinion)
        alone = consult(taken, (), {"odd": odd})
        assert isinstance(alone, Silent)
        assert "odd: it failed: KeyError" in alone.because
