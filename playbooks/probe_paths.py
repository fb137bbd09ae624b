"""A probe whose path is not there, beside a probe of the same port that asks one that is.

That the sibling's path answers does not say that it was meant. A liveness probe that asks what a readiness probe asks
has every pod killed while a database is away; a readiness probe that asks what a liveness probe asks sends traffic to
pods that are not ready. It is certain only where the last good revision asked that very path, where the wrong one is
a slip of it, or where both say nothing but *health*. Else it is put to a person.
"""

from __future__ import annotations

import re

from incidents.evidence import Evidence
from incidents.masking import is_masked
from incidents.proposals import SetField
from playbooks.confidence import CERTAIN, SUGGESTED
from playbooks.failing_probes import Failure
from playbooks.last_good import basis, good_container
from playbooks.listening import number_of
from playbooks.neighbours import nearest
from playbooks.probe_times import Correction

_NO_SUCH_PATH = re.compile(r"statuscode: 404")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
# Health, and before it only words that say where a program keeps such things: none of what it depends on.
_HEALTH = re.compile(r"/(?:(?:api|actuator|internal|manage(?:ment)?|status|_|q|v\d+)/)*health(?:z|[-_]?check)?/?")


def another_path(evidence: Evidence, failure: Failure, at: str, in_question: frozenset[str]) -> Correction | None:
    """The path of the siblings that do not fail, as far as they agree on one; suggested where nothing says it is meant.

    While a startup probe fails no other has been asked anything, and says nothing of its path.
    """
    asks = failure.present.get("httpGet")
    if not asks or not _NO_SUCH_PATH.search(failure.said) or "startupProbe" in in_question:
        return None
    siblings = _siblings(failure, in_question)
    if len(paths := set(siblings.values())) != 1 or is_masked((meant := paths.pop(), asks.get("path"))):
        return None
    sibling = min(siblings)
    why = _meant(evidence, failure, meant)
    rests_on = f"the {sibling} of the same port asks {meant} and does not fail"
    doubt = f"; whether that is what a {failure.probe} is to find out here is for a person to say"
    return Correction(
        edit=SetField(path=f"{at}/{failure.probe}/httpGet/path", expected=asks.get("path"), value=meant),
        reason=f"ask {meant} in place of {asks.get('path')}{'' if why else doubt}",
        confidence=CERTAIN if why else SUGGESTED,
        rests_on=(rests_on, why) if why else (rests_on,),
    )


def _siblings(failure: Failure, in_question: frozenset[str]) -> dict[str, str]:
    """The paths that the container's other probes ask of the same port, by the probes that do not fail."""
    asked = {
        probe: (failure.container.get(probe) or {}).get("httpGet") or {}
        for probe in _PROBES
        if probe not in in_question
    }
    return {
        probe: str(other.get("path") or "/")
        for probe, other in asked.items()
        if other and number_of(failure.container, other.get("port")) == failure.port
    }


def _meant(evidence: Evidence, failure: Failure, path: str) -> str:
    """What says that this probe was to ask that path; empty where nothing does."""
    before = ((good_container(evidence, failure.name) or {}).get(failure.probe) or {}).get("httpGet") or {}
    if evidence.last_good is not None and before.get("path") == path:
        return f"{basis(evidence.last_good)}, with a {failure.probe} that asked it too"
    asked = str(failure.asks.get("path") or "/")
    if nearest(asked, [path]) is not None:
        return f"{asked} is a slip of it"
    if _HEALTH.fullmatch(asked) and _HEALTH.fullmatch(path):
        return "both ask for its health, and for nothing else"
    return ""
