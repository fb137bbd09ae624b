"""Containers killed at their limit: raised by what says how much they need, else step by step, within every bound."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from incidents.evidence import EventLine, Evidence
from incidents.incident import Result, Round, Verification
from incidents.masking import MASK
from incidents.proposals import Needs, Opinion, SetField, Silent
from incidents.symptoms import Symptom
from playbooks import consult
from playbooks.confidence import ONLY_ONE_FITS, SUGGESTED
from playbooks.heap import heap_flags
from tests.builders import (
    MEMORY_PATH,
    OOM,
    container,
    deployment,
    evidence,
    pod,
    replica_set,
    snapshot,
    template,
    waiting,
)

Object = dict[str, Any]
WEB = "/spec/template/spec/containers[web]"
HALF_A_GIG = {"memory": "512Mi"}


def killed(
    limits: Object | None,
    *,
    status: Object | None = None,
    of: int = 2,
    before: Object | None = None,
    requests: Object | None = None,
    ranges: Sequence[Object] = (),
    quotas: Sequence[Object] = (),
    nodes: Sequence[Object] = (),
    **fields: Any,
) -> Evidence:
    """A Deployment whose container is OOM-killed at its limit; ``before``: the limits of a revision that was well."""
    resources = {key: value for key, value in (("limits", limits), ("requests", requests)) if value is not None}
    present = template(container(resources=resources, **fields))
    earlier = template(container(image="nginx:1.0", resources={"limits": before or {}}))
    old, new = replica_set(earlier, number=1), replica_set(present, number=2)
    broken = pod(status or waiting("CrashLoopBackOff", restarts=3, last=OOM), of=new if of == 2 else old)
    listed = {"LimitRange": ranges, "ResourceQuota": quotas, "Node": nodes}
    taken = snapshot(deployment(present), [old, new], [broken])
    return evidence(taken, objects=listed, seen_well=[1] if before else [])


def certain(taken: Evidence, rounds: tuple[Round, ...] = ()) -> Opinion:
    answer = consult(taken, rounds)
    assert isinstance(answer, Opinion), answer
    return answer


def raised_to(taken: Evidence) -> str:
    (edit,) = certain(taken).proposal.edits
    assert edit.path == MEMORY_PATH
    return str(edit.value)


def silent(taken: Evidence, rounds: tuple[Round, ...] = ()) -> Silent:
    answer = consult(taken, rounds)
    assert isinstance(answer, Silent), answer
    return answer


def told(taken: Evidence) -> str:
    answer = silent(taken)
    assert answer.diagnosis is not None
    assert answer.diagnosis.family == "memory"
    return str(answer.diagnosis)


def limit_range(most: str) -> Object:
    return {"metadata": {"name": "narrow"}, "spec": {"limits": [{"type": "Container", "max": {"memory": most}}]}}


def quota(most: str, used: str) -> Object:
    amounts = {"hard": {"limits.memory": most}, "used": {"limits.memory": used}}
    return {"metadata": {"name": "team"}, "spec": {}, "status": amounts}


def node(memory: str, **spec: Any) -> Object:
    return {"metadata": {"name": "n"}, "spec": spec, "status": {"allocatable": {"memory": memory}}}


class TestSteps:
    """Where nothing says how much it needs."""

    def test_the_limit_is_doubled_and_the_evidence_named(self) -> None:
        opinion = certain(killed({"memory": "128Mi"}))
        assert opinion.proposal.action == (SetField(path=MEMORY_PATH, expected="128Mi", value="256Mi"),)
        assert (opinion.proposal.ends, opinion.diagnosis.confidence) == (Symptom.OOM_KILLED, 0.9)
        assert opinion.diagnosis.rests_on == (
            "lastState of container web is OOMKilled, 3 times",
            "its memory limit is 128Mi",
        )

    def test_a_leak_gets_another_step_each_round_and_never_the_same_one(self) -> None:
        first = certain(killed({"memory": "128Mi"}))
        no_better = Verification(result=Result.NO_BETTER, detail="")
        again = Round(number=1, diagnosis=first.diagnosis, proposal=first.proposal, verification=no_better)
        second = certain(killed({"memory": "256Mi"}), (again,))
        assert second.proposal.action == (SetField(path=MEMORY_PATH, expected="256Mi", value="512Mi"),)
        assert "was tried and was no better" in silent(killed({"memory": "128Mi"}), (again,)).because

    def test_a_container_that_asks_for_all_of_its_limits_goes_on_asking_for_all(self) -> None:
        all_of_it = {"memory": "128Mi", "cpu": "1"}
        edits = certain(killed(all_of_it, requests=all_of_it)).proposal.edits
        assert [(edit.path, edit.value) for edit in edits] == [
            (MEMORY_PATH, "256Mi"),
            (f"{WEB}/resources/requests/memory", "256Mi"),
        ]

    @pytest.mark.parametrize("limits", [None, {}, {"cpu": "1"}], ids=str)
    def test_without_a_limit_it_was_the_node_that_ran_out(self, limits: Object | None) -> None:
        assert "no memory limit" in silent(killed(limits)).because

    def test_a_limit_that_cannot_be_read_is_not_guessed_at(self) -> None:
        assert "is not a quantity" in silent(killed({"memory": "lots"})).because

    def test_a_limit_in_thousandths_of_a_byte_is_told_and_not_doubled(self) -> None:
        assert "512m, is 1 bytes" in told(killed({"memory": "512m"}))

    def test_what_an_old_template_suffered_says_nothing_of_the_present_one(self) -> None:
        assert "no container is killed" in silent(killed({"memory": "128Mi"}, of=1)).because

    def test_an_init_container_is_not_taken_for_a_container(self) -> None:
        status = waiting("CrashLoopBackOff", name="setup", restarts=3, last=OOM)
        assert "not in the present template" in silent(killed({"memory": "128Mi"}, status=status)).because


class TestAgain:
    """What was given more memory before, was well with it, and is killed again."""

    def raised_before(self, *limits: str, image: str = "nginx:1.27", seen_well: Sequence[int] = (1, 2)) -> Evidence:
        """Revisions that differ in the limit, the last of which is the present one; the first has that image."""
        resources = [{"limits": {"memory": limit, "cpu": "1"}, "requests": {"memory": limit}} for limit in limits]
        first = template(container(image=image, resources=resources[0]))
        later = [template(container(resources=one)) for one in resources[1:]]
        sets = [replica_set(one, number=number) for number, one in enumerate((first, *later), 1)]
        broken = pod(waiting("CrashLoopBackOff", restarts=3, last=OOM), of=sets[-1])
        listed: dict[str, list[Object]] = {"LimitRange": [], "ResourceQuota": [], "Node": []}
        present = (first, *later)[-1]
        return evidence(snapshot(deployment(present), sets, [broken]), objects=listed, seen_well=seen_well)

    def test_it_is_given_more_again_by_nobody_but_a_person(self) -> None:
        opinion = certain(self.raised_before("128Mi", "256Mi"))
        assert (opinion.proposal.confidence, opinion.proposal.edits[0].value) == (SUGGESTED, "512Mi")
        assert "put the next kill off" in opinion.diagnosis.rests_on[-1]

    @pytest.mark.parametrize(
        "earlier",
        [{"image": "nginx:1.0"}, {"seen_well": [2]}],
        ids=["another program", "what was never well with less"],
    )
    def test_what_an_earlier_revision_needed_otherwise_is_no_reason_to_ask(self, earlier: Object) -> None:
        assert certain(self.raised_before("128Mi", "256Mi", **earlier)).proposal.confidence == ONLY_ONE_FITS

    def test_the_steps_of_one_incident_are_no_raise_before_it(self) -> None:
        """It was well with 128Mi for long; the first step of this incident was not enough."""
        first = certain(self.raised_before("128Mi"))
        assert first.proposal.confidence == ONLY_ONE_FITS
        again = Round(number=1, diagnosis=first.diagnosis, proposal=first.proposal)
        taken = self.raised_before("128Mi", "256Mi", seen_well=[1])
        assert certain(taken, (again,)).proposal.confidence == ONLY_ONE_FITS
        assert certain(taken).proposal.confidence == SUGGESTED


class TestBounds:
    """What the namespace and the nodes allow."""

    @pytest.mark.parametrize(
        "bounds",
        [
            {"ranges": [limit_range("192Mi")]},
            {"quotas": [quota("1Gi", "960Mi")]},
            {"nodes": [node("192Mi"), node("64Gi", unschedulable=True)]},
            {"nodes": [node("1Gi")], "ranges": [limit_range("192Mi"), limit_range("256Mi")]},
        ],
        ids=str,
    )
    def test_it_is_raised_no_further_than_they_allow(self, bounds: Object) -> None:
        assert raised_to(killed({"memory": "128Mi"}, **bounds)) == "192Mi"

    @pytest.mark.parametrize(
        ("bounds", "rule"),
        [
            ({"ranges": [limit_range("128Mi")]}, "LimitRange narrow allows a maximum of 128Mi"),
            ({"quotas": [quota("1Gi", "1Gi")]}, "ResourceQuota team leaves 128Mi"),
            ({"nodes": [node("128Mi")]}, "no node has more than 128Mi"),
        ],
        ids=str,
    )
    def test_at_a_bound_a_person_is_told_of_it(self, bounds: Object, rule: str) -> None:
        assert rule in told(killed({"memory": "128Mi"}, **bounds))

    def test_they_have_to_be_read_first(self) -> None:
        taken = msgspec.structs.replace(killed({"memory": "128Mi"}), objects={}, answers={})
        answer = consult(taken, ())
        assert isinstance(answer, Needs)
        assert [want.key for want in answer.wants] == ["objects:LimitRange", "objects:ResourceQuota", "objects:Node"]

    def test_quantities_nobody_can_read_bound_nothing(self) -> None:
        odd = [limit_range("lots"), {"metadata": {"name": "odd"}, "spec": {"limits": [{"type": "Container"}]}}]
        assert raised_to(killed({"memory": "128Mi"}, ranges=odd, nodes=[{"metadata": {"name": "n"}}])) == "256Mi"


class TestWhatSaysHowMuch:
    """The limit it had while it was well, and the heap it was told to take."""

    def test_the_limit_that_a_rollout_has_lowered_is_put_back(self) -> None:
        assert raised_to(killed({"memory": "128Mi"}, before={"memory": "640Mi"})) == "640Mi"

    @pytest.mark.parametrize("before", ["64Mi", "128Mi", "64Gi"])
    def test_one_that_was_no_higher_or_is_out_of_reach_says_nothing(self, before: str) -> None:
        assert raised_to(killed({"memory": "128Mi"}, before={"memory": before})) == "256Mi"

    @pytest.mark.parametrize(
        "fields",
        [
            {"env": [{"name": "JAVA_TOOL_OPTIONS", "value": "-XX:+UseG1GC -Xmx1536m"}]},
            {"env": [{"name": "HEAP_OPTS", "value": "-Xms64m -Xmx1536M"}]},
            {"env": [{"name": "NODE_OPTIONS", "value": "--max-old-space-size=1536"}]},
            {"env": [{"name": "GOMEMLIMIT", "value": "1536MiB"}]},
            {"command": ["java", "-Xmx1536m", "-jar", "/app.jar"]},
            {"command": ["sh", "-c", "exec java -Xmx1572864k -jar /app.jar"]},
        ],
        ids=str,
    )
    def test_a_heap_larger_than_the_limit_says_how_much_at_once(self, fields: Object) -> None:
        assert raised_to(killed(HALF_A_GIG, **fields)) == "2Gi"

    @pytest.mark.parametrize(
        ("fields", "path", "lowered"),
        [
            (
                {"env": [{"name": "JAVA_TOOL_OPTIONS", "value": "-Xmx2g -XX:+UseG1GC"}]},
                "env[JAVA_TOOL_OPTIONS]/value",
                "-Xmx384m -XX:+UseG1GC",
            ),
            ({"args": ["--max-old-space-size=2048", "app.js"]}, "args/0", "--max-old-space-size=384"),
            ({"env": [{"name": "GOMEMLIMIT", "value": "2GiB"}]}, "env[GOMEMLIMIT]/value", "384MiB"),
        ],
        ids=str,
    )
    def test_where_the_limit_cannot_follow_the_heap_is_made_to_fit(
        self, fields: Object, path: str, lowered: str
    ) -> None:
        (edit,) = certain(killed(HALF_A_GIG, ranges=[limit_range("512Mi")], **fields)).proposal.edits
        assert (edit.path, edit.value) == (f"{WEB}/{path}", lowered)

    @pytest.mark.parametrize(
        ("fields", "edits"),
        [
            (
                {"env": [{"name": "JAVA_OPTS", "value": "-Xms2g -Xmx2g -Xss1m"}]},
                {"env[JAVA_OPTS]/value": "-Xms384m -Xmx384m -Xss1m"},
            ),
            (
                {"command": ["java", "-Xms1024m", "-Xmx2048m", "-jar", "/app.jar"]},
                {"command/1": "-Xms384m", "command/2": "-Xmx384m"},
            ),
            (
                {"env": [{"name": "OPTS", "value": "-XX:InitialHeapSize=2147483648"}], "args": ["-Xmx2g"]},
                {"env[OPTS]/value": "-XX:InitialHeapSize=384m", "args/0": "-Xmx384m"},
            ),
            (
                {"args": ["sh", "-c", "java '-XX:MinHeapSize=1G' -Xmx2g -jar /app.jar"]},
                {"args/2": "java '-XX:MinHeapSize=384m' -Xmx384m -jar /app.jar"},
            ),
            ({"args": ["-Xms64m", "-Xmx2g"]}, {"args/1": "-Xmx384m"}),
        ],
        ids=str,
    )
    def test_no_heap_begins_larger_than_it_may_become(self, fields: Object, edits: dict[str, str]) -> None:
        proposed = certain(killed(HALF_A_GIG, ranges=[limit_range("512Mi")], **fields)).proposal.edits
        assert {edit.path: edit.value for edit in proposed} == {f"{WEB}/{at}": text for at, text in edits.items()}

    def test_a_heap_beside_what_is_masked_is_told_and_not_set(self) -> None:
        env = [{"name": "JAVA_OPTS", "value": f"-Dstore.password={MASK} -Xmx2g"}]
        assert "masked" in silent(killed(HALF_A_GIG, ranges=[limit_range("512Mi")], env=env)).because

    @pytest.mark.parametrize(
        "text",
        ["-Xmx256m", "-Xmxlots", "-Xmx", "x-Xmx2g", "-Xmx2gb", "--max-old-space-size=many", "-XX:MaxHeap=2g", "-Xmx0"],
    )
    def test_a_heap_that_fits_or_that_nobody_can_read_says_nothing(self, text: str) -> None:
        assert raised_to(killed(HALF_A_GIG, env=[{"name": "OPTS", "value": text}])) == "1Gi"

    def test_of_two_heaps_none_is_lowered(self) -> None:
        env = [{"name": "A_OPTS", "value": "-Xmx2g"}, {"name": "B_OPTS", "value": "-Xmx2g"}]
        assert "as high as it may be" in silent(killed(HALF_A_GIG, env=env, ranges=[limit_range("512Mi")])).because

    def test_a_heap_nobody_would_believe_is_lowered_and_not_followed(self) -> None:
        (edit,) = certain(killed(HALF_A_GIG, env=[{"name": "OPTS", "value": "-Xmx64g"}])).proposal.edits
        assert edit.value == "-Xmx384m"

    @pytest.mark.parametrize("value", [None, 7, {"a": 1}, "x" * 50_000], ids=["none", "number", "mapping", "long"])
    def test_what_is_no_text_or_no_flag_is_none(self, value: object) -> None:
        assert heap_flags({"env": [{"name": "A", "value": value}], "args": [value]}, WEB) == []


def test_one_eviction_for_what_it_writes_is_told_and_nothing_changed() -> None:
    said = 'Usage of EmptyDir volume "takes" exceeds the limit "64Mi". '
    taken = evidence(snapshot(deployment(), [replica_set()], [pod()]))
    line = EventLine(about="Pod/web-1", type="Warning", reason="Evicted", message=said, count=1, last_seen="")
    assert "takes" in told(msgspec.structs.replace(taken, events=(line,)))
