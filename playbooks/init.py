"""Init containers that fail or never end: undone where a change brought them, else told with what they say.

Rules: pkg/kubelet/kuberuntime (init containers run one after another, each to its end, before anything else starts).
What an init container waits for is outside of this pod, so that nothing about the pod is changed for it. One that may
be at work, as a migration that takes its time, is not cut short without a person: its log has to say that it waits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from incidents.evidence import Evidence
from incidents.incident import Round
from incidents.objects import TEMPLATED
from incidents.proposals import Diagnosis, Needs, Opinion, RollBack, Silent
from incidents.symptoms import Symptom
from playbooks.confidence import ONLY_ONE_FITS, SUGGESTED
from playbooks.edits import opinion
from playbooks.last_good import basis, may_roll_back
from playbooks.last_words import digest, last_end
from playbooks.listening import witnesses

FAMILY = "init"
SYMPTOMS = (Symptom.CRASH_LOOP, Symptom.INIT_HANGING, Symptom.ROLLOUT_STUCK, Symptom.NOT_READY)
SUBJECTS = (*TEMPLATED, "Pod", "Job")

LAST_LINES = 5  # of a log: what an init container does now

_TOLD, _SURE = 0.9, 0.96
_IN_USE = re.compile(
    r"\b(?:listen|bind)\w*[^\n]{0,80}?:(?P<port>\d{2,5})\b[^\n]{0,60}?(?:address already in use|EADDRINUSE)",
    re.IGNORECASE,
)
_WAITING = re.compile(
    r"\b(wait(ing|s)?|retry(ing)?|retries|not ready|unavailable|refused|timed? ?out|no such host|can(no|')t resolve"
    r"|unreachable|still not|not (yet )?(up|there|available|found))\b",
    re.IGNORECASE,
)


def consider(evidence: Evidence, rounds: Sequence[Round]) -> Silent | Needs | Opinion:
    """An opinion on the first init container that has not come to its end, or on two that are in each other's way."""
    if (clash := _clash(evidence)) is not None:
        return Silent("which of the two is to listen elsewhere is for a person to say", clash)
    name = next(_failing(evidence), None)
    if name is not None:
        code = last_end(evidence, name).get("exitCode")
        said = digest(evidence, name)
        cause = f"init container {name} ends with exit code {code}" + (f" and says: {said[0]}" if said else "")
        return Silent("what it found wrong lies outside of this pod", _told(cause, *said))
    name = next(still_at_work(evidence), None)
    if name is None:
        return Silent("no init container is at work")
    if not evidence.health.symptoms & set(SYMPTOMS):
        return Silent("an init container is at work, and nothing says that it takes too long")
    told = _told(f"init container {name} runs and does not come to its end", *digest(evidence, name))
    return _undone(evidence, told, name) or Silent("what it waits for is not known here", told)


def _told(cause: str, *rests_on: str) -> Diagnosis:
    return Diagnosis(family=FAMILY, cause=cause, confidence=_TOLD, rests_on=rests_on or (cause,))


def _clash(evidence: Evidence) -> Diagnosis | None:
    """Two containers of one pod that listen on one port, which they share as they share an address."""
    found = ((one, match) for one in evidence.logs for match in _IN_USE.finditer(one.text))
    if not evidence.health.symptoms & set(SYMPTOMS) or (first := next(found, None)) is None:
        return None
    excerpt, match = first
    port, own = int(match["port"]), evidence.container(excerpt.container)
    others = [one for one in (*evidence.containers, *evidence.init_containers) if one is not own]
    same = [str(one.get("name")) for one in others if port in witnesses(evidence, one)]
    if own is None or not same:
        return None
    cause = f"containers {excerpt.container} and {', '.join(same)} of its pods all listen on port {port}"
    return Diagnosis(family=FAMILY, cause=cause, confidence=_SURE, rests_on=(f"its log says {match.group(0)[:160]!r}",))


def _inits(evidence: Evidence) -> set[str]:
    """Names of init containers that have to end; a sidecar is meant to run."""
    return {str(one.get("name")) for one in evidence.init_containers if one.get("restartPolicy") != "Always"}


def _failing(evidence: Evidence) -> Iterator[str]:
    inits = _inits(evidence)
    for found in evidence.health.findings:
        if found.symptom is Symptom.CRASH_LOOP and found.container in inits:
            yield found.container


def still_at_work(evidence: Evidence) -> Iterator[str]:
    """The init containers that run and have not come to their end."""
    inits = _inits(evidence)
    for pod in evidence.snapshot.current_pods:
        for status in pod.get("status", {}).get("initContainerStatuses") or ():
            if status.get("name") in inits and (status.get("state") or {}).get("running"):
                yield str(status["name"])


def _waits(evidence: Evidence, name: str) -> bool:
    """Whether the last lines of its log all say that it waits for something, and none that it gets on."""
    lines = [line for one in evidence.logs if one.container == name for line in one.text.splitlines() if line.strip()]
    return bool(lines) and all(_WAITING.search(line) for line in lines[-LAST_LINES:])


def _undone(evidence: Evidence, told: Diagnosis, name: str) -> Opinion | None:
    """The last good revision, where its init containers were others: only then can going back change anything."""
    good = evidence.last_good
    if good is None or not may_roll_back(evidence):
        return None
    before = good.template.get("spec", {}).get("initContainers") or []
    if list(before) == list(evidence.init_containers):
        return None
    ends = next(one for one in SYMPTOMS if one in evidence.health.symptoms)
    return opinion(
        evidence,
        family=FAMILY,
        cause=told.cause,
        rests_on=(*told.rests_on, f"{basis(good)}, with other init containers"),
        ends=ends,
        reason=f"roll back to revision {good.number}, the last one known to work",
        confidence=ONLY_ONE_FITS if _waits(evidence, name) else SUGGESTED,
        action=RollBack(replica_set=good.name, digest=good.digest),
    )
