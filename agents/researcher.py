"""Researcher: looks a failure up, in the shipped runbooks always, and on the web when Tavily is configured.

Pages of the web are data. Without a model they are quoted with their source; with one, it says which claims of theirs
fit, and a claim that names no page that was found is dropped. Either way they are something to read, never a reason
for a change.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import structlog

from agents.answers import Claims
from agents.prompts import fenced
from agents.reasoning import Reasoning
from agents.standing import Standing, Turn
from evidence.redaction import mask_text
from incidents.codec import digest
from incidents.evidence import Evidence
from incidents.signals import clean
from tools.search.combined import FAILED, RUNBOOK
from tools.search.contract import Finding, Search, SearchError

FINDINGS = 3
RUNBOOKS = 1  # the one that fits best: of three, two are about something else
NOTHING = "Nothing was found about this failure."
_PAGE_OF = {  # of a family that has one
    "admission": "quota-and-limits",
    "command": "crash-loop",
    "crash": "crash-loop",
    "crash-after-rollout": "crash-loop",
    "image": "image-pull",
    "init": "crash-loop",
    "jobs": "jobs",
    "memory": "out-of-memory",
    "probes": "probes",
    "quota": "quota-and-limits",
    "references": "missing-config",
    "scheduling": "scheduling",
    "service": "service-routing",
    "storage": "storage",
}
AGENT = "researcher"
# What messages quote or spell as a place: images, keys, other objects. A class of failure is described without them.
_PLACES = re.compile(r"\"[^\"]*\"|(?<!\w)'[^']*'(?!\w)|\S*[/@=_]\S*")

log = structlog.get_logger(__name__)


class Researcher:
    """Searches with the symptom and the event's words; names of the user's own things stay at home."""

    def __init__(self, search: Search, *, reasoning: Reasoning | None = None) -> None:
        self._search = search
        self._reasoning = reasoning

    async def work(self, standing: Standing, evidence: Evidence | None) -> Turn:
        """What was found, with its sources; that nothing was found is an answer too."""
        query, family = query_of(standing, evidence), _family(standing)
        try:
            found = await self._search.find(query, limit=FINDINGS)
        except SearchError as error:
            log.warning("researcher.failed", incident=standing.incident.id, error=str(error))
            return Turn(text=f"The search failed: {error}")
        failed = [item for item in found if item.source == FAILED]
        runbooks = _fitting([item for item in found if item.source.startswith(RUNBOOK)], family)
        pages = [item for item in found if item not in failed and not item.source.startswith(RUNBOOK)]
        read = map(_named if family else _quoted, runbooks)
        told = [*await self._claims(standing, query, pages), *map(_quoted, failed), *read]
        return Turn(text="\n\n".join(told) if told else NOTHING)

    async def _claims(self, standing: Standing, query: str, found: Sequence[Finding]) -> list[str]:
        """What of the pages fits, in a model's words and with its source; without a model the pages themselves."""
        answer = None
        if found and self._reasoning is not None:
            answer = await self._reasoning.ask(
                AGENT,
                Claims,
                question_of(query, found, room_bytes=self._reasoning.prompt(AGENT).room_bytes),
                incident=standing.incident,
                fingerprint=digest(query, [(one.source, one.excerpt) for one in found]),
            )
        if answer is None:
            return [_quoted(item) for item in found]
        sources = {one.source for one in found}
        kept = [claim for claim in answer.claims if claim.source in sources]
        return [f"- {clean(mask_text(claim.text), 400)} ({claim.source})" for claim in kept]


def question_of(query: str, found: Sequence[Finding], *, room_bytes: int) -> str:
    """The failure and the findings in so many bytes, each finding between marks of its own."""
    head = f"The failure:\n{fenced(query, 600)}"
    room = (room_bytes - len(head.encode()) - 40) // max(len(found), 1) - 1
    return "\n".join([head, *(fenced(f"source: {one.source}\n{one.title}\n{one.excerpt}", room) for one in found)])


def query_of(standing: Standing, evidence: Evidence | None) -> str:
    """The words to search for: the class of failure and its wording, without the names of this cluster's objects."""
    signal = standing.incident.last_signal
    details = [finding.detail for finding in evidence.health.findings[:1]] if evidence is not None else []
    symptoms = sorted(evidence.health.symptoms) if evidence is not None else [signal.symptom]
    text = " ".join(["kubernetes", _family(standing), *symptoms, signal.reason, *details, signal.message])
    text = _PLACES.sub(" ", text)
    for name in sorted(_names(standing, evidence), key=len, reverse=True):
        text = re.sub(rf"(?<![\w.-]){re.escape(name)}[\w.-]*", " ", text)
    return " ".join(text.split())


def _quoted(item: Finding) -> str:
    return f"{item.title} ({item.source})\n{item.excerpt[:700]}"


def _family(standing: Standing) -> str:
    """The family of what is known already; empty where nothing is."""
    diagnosis = standing.current.diagnosis if standing.current is not None else None
    return diagnosis.family if diagnosis is not None else ""


def _fitting(runbooks: Sequence[Finding], family: str) -> list[Finding]:
    """The page that fits best; where the family is known, its own page and no other."""
    own = [item for item in runbooks if item.source == f"{RUNBOOK}{_PAGE_OF.get(family, '')}"]
    return (own if family else list(runbooks))[:RUNBOOKS]


def _named(item: Finding) -> str:
    """Where to read about what is known already: its general description would hide the particular one."""
    return f"{item.title} ({item.source})"


def _names(standing: Standing, evidence: Evidence | None) -> set[str]:
    """What the user has given names to, as far as it is known here."""
    subject, signal = standing.incident.subject, standing.incident.last_signal
    names = {subject.name, subject.namespace, signal.about.name}
    if evidence is not None:
        names |= {str(container.get("name", "")) for container in evidence.containers}
        names |= {pod["metadata"]["name"] for pod in evidence.snapshot.pods}
        names |= {str(pod.get("spec", {}).get("nodeName", "")) for pod in evidence.snapshot.pods}
    return names - {""}
