"""Whether the present revision has been well, or may have been although nobody wrote it down.

The store has a line for what a sweep or a run saw well. Where it has none (the program has just been installed, or what
it watched was in trouble already) the pods speak: a container that ran for longer than a kubelet remembers a crash was
well, for all that anybody can know. Where they are too new to say anything, what has stood for a day or more may have
been well before them; nobody leaves alone for so long what does not work, and if somebody did, a few minutes more are
no harm. Then the rules for what has never worked make suggestions and change nothing by themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec

from incidents.evidence import Evidence
from incidents.object_health import job_end
from incidents.objects import CRON_JOB, JOB, POD, Manifest
from incidents.ordering import of_present_revision
from incidents.pod_health import DATED_SECONDS, UNSEEN_SECONDS, begun_at, remembered, timestamp
from incidents.proposals import Needs, Opinion, RollBack, Silent
from incidents.snapshot import is_ready, pod_template
from playbooks.confidence import SUGGESTED

STANDING_SECONDS = 86_400.0  # whoever rolls something out looks at it within the day
TELLING_RESTARTS = 5  # of fewer, what a pod waited for before its first start is too much of the mean
LONGEST_BACK_OFF_SECONDS = 300  # MaxContainerBackOff of pkg/kubelet
_LOSES_TIME = 30  # the default of terminationGracePeriodSeconds
FOR_WHAT_NEVER_WORKED = frozenset({"admission", "command", "crash", "image", "probes", "scheduling"})
"""The families with rules that take the present template for wrong because it has never been well."""
_NOBODY_KNOWS = "it has stood like this for a day or longer, and whether it was well in that time nobody has seen"


def known_well(evidence: Evidence) -> bool:
    """Whether the present revision was recorded as well, has steady pods now, or its Job has come to a good end."""
    recorded = evidence.seen_well or any(revision.good for revision in evidence.present_revisions)
    return recorded or any((job_end(job) or {}).get("type") == "Complete" for job in _jobs_alike(evidence))


def ran_for_long(evidence: Evidence) -> bool:
    """Whether a pod of the present revision was well for a time before it failed, as far as its own status tells."""
    if not _is_of_this_spec(evidence):
        return False
    return any(_ran(evidence, pod) for pod in of_present_revision(evidence.snapshot))


def as_suggestion(evidence: Evidence, family: str, answer: Silent | Needs | Opinion) -> Silent | Needs | Opinion:
    """The answer; an opinion about what may have been well for long, by a rule for what never was, as a suggestion."""
    if not isinstance(answer, Opinion) or answer.proposal.target.uid != evidence.subject.uid:
        return answer
    rests = family in FOR_WHAT_NEVER_WORKED or isinstance(answer.proposal.action, RollBack)
    if not rests or answer.proposal.confidence <= SUGGESTED or not may_have_been_well(evidence):
        return answer
    told = msgspec.structs.replace(answer.diagnosis, rests_on=(*answer.diagnosis.rests_on, _NOBODY_KNOWS))
    asked = msgspec.structs.replace(answer.proposal, confidence=SUGGESTED)
    return msgspec.structs.replace(answer, diagnosis=told, proposal=asked)


def may_have_been_well(evidence: Evidence) -> bool:
    """Whether the present revision has stood for so long that it may have been well, and nothing says either.

    While another one still has steady pods, its rollout has not come to an end, and it never was.
    """
    if known_well(evidence) or any(one.ready for one in evidence.other_revisions):
        return False
    since = min(_moments(evidence), default=None)
    return since is not None and evidence.taken_at - since >= timedelta(seconds=STANDING_SECONDS / evidence.speed)


def _moments(evidence: Evidence) -> Iterator[datetime]:
    """When things of the present revision were made."""
    snapshot = evidence.snapshot
    made: list[Manifest] = [*evidence.present_sets]
    if _is_of_this_spec(evidence):
        made += of_present_revision(snapshot)
    if _has_one_spec(snapshot.workload):
        made.append(snapshot.workload)
    for item in (*made, *_jobs_alike(evidence)):
        if (moment := timestamp(item["metadata"].get("creationTimestamp"))) is not None:
            yield moment


def _has_one_spec(workload: Manifest) -> bool:
    """Whether a workload has had no other template since it was made: a Job's cannot be changed."""
    return workload.get("kind") == JOB.kind or workload["metadata"].get("generation") == 1


def _is_of_this_spec(evidence: Evidence) -> bool:
    """Whether pods tell of the present template: what is a Pod itself may have had another image until a moment ago."""
    return evidence.subject.kind != POD.kind or _has_one_spec(evidence.snapshot.workload)


def _jobs_alike(evidence: Evidence) -> Iterator[Manifest]:
    """The Jobs that a CronJob made from the template that it has now."""
    if evidence.subject.kind == CRON_JOB.kind:
        for job in evidence.snapshot.related:
            if job.get("kind") == JOB.kind and pod_template(job).get("spec") == evidence.pod_spec:
                yield job


def _ran(evidence: Evidence, pod: Manifest) -> bool:
    """Whether a pod was well once: it was Ready long after its start, or its containers ran long between their ends."""
    status = pod.get("status", {})
    start = begun_at(pod)
    if start is None:
        return False
    restarted = [one for one in status.get("containerStatuses") or () if one.get("restartCount")]
    after = remembered(evidence.speed)
    lost = _ready_until(pod)
    if not restarted:
        return lost is not None and lost - start > after
    seen = timedelta(seconds=UNSEEN_SECONDS / evidence.speed + DATED_SECONDS)
    was_ready = is_ready(pod) or (lost is not None and lost - start > seen)
    return any(
        _usual_run(evidence, one, _initialized(pod) or start) > after + _patience(evidence, one)
        for one in restarted
        if was_ready or not (evidence.container(str(one.get("name"))) or {}).get("readinessProbe")
    )


def _ready_until(pod: Manifest) -> datetime | None:
    """When a pod ceased to be Ready; about its start for one that never was."""
    conditions = pod.get("status", {}).get("conditions") or ()
    said = (one for one in conditions if one.get("type") == "Ready" and one.get("status") != "True")
    return next((timestamp(one.get("lastTransitionTime")) for one in said), None)


def _initialized(pod: Manifest) -> datetime | None:
    """When a pod's init containers were done; None where its status does not say."""
    conditions = pod.get("status", {}).get("conditions") or ()
    said = (one for one in conditions if one.get("type") == "Initialized" and one.get("status") == "True")
    return next((timestamp(one.get("lastTransitionTime")) for one in said), None)


def _usual_run(evidence: Evidence, status: Manifest, start: datetime) -> timedelta:
    """How long a container's last run lasted, or those before it on average, whichever is longer.

    What crashes from the start on is started again at least every five minutes and as long as a run lasts: so many
    restarts take so much time, and what is left of it somebody was served. But for what went by before the first start:
    init containers are known by the pod's condition; images, volumes and references are not, so that only many
    restarts speak.
    """
    end = (status.get("lastState") or {}).get("terminated") or {}
    began, ended = timestamp(end.get("startedAt")), timestamp(end.get("finishedAt"))
    if ended is None:
        return timedelta(0)
    last = ended - began if began is not None else timedelta(0)
    count = int(status["restartCount"])
    if count < TELLING_RESTARTS:
        return last
    before, until = (count - 1, began) if began is not None else (count, ended)
    waited = timedelta(seconds=LONGEST_BACK_OFF_SECONDS / evidence.speed) * count
    return max(last, (until - start - waited) / before)


def _patience(evidence: Evidence, status: Manifest) -> timedelta:
    """For how long a container runs that is killed by its probes without ever having answered."""
    container = evidence.container(str(status.get("name"))) or {}
    seconds = 0.0
    for field in ("startupProbe", "livenessProbe"):
        if probe := container.get(field):
            tries = int(probe.get("failureThreshold") or 3) * int(probe.get("periodSeconds") or 10)
            seconds += int(probe.get("initialDelaySeconds") or 0) + tries + _LOSES_TIME
    return timedelta(seconds=seconds / evidence.speed)
