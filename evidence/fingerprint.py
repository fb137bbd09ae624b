"""What makes two readings the same problem: a digest of the evidence without what differs from minute to minute.

Times, counts, pod names and uids are left out, and so are numbers in the texts but exit codes: a back-off that grows,
a pod that was made anew, the hundredth occurrence of an event are no news. Nor is in which half of its loop a container
is just now: what a back-off says is left out, and the logs of the two last runs are one. The spec, the symptoms,
exit codes, the wording of events and logs and the rollout history count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from incidents.codec import digest
from incidents.evidence import EventLine, Evidence, WantKind
from incidents.objects import Manifest

_WAITS = re.compile(r"Error: (?:ErrImagePull|ImagePullBackOff|CrashLoopBackOff)")
_LINES = 60  # of each log's end: what explains a crash stands there
_CODE = re.compile(r"\b(exit ?code|status|signal|code)\W{0,3}(\d{1,3})\b", re.IGNORECASE)
_MOMENT = re.compile(r"\d{4}[-/]\d{2}[-/]\d{2}[T ]?[0-9:.,]*(?:Z|[+-]\d{2}:?\d{2})?")
_IDENTIFIER = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F-]{20,40}|\b(?:0x)?[0-9a-fA-F]*\d[0-9a-fA-F]{7,64}\b")
_NUMBER = re.compile(r"\d+")
_DURATION = re.compile(r"(?:#(?:\.#)?(?:h|ms|m|s|µs))+")
_REPEATED = re.compile(r"\(x# over [^)]{0,40}\)")
_MEASURED = f"{WantKind.USAGE}:"  # another amount at every look, of the same trouble
_LETTERS = str.maketrans("0123456789", "abcdefghij")


def fingerprint(evidence: Evidence) -> str:
    """The canonical digest of a reading, 64 hex digits."""
    subject, health = evidence.subject, evidence.health
    names = _own_names(evidence)
    return digest(
        [subject.cluster, subject.kind, subject.namespace, subject.name, subject.manager],
        evidence.present,
        evidence.template,
        sorted({(f.symptom, f.container, "" if f.container else _shape(f.detail, names)) for f in health.findings}),
        sorted({end for pod in evidence.snapshot.current_pods for end in _ends(pod)}),
        sorted({(one.reason, _shape(one.message, names)) for one in evidence.events if _tells(one)}),
        sorted({(one.container, line) for one in evidence.logs for line in _lines(one.text, names)}),
        sorted((one.digest, one.good) for one in evidence.revisions),
        {key: sorted(values) for key, values in evidence.answers.items() if not key.startswith(_MEASURED)},
        sorted(evidence.snapshot.missing),
        sorted(evidence.affects),
    )


def _own_names(evidence: Evidence) -> tuple[str, ...]:
    """Names that controllers made up, the longest first: a pod's begins with that of its ReplicaSet."""
    made = [*evidence.snapshot.pods, *evidence.snapshot.replica_sets]
    names = {str(item["metadata"]["name"]) for item in made} - {evidence.subject.name}
    return tuple(sorted(names, key=lambda name: (-len(name), name)))


def _tells(event: EventLine) -> bool:
    """Whether an event says more than that something is waited for."""
    return event.type == "Warning" and event.reason != "BackOff" and not _WAITS.match(event.message)


def _ends(pod: Manifest) -> Iterator[tuple[str, str, int]]:
    """How the containers of a pod have ended: container, reason, exit code."""
    status = pod.get("status", {})
    for one in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        for state in (one.get("state") or {}, one.get("lastState") or {}):
            if ended := state.get("terminated"):
                yield str(one.get("name")), str(ended.get("reason", "")), int(ended.get("exitCode") or 0)


def _lines(text: str, names: Iterable[str]) -> set[str]:
    return {_shape(line, names) for line in text.splitlines()[-_LINES:]} - {""}


def _shape(text: str, names: Iterable[str]) -> str:
    """What a text says once names, moments, ids and numbers are taken out of it."""
    for name in names:
        text = text.replace(name, "@")
    text = _IDENTIFIER.sub("#", _MOMENT.sub("#", text[:2000]))
    text = _CODE.sub(lambda found: f"{found[1]} {found[2].translate(_LETTERS)}", text)
    return _REPEATED.sub("", _DURATION.sub("#", _NUMBER.sub("#", text))).strip()
