"""Rollouts that have passed their deadline while an earlier revision still serves: that revision is put back.

Rule: pkg/controller/deployment/progress.go (``ProgressDeadlineExceeded``). The last resort of all playbooks: what one
of them knows to correct is less of a change, and is surer. That the earlier revision has ready pods now, in the same
namespace at the same moment, says that it is the revision and not the surroundings that does not work; but only of pods
that run. What was never started, for want of room, of a network, a volume, an image or a node, says nothing of what it
would do, and no deploy is undone for that. Nor is one for containers that end: what an earlier pod found at its start
may be gone since, and why they end their family says.
"""

from __future__ import annotations

from collections.abc import Sequence

from incidents.evidence import Evidence
from incidents.incident import Round
from incidents.object_health import PRESSURES, node_ready
from incidents.objects import NODE, Manifest
from incidents.ordering import of_present_revision
from incidents.pod_health import has_begun, has_failed
from incidents.proposals import Diagnosis, Needs, Opinion, RollBack, Silent
from incidents.symptoms import Symptom
from playbooks.attaching import held
from playbooks.confidence import LIKELY
from playbooks.edits import named, opinion, wanting
from playbooks.init import still_at_work
from playbooks.last_good import ROLLED_BACK, basis, may_roll_back
from playbooks.pull_failures import Kind, failure_of

FAMILY = "rollout"
SYMPTOMS = (Symptom.ROLLOUT_STUCK, Symptom.NOT_READY)
SUBJECTS = ROLLED_BACK
_WORLD = frozenset(
    {
        *(Symptom.CREATE_FORBIDDEN, Symptom.EVICTED, Symptom.OOM_KILLED, Symptom.CLAIM_PENDING),
        *(Symptom.UNSCHEDULABLE, Symptom.SANDBOX_FAILING, Symptom.MOUNT_FAILING),
    }
)
_OF_THE_IMAGE = frozenset({Kind.NEVER, Kind.PLATFORM, Kind.UNREADABLE, Kind.MISSING})  # whoever asks, and when


def consider(evidence: Evidence, rounds: Sequence[Round]) -> Silent | Needs | Opinion:
    """An opinion where a new revision does not get ready in its time and the one before still serves."""
    stuck = [found for found in evidence.health.findings if found.symptom in SYMPTOMS]
    if not stuck:
        return Silent("no rollout has passed its deadline")
    told = Diagnosis(
        family=FAMILY, cause="its rollout has passed its deadline", confidence=0.5, rests_on=(stuck[0].detail[:240],)
    )
    good = evidence.last_good
    if good is None or not good.ready or not may_roll_back(evidence):
        return Silent("no earlier revision serves that could be put back", told)
    if because := _elsewhere(evidence) or _unlike_it(evidence):
        return Silent(because, told)
    if _places(evidence) and (needs := wanting(evidence, NODE.kind)):
        return needs
    if ailing := [name for name in _places(evidence) if _ails(named(evidence.listed(NODE.kind), name))]:
        return Silent(f"node {', '.join(ailing)} is in trouble, and what runs there with it", told)
    return opinion(
        evidence,
        action=RollBack(replica_set=good.name, digest=good.digest),
        family=FAMILY,
        cause="its last rollout has not got ready within its deadline",
        rests_on=(stuck[0].detail[:240], f"{basis(good)}, in the same surroundings"),
        ends=stuck[0].symptom,
        reason=f"roll back to revision {good.number}, which still serves",
        confidence=LIKELY,
    )


def _elsewhere(evidence: Evidence) -> str:
    """What around the new revision keeps its pods from being ready; empty where they run."""
    pods = of_present_revision(evidence.snapshot)
    if _WORLD & evidence.health.symptoms or not pods:
        return "what keeps it from its pods lies outside of the revision"
    if held(evidence) is not None:
        return "its new pod waits for a volume that another pod holds, whichever revision it is of"
    pulls = [found.container for found in evidence.health.findings if found.symptom is Symptom.IMAGE_PULL]
    images = {name: str((evidence.container(name) or {}).get("image", "")) for name in pulls}
    if any(failure_of(evidence, name, image).kind not in _OF_THE_IMAGE for name, image in images.items()):
        return "a registry does not give what is asked of it, and whether it will is not said"
    if not any(has_begun(pod) for pod in pods):
        return "no container of the new revision was ever started: nothing says what it would do"
    return ""


def _unlike_it(evidence: Evidence) -> str:
    """What its pods have done that speaks for the new revision, or against more than itself; empty for nothing."""
    if any(revision.ready for revision in evidence.present_revisions):
        return "some pods of the new revision are ready: it works"
    if any(has_failed(pod) for pod in evidence.snapshot.current_pods):
        return "its containers end: what the earlier pods found when they started may be gone"
    if next(still_at_work(evidence), None) is not None:
        return "an init container is at work: whether it waits or gets on, its own family says"
    return ""


def _places(evidence: Evidence) -> list[str]:
    """The nodes that the pods of the new revision are on."""
    nodes = (pod.get("spec", {}).get("nodeName") for pod in of_present_revision(evidence.snapshot))
    return sorted({str(node) for node in nodes if node})


def _ails(node: Manifest | None) -> bool:
    """Whether a node is not ready or short of something, as it says itself; nothing is held against one not known."""
    if node is None:
        return False
    said = node.get("status", {}).get("conditions") or ()
    short = any(one.get("type") in PRESSURES and one.get("status") == "True" for one in said)
    return short or not node_ready(node)
