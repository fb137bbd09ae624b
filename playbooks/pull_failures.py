"""What kubelet and registry say of an image that cannot be pulled: not there, not allowed, not now, in a few kinds.

Words of containerd, of the distribution specification's errors and of pkg/kubelet/images in Kubernetes v1.36. The state
of the container is written by its kubelet alone; events can be written by others, and count only where it says nothing.
"""

from __future__ import annotations

import re
from enum import StrEnum

import msgspec

from incidents.evidence import Evidence
from incidents.proposals import Diagnosis

_FAMILY = "image"  # that of the playbook it speaks for


class Kind(StrEnum):
    """Why there is no image."""

    NEVER = "may not be pulled"
    PLATFORM = "built for other nodes"
    UNREADABLE = "no name of an image"
    EITHER = "missing or hidden"
    MISSING = "not there"
    REFUSED = "access refused"
    LIMITED = "asked too often"
    AWAY = "the registry is away"
    UNKNOWN = "nothing is said"


# The first that is found counts. What containerd says when a registry will not tell a missing repository from one it
# hides has the words of both in it.
_SAID: tuple[tuple[Kind, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        (Kind.NEVER, r"not present with pull policy of Never|ErrImageNeverPull"),
        (Kind.PLATFORM, r"no match for platform|no matching manifest for"),
        (Kind.UNREADABLE, r"InvalidImageName|couldn't parse image|Failed to apply default image tag"),
        (Kind.EITHER, r"(?:repository )?does not exist or may require [^,;:\n]*"),
        (Kind.MISSING, r"not found|manifest unknown|name unknown|does not exist"),
        (Kind.LIMITED, r"\b429\b|toomanyrequests|rate limit"),
        (Kind.REFUSED, r"\b401\b|\b403\b|unauthori[sz]ed|denied|forbidden|authentication required"),
        (Kind.AWAY, r"\b50[0-9] |timeout|connection refused|no such host|server misbehaving|EOF\b"),
    )
)
_CAUSES = {
    Kind.NEVER: ("which no node has and which may not be pulled (imagePullPolicy Never)", 0.95),
    Kind.PLATFORM: ("which was built for another processor architecture than the nodes'", 0.95),
    Kind.UNREADABLE: ("which is no name of an image and does not exist", 0.95),
    Kind.EITHER: ("which does not exist, or is private and needs a pull secret", 0.9),
    Kind.MISSING: ("which does not exist", 0.95),
    Kind.REFUSED: ("to which the registry refuses access: a pull secret is missing or wrong", 0.95),
    Kind.LIMITED: ("and the registry does not answer: it was asked too often (429)", 0.9),
    Kind.AWAY: ("and the registry does not answer as it should", 0.85),
}
_GONE = "which ran here before and does not exist any more: its tag was removed, or moved to another architecture"


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """One container whose image cannot be pulled: what it asks for, why there is none, and the line that says so."""

    container: str
    image: str
    kind: Kind
    said: str


def failure_of(evidence: Evidence, container: str, image: str) -> Failure:
    """What is said of one container's image."""
    states = [finding.detail for finding in evidence.health.findings if finding.container == container]
    events = [line.message for line in evidence.events if image and image in line.message]
    # The reference itself is left out: its words were chosen by whoever wrote it.
    for texts in (states, events):
        lines = "\n".join(texts).splitlines() if image else []
        for kind, pattern in _SAID:
            line = next((line for line in lines if pattern.search(line.replace(image, ""))), None)
            if line is not None:
                return Failure(container=container, image=image, kind=kind, said=line[-200:])
    return Failure(container=container, image=image, kind=Kind.UNKNOWN, said=" ".join(states)[:200])


def told(failure: Failure, *, ran_before: bool = False) -> Diagnosis:
    """The cause in words, for the person who gets it where nothing is changed."""
    asks = f"container {failure.container} asks for {failure.image}"
    cause, confidence = _CAUSES.get(failure.kind, ("", 0.8))
    if ran_before and failure.kind in (Kind.MISSING, Kind.EITHER, Kind.PLATFORM):
        cause = _GONE
    return Diagnosis(
        family=_FAMILY,
        cause=f"{asks}, {cause}" if cause else f"{asks}, and it cannot be pulled",
        confidence=confidence,
        rests_on=(failure.said or "nothing is said about why",),
    )
