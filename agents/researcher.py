"""Researcher: looks a failure up, on the web when Tavily is configured, in the shipped runbooks otherwise."""

from __future__ import annotations

import structlog

from agents.standing import Standing, Turn
from incidents.evidence import Evidence
from tools.search.contract import Search, SearchError

FINDINGS = 3

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
    subject, signal = standing.incident.subject, standing.incident.last_signal
    details = [finding.detail for finding in evidence.health.findings[:1]] if evidence is not None else []
    symptoms = sorted(evidence.health.symptoms) if evidence is not None else [signal.symptom]
    text = " ".join(["kubernetes", *symptoms, signal.reason, *details, signal.message])
    for name in {subject.name, subject.namespace, signal.about.name}:
        text = text.replace(name, " ") if name else text
    return text
