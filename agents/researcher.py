"""Researcher: looks a failure up, on the web when Tavily is configured, in the shipped runbooks otherwise."""

from __future__ import annotations

import re

import structlog

from agents.standing import Standing, Turn
from incidents.evidence import Evidence
from tools.search.contract import Search, SearchError

FINDINGS = 3
# What messages quote or spell as a place: images, keys, other objects. A class of failure is described without them.
_PLACES = re.compile(r"\"[^\"]*\"|(?<!\w)'[^']*'(?!\w)|\S*[/@=_]\S*")

log = structlog.get_logger(__name__)


class Researcher:
    """Searches with the symptom and the event's words; names of the user's own things stay at home."""

    def __init__(self, search: Search) -> None:
        self._search = search

    async def work(self, standing: Standing, evidence: Evidence | None) -> Turn:
        """What was found, with its sources; that nothing was found is an answer too."""
        try:
            findings = await self._search.find(query_of(standing, evidence), limit=FINDINGS)
        except SearchError as error:
            log.warning("researcher.failed", incident=standing.incident.id, error=str(error))
            return Turn(text=f"The search failed: {error}")
        if not findings:
            return Turn(text="Nothing was found about this failure.")
        return Turn(text="\n\n".join(f"{item.title} ({item.source})\n{item.excerpt[:700]}" for item in findings))


def query_of(standing: Standing, evidence: Evidence | None) -> str:
    """The words to search for: the class of failure and its wording, without the names of this cluster's objects."""
    signal = standing.incident.last_signal
    details = [finding.detail for finding in evidence.health.findings[:1]] if evidence is not None else []
    symptoms = sorted(evidence.health.symptoms) if evidence is not None else [signal.symptom]
    text = " ".join(["kubernetes", *symptoms, signal.reason, *details, signal.message])
    text = _PLACES.sub(" ", text)
    for name in sorted(_names(standing, evidence), key=len, reverse=True):
        text = re.sub(rf"(?<![\w.-]){re.escape(name)}[\w.-]*", " ", text)
    return " ".join(text.split())


def _names(standing: Standing, evidence: Evidence | None) -> set[str]:
    """What the user has given names to, as far as it is known here."""
    subject, signal = standing.incident.subject, standing.incident.last_signal
    names = {subject.name, subject.namespace, signal.about.name}
    if evidence is not None:
        names |= {str(container.get("name", "")) for container in evidence.containers}
        names |= {pod["metadata"]["name"] for pod in evidence.snapshot.pods}
        names |= {str(pod.get("spec", {}).get("nodeName", "")) for pod in evidence.snapshot.pods}
    return names - {""}
