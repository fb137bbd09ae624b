"""How long a probe waits: for an answer that is begun, and for a program that is killed before it listens.

Fields of core/v1 ``Probe``. More patience is given only to a template that has never been well: what was well before
with the same patience hangs, or has too much to do, and waiting longer would hide that.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from incidents.evidence import Evidence
from incidents.masking import is_masked
from incidents.proposals import SetField
from playbooks.confidence import LIKELY
from playbooks.failing_probes import REFUSED, Failure
from playbooks.last_words import killed_by_probe
from playbooks.listening import named_by_two

START_SECONDS = 300  # what a slow starter is given: half of the time in which a rollout has to make progress
ANSWER_SECONDS = 30  # the longest that an answer is waited for
_TOO_SLOW = re.compile(
    r"exceeded while awaiting headers|timed out after|health rpc did not complete within|context deadline exceeded"
)
_NOT_REACHED = re.compile(r"dial tcp|failed to connect")


class Correction(msgspec.Struct, frozen=True, kw_only=True):
    """One change of a probe, with what it rests on."""

    edit: SetField
    reason: str
    confidence: float
    rests_on: Sequence[str]


def longer_answer(evidence: Evidence, failure: Failure, at: str) -> Correction | None:
    """More time for an answer that is begun and not there in time."""
    if not too_slow(failure):
        return None
    now = failure.present.get("timeoutSeconds")
    longer = min(ANSWER_SECONDS, max(5, 5 * int(now or 1)))
    if longer <= int(now or 1):
        return None
    return Correction(
        edit=SetField(path=f"{at}/{failure.probe}/timeoutSeconds", expected=now, value=longer),
        reason=f"wait {longer} s for an answer in place of {now or 1} s",
        confidence=LIKELY,
        rests_on=(f"it takes the question, and does not answer within {now or 1} s",),
    )


def more_time(evidence: Evidence, failure: Failure, at: str) -> Correction | None:
    """A container that is killed while it starts gets a startup probe that asks what the liveness probe asks.

    Certain only where the port is the one that the container says it listens on: else it would never answer.
    """
    probe = failure.present
    if failure.probe != "livenessProbe" or failure.container.get("startupProbe"):
        return None
    places = killed_before_it_listens(evidence, failure)
    if not places:
        return None
    period = int(probe.get("periodSeconds") or 10)
    asks = {key: value for key, value in probe.items() if key in ("httpGet", "tcpSocket", "grpc", "exec")}
    if is_masked(asks):  # what it asks with is not known whole, and cannot be asked a second time
        return None
    value = {**asks, "periodSeconds": period, "failureThreshold": max(3, START_SECONDS // period)}
    return Correction(
        edit=SetField(path=f"{at}/startupProbe", expected=None, value=value),
        reason=f"give {failure.name} {START_SECONDS} s to start before it is asked whether it lives",
        confidence=LIKELY,
        rests_on=places,
    )


def longer_start(evidence: Evidence, failure: Failure, at: str) -> Correction | None:
    """A startup probe that gives up before the program listens, given as long as any slow starter."""
    probe = failure.present
    if failure.probe != "startupProbe":
        return None
    period, times = int(probe.get("periodSeconds") or 10), probe.get("failureThreshold")
    enough = max(3, START_SECONDS // period)
    places = killed_before_it_listens(evidence, failure)
    if not places or enough <= int(times or 3):
        return None
    return Correction(
        edit=SetField(path=f"{at}/startupProbe/failureThreshold", expected=times, value=enough),
        reason=f"give {failure.name} {START_SECONDS} s to start in place of {period * int(times or 3)} s",
        confidence=LIKELY,
        rests_on=places,
    )


def too_slow(failure: Failure) -> bool:
    """Whether the program was reached, and its answer was not there in time."""
    return bool(_TOO_SLOW.search(failure.said)) and not _NOT_REACHED.search(failure.said)


def killed_before_it_listens(evidence: Evidence, failure: Failure) -> tuple[str, ...]:
    """The places that name the port, and that it is killed for not listening there; empty where that is not said."""
    if not REFUSED.search(failure.said) or not killed_by_probe(evidence, failure.name):
        return ()
    places = named_by_two(evidence, failure.container, failure.port)
    return (*places, "it is killed before it listens") if places else ()
