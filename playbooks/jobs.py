"""Jobs that have failed: by their deadline, or by an error of their own as often as they may.

Rules: pkg/controller/job (``DeadlineExceeded``, ``BackoffLimitExceeded``, ``PodFailurePolicy``). A Job that has ended
is not begun again by the program, because nobody knows what it had done by then: its last words are told. One that has
never begun is made anew by the family that knows why, of images and references for instance.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from incidents.evidence import Evidence
from incidents.incident import Round
from incidents.objects import CRON_JOB, JOB
from incidents.pod_health import container_statuses
from incidents.proposals import Diagnosis, Needs, Opinion, Silent
from incidents.symptoms import Symptom

FAMILY = "jobs"
SYMPTOMS = (Symptom.JOB_FAILED, Symptom.SCHEDULE_MISSED)
SUBJECTS = (JOB.kind, CRON_JOB.kind)

_DEADLINE = re.compile(r"longer than specified deadline|DeadlineExceeded")


def consider(evidence: Evidence, rounds: Sequence[Round]) -> Silent | Needs | Opinion:
    """Why the Job has failed, in its own words."""
    said = [found.detail for found in evidence.health.findings if found.symptom in SYMPTOMS]
    spec = evidence.snapshot.workload.get("spec", {})
    if not said:
        return _not_begun(evidence)
    if Symptom.SCHEDULE_MISSED in evidence.health.symptoms and Symptom.JOB_FAILED not in evidence.health.symptoms:
        zone = f" in time zone {spec['timeZone']}" if spec.get("timeZone") else ""
        cause = f"it has missed its schedule {spec.get('schedule')}{zone}: {said[0][:200]}"
        return Silent("when it should run is for a person to say", _told(cause, said[0], 0.8))
    if _DEADLINE.search(said[0]):
        job = spec if evidence.subject.kind == JOB.kind else (spec.get("jobTemplate") or {}).get("spec") or {}
        cause = f"it was not done within its activeDeadlineSeconds of {job.get('activeDeadlineSeconds', '?')} s"
        return Silent("how long it may take is for a person to say", _told(cause, said[0], 0.9))
    words = next(_last_words(evidence), "")
    if not words:
        return Silent("it has left no words", _told(f"it failed: {said[0][:200]}", said[0], 0.7))
    return Silent("it is its own error", _told(f"its program fails: {words[:300]}", said[0], 0.9))


def _not_begun(evidence: Evidence) -> Silent:
    """A Job whose pods fail before they have done anything: its template cannot be changed once it is there."""
    found = evidence.health.findings[0] if evidence.health.findings else None
    if found is None or evidence.subject.kind != JOB.kind:
        return Silent("no Job has failed")
    cause = f"{found.symptom} in container {found.container or 'of its pods'}: {found.detail[:240]}"
    return Silent("with what it would have to be made anew is for a person to say", _told(cause, found.detail, 0.7))


def _told(cause: str, said: str, confidence: float) -> Diagnosis:
    return Diagnosis(family=FAMILY, cause=cause, confidence=confidence, rests_on=(said[:300],))


def _last_words(evidence: Evidence) -> Iterator[str]:
    """What its containers left as they ended, the end of a log where they left nothing."""
    for pod in reversed(evidence.snapshot.pods):
        for status in container_statuses(pod):
            for which in ("state", "lastState"):
                ended = (status.get(which) or {}).get("terminated") or {}
                if ended.get("exitCode") and ended.get("message"):
                    yield " ".join(str(ended["message"]).split())[-300:]
    for excerpt in evidence.logs:
        if excerpt.text.strip():
            yield " ".join(excerpt.text.strip().splitlines()[-2:])[-300:]
