"""Rollouts past their deadline: put back where an earlier revision serves in the same surroundings."""

from typing import Any

import msgspec
import pytest

from incidents.evidence import Evidence, Want, WantKind
from incidents.proposals import Needs, Opinion, RollBack, Silent
from playbooks import consult, crash_after_rollout
from playbooks.confidence import CERTAIN, SUGGESTED
from playbooks.last_good import may_roll_back
from playbooks.registry import Playbook
from playbooks.rollout import consider
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
    template,
    waiting,
)
from tests.stateful import member, stateful_set

Object = dict[str, Any]
STUCK = condition("Progressing", "False", "ProgressDeadlineExceeded", 'ReplicaSet "web-h2" has timed out progressing.')


def stuck(*, old_ready: bool = True, seen_well: tuple[int, ...] = (), refused: str = "", **fields: Any) -> Evidence:
    present = template(container(image="nginx:1.28", **fields))
    failure = [condition("ReplicaFailure", "True", "FailedCreate", refused)] if refused else []
    old, new = replica_set(number=1), replica_set(present, number=2, conditions=failure)
    pods = [pod(of=new), pod(name="web-old", of=old, ready=old_ready)]
    taken = snapshot(deployment(present, conditions=[STUCK], replicas=2), [old, new], pods)
    return evidence(taken, seen_well=seen_well)


def test_the_revision_that_still_serves_is_put_back() -> None:
    answer = consider(stuck(), ())
    assert isinstance(answer, Opinion)
    assert isinstance(answer.proposal.action, RollBack)
    assert answer.proposal.action.replica_set == "web-h1"


def test_a_revision_that_only_served_once_may_fail_by_the_same_surroundings() -> None:
    assert isinstance(consider(stuck(old_ready=False, seen_well=(1,)), ()), Silent)


def test_what_crashes_may_miss_what_the_earlier_pods_found_at_their_start() -> None:
    present = template(container(image="nginx:1.28"))
    old, new = replica_set(number=1), replica_set(present, number=2)
    crashing = waiting("CrashLoopBackOff", restarts=3, last=ended())
    for status in (crashing, running(restarts=3, last=ended())):
        pods = [pod(status, of=new), pod(name="web-old", of=old, ready=True)]
        taken = snapshot(deployment(present, conditions=[STUCK], replicas=2), [old, new], pods)
        assert isinstance(consider(evidence(taken), ()), Silent)


UNPLACED = [condition("PodScheduled", "False", "Unschedulable", "0/3 nodes are available: 3 Insufficient cpu.")]
TAINTED = "0/3 nodes are available: 3 node(s) had untolerated taint {node.kubernetes.io/disk-pressure: }."


def gives(answer: str) -> Object:
    """A container whose image the registry does not give just now."""
    return waiting("ImagePullBackOff", f'Back-off pulling image "nginx:1.28": ErrImagePull: {answer}')


def beside(*statuses: Object, image: str = "nginx:1.28", nodes: list[Object] | None = None, **fields: Any) -> Evidence:
    """A rollout past its deadline with a new pod in that state, beside three that serve."""
    present = template(container(image=image), container("logs", image="logs:9"))
    old, new = replica_set(number=1), replica_set(present, number=2)
    fresh = pod(*statuses, of=new, **fields)
    fresh["spec"] = {**fresh["spec"], **({"nodeName": "node-1"} if nodes is not None else {})}
    pods = [fresh, *(pod(name=f"web-old{number}", of=old, ready=True) for number in range(3))]
    workload = deployment(present, conditions=[STUCK], replicas=4, ready=3, updated=1)
    return evidence(snapshot(workload, [old, new], pods), objects=None if nodes is None else {"Node": nodes})


def node(ready: str = "True", short: str = "False") -> Object:
    said = [condition("Ready", ready), condition("DiskPressure", short)]
    return {"metadata": {"name": "node-1"}, "status": {"conditions": said}}


@pytest.mark.parametrize(
    "taken",
    [
        beside(gives("unexpected status from HEAD request: 503 Service Unavailable"), phase="Pending"),
        beside(gives("429 Too Many Requests"), phase="Pending"),
        beside(gives("401 Unauthorized"), phase="Pending"),
        beside(gives("something new"), running("logs")),
        beside(waiting("ContainerCreating"), phase="Pending"),
        beside(waiting("CreatePodSandboxError", "no addresses"), phase="Pending"),
        beside(waiting("ContainerCreating"), phase="Pending", conditions=UNPLACED),
        beside(
            waiting("ContainerCreating"),
            phase="Pending",
            conditions=[condition("PodScheduled", "False", "Unschedulable", TAINTED)],
        ),
        beside(waiting("CreateContainerConfigError", 'secret "on-its-way" not found'), phase="Pending"),
        beside(running(), nodes=[node(ready="Unknown")]),
        beside(running(), nodes=[node(short="True")]),
    ],
    ids=["503", "429", "401", "unknown", "creating", "network", "cpu", "taint", "secret", "node lost", "node short"],
)
def test_a_deploy_is_not_undone_for_what_its_surroundings_keep_from_it(taken: Evidence) -> None:
    answer = consider(taken, ())
    assert isinstance(answer, Silent)
    assert answer.diagnosis is not None


def test_a_new_revision_that_runs_on_a_node_that_is_well_and_does_not_get_ready_is_taken_back() -> None:
    assert isinstance(consider(beside(running(), nodes=[node()]), ()), Opinion)


def test_an_image_that_is_not_there_is_not_the_registrys_doing() -> None:
    assert isinstance(consider(beside(not_there("nginx:1.28"), running("logs")), ()), Opinion)
    assert isinstance(consider(beside(not_there("nginx:1.28"), phase="Pending"), ()), Silent)  # the family of images


def test_a_present_revision_that_was_well_was_broken_from_elsewhere() -> None:
    assert isinstance(consider(stuck(seen_well=(2,)), ()), Silent)


def test_what_the_surroundings_refuse_is_no_fault_of_the_revision() -> None:
    assert isinstance(consider(stuck(refused="exceeded quota: q, requested: pods=1"), ()), Silent)


def test_a_security_setting_that_came_with_the_revision_is_not_taken_back() -> None:
    assert isinstance(consider(stuck(securityContext={"runAsNonRoot": True}), ()), Silent)


def test_without_a_deadline_that_has_passed_nothing_is_rolled_back() -> None:
    assert isinstance(consider(evidence(snapshot(deployment(), [replica_set()], [pod(ready=True)])), ()), Silent)


def test_what_is_only_likely_waits_for_those_who_could_be_certain() -> None:
    def answering(answer: Silent | Needs | Opinion, family: str) -> Playbook:
        return Playbook(
            family=family, about="", symptoms=(), subjects=("Deployment",), consider=lambda taken, rounds: answer
        )

    taken = stuck()
    likely = consider(taken, ())
    assert isinstance(likely, Opinion)
    wants = Needs((Want(WantKind.OBJECTS, "Service"),))
    asking = {"rollout": answering(likely, "rollout"), "other": answering(wants, "other")}
    assert consult(taken, (), asking) == wants
    asking["other"] = answering(Silent("nothing of mine"), "other")
    assert consult(taken, (), asking) == likely
    sure = msgspec.structs.replace(likely, proposal=msgspec.structs.replace(likely.proposal, confidence=CERTAIN))
    assert consult(taken, (), {"other": answering(wants, "other"), "sure": answering(sure, "sure")}) == sure


class TestStatefulSets:
    """Put back like others, as long as nothing can have been written that an earlier revision cannot read."""

    @staticmethod
    def stuck(status: Object, **spec: Any) -> Evidence:
        present = template(container(image="nginx:1.28"))
        workload = stateful_set(revision="bad", **spec)
        workload["spec"]["template"] = present
        new = member(1, revision="bad", ready=False)
        new["status"]["containerStatuses"] = [status]
        revisions = [_revision("good", template()), _revision("bad", present)]
        return evidence(snapshot(workload, revisions, [member(0), new]))

    def test_the_revision_that_works_may_be_put_back(self) -> None:
        assert may_roll_back(self.stuck(running()))

    def test_with_claims_only_while_nothing_of_the_present_one_was_ever_started(self) -> None:
        claims = [{"metadata": {"name": "data"}}]
        assert may_roll_back(self.stuck(waiting("ImagePullBackOff"), volumeClaimTemplates=claims))
        assert not may_roll_back(self.stuck(running(), volumeClaimTemplates=claims))
        crashing = waiting("CrashLoopBackOff", restarts=1, last=ended())
        assert not may_roll_back(self.stuck(crashing, volumeClaimTemplates=claims))


def _revision(name: str, pod_template: Object) -> Object:
    """A ControllerRevision in the form in which it is read."""
    made = replica_set(pod_template, number=1 if name == "good" else 2)
    return {**made, "kind": "ControllerRevision", "metadata": {**made["metadata"], "name": name, "labels": {}}}


CLAIM: Object = {"name": "data", "persistentVolumeClaim": {"claimName": "gitea-data"}}
MOUNTED: Object = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}
CRASHING = waiting("CrashLoopBackOff", "back-off", restarts=4, last=ended())
PULLING = waiting("ImagePullBackOff")


class TestWhatOutlastsItsPods:
    """Another program may have brought it into a form that the earlier one cannot read: a person is asked."""

    @staticmethod
    def upgraded(
        status: Object = CRASHING, *, volume: Object = CLAIM, old: Object | None = None, **fields: Any
    ) -> Evidence:
        """A Deployment, stopped and started with what ``fields`` say, where revision 1 is known to work."""
        new = container(**{"image": "gitea:1.22", **MOUNTED, **fields})
        present = template(new, volumes=[volume])
        good = replica_set(template(container(image="gitea:1.20", **MOUNTED), volumes=[old or volume]), number=1)
        current = replica_set(present, number=2)
        workload = deployment(present, strategy={"type": "Recreate"})
        return evidence(snapshot(workload, [good, current], [pod(status, of=current)]), seen_well=[1])

    def test_once_it_has_run_with_its_claim_it_is_asked_whether_the_earlier_program_comes_back(self) -> None:
        answer = crash_after_rollout.consider(self.upgraded(), ())
        assert isinstance(answer, Opinion)
        assert answer.proposal.confidence == SUGGESTED
        assert "PersistentVolumeClaim gitea-data" in answer.proposal.reason

    def test_another_setting_of_the_same_program_has_brought_nothing_into_another_form(self) -> None:
        for changed in ({"env": [{"name": "MODE", "value": "x"}]}, {"livenessProbe": {"tcpSocket": {"port": 1}}}):
            answer = crash_after_rollout.consider(self.upgraded(image="gitea:1.20", **changed), ())
            assert isinstance(answer, Opinion)
            assert answer.proposal.confidence == crash_after_rollout.SURE

    def test_what_was_never_started_has_written_nothing(self) -> None:
        assert may_roll_back(self.upgraded(PULLING))
        assert not may_roll_back(self.upgraded())

    @pytest.mark.parametrize(
        "source",
        [
            {"emptyDir": {}},
            {"ephemeral": {"volumeClaimTemplate": {}}},
            {"configMap": {"name": "gitea"}},
            {"persistentVolumeClaim": {"claimName": "gitea-data", "readOnly": True}},
            {"hostPath": {"path": "/run/agent.sock", "type": "Socket"}},
        ],
        ids=lambda source: next(iter(source)),
    )
    def test_what_goes_with_the_pod_or_is_only_read_keeps_nothing(self, source: Object) -> None:
        assert may_roll_back(self.upgraded(volume={"name": "data", **source}))

    def test_a_mount_that_is_only_read_or_another_volume_than_the_earlier_one_had_keeps_nothing_from_it(self) -> None:
        assert may_roll_back(self.upgraded(volumeMounts=[{"name": "data", "mountPath": "/data", "readOnly": True}]))
        elsewhere = {"name": "data", "persistentVolumeClaim": {"claimName": "gitea-old"}}
        assert may_roll_back(self.upgraded(old=elsewhere))

    @pytest.mark.parametrize(
        "source", [{"hostPath": {"path": "/srv/gitea"}}, {"nfs": {"server": "10.0.0.1", "path": "/gitea"}}]
    )
    def test_a_disk_that_is_named_directly_keeps_as_much_as_a_claim(self, source: Object) -> None:
        assert not may_roll_back(self.upgraded(volume={"name": "data", **source}))

    def test_a_claim_may_be_a_device(self) -> None:
        devices = [{"name": "data", "devicePath": "/dev/xvda"}]
        assert not may_roll_back(self.upgraded(volumeMounts=[], volumeDevices=devices))

    def test_an_init_container_writes_as_well_and_a_neighbour_without_the_claim_does_not(self) -> None:
        def started(name: str) -> Evidence:
            moving = container("move", image="gitea:1.22", **MOUNTED)
            present = template(container(image="gitea:1.22", **MOUNTED), initContainers=[moving], volumes=[CLAIM])
            present["spec"]["containers"].append(container("logs", image="logs:9"))
            good, new = (
                replica_set(template(container(image="gitea:1.20"), volumes=[CLAIM]), number=1),
                replica_set(present, number=2),
            )
            statuses = [
                running(one) if one == name else waiting("PodInitializing", name=one) for one in ("web", "logs")
            ]
            there = pod(*statuses, of=new)
            there["status"]["initContainerStatuses"] = [running("move")] if name == "move" else []
            return evidence(snapshot(deployment(present), [good, new], [there]), seen_well=[1])

        assert not may_roll_back(started("move"))
        assert may_roll_back(started("logs"))

    @pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
    def test_so_it_is_of_a_claim_that_another_kind_names_by_what_its_new_pods_did_alone(self, kind: str) -> None:
        def led(status: Object) -> Evidence:
            before = template(container(image="gitea:1.20", **MOUNTED), volumes=[CLAIM])
            present = template(container(image="gitea:1.22", **MOUNTED), volumes=[CLAIM])
            workload = {**stateful_set(revision="bad"), "kind": kind}
            workload["spec"]["template"] = present
            new = member(1, revision="bad", ready=False)
            new["status"]["containerStatuses"] = [status]
            revisions = [_revision("good", before), _revision("bad", present)]
            for one in revisions:
                one["metadata"]["labels"] = {"controller-revision-hash": one["metadata"]["name"]}
            return evidence(snapshot(workload, revisions, [member(0), new]))

        assert may_roll_back(led(PULLING))
        assert not may_roll_back(led(CRASHING))
