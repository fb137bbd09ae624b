"""HelpSeeker: hands the case to a person, or asks for a decision.

One message for each request and one for the end of the work, through the outbox, so that they outlive a crash. Its
facts are ours; a model may word a summary of them, and no sentence of it names what is not in them.
"""

from __future__ import annotations

from dataclasses import replace

import structlog

from agents.answers import Summary
from agents.case_notice import case_notice, request_notice
from agents.commands import Commands
from agents.prompts import fenced
from agents.reasoning import Reasoning
from agents.standing import Standing, Turn
from agents.wording import only_known
from evidence.fingerprint import fingerprint
from incidents.codec import digest
from incidents.decisions import DecisionKind, Request, undone_lately
from incidents.evidence import Evidence
from incidents.incident import Incident, Outcome
from incidents.policy import Mode
from tools.notify.contract import Notice, Section
from tools.notify.outbox import Outbox
from tools.store import Store

AGENT = "help_seeker"

log = structlog.get_logger(__name__)


class HelpSeeker:
    """Writes the case down for a person and sees that it is delivered."""

    def __init__(
        self,
        store: Store,
        outbox: Outbox,
        mode: Mode,
        commands: Commands | None = None,
        *,
        reasoning: Reasoning | None = None,
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._mode = mode
        self._commands = commands or Commands()
        self._reasoning = reasoning

    async def work(self, standing: Standing, evidence: Evidence | None) -> Turn:
        """Queue the message and try to deliver it. An outcome is escalated if none was set and nobody is asked."""
        request = await self._store.request(standing.request) if standing.request else None
        if request is not None:
            return await self._ask(standing, request, evidence)
        outcome = standing.outcome or await self._outcome(standing.incident)
        kept = [change for change in await self._store.changes(standing.incident.id) if change.stands]
        key = await handed_over_key(self._store, standing.incident)
        notice = case_notice(standing, outcome, evidence, kept, mode=self._mode, key=key, commands=self._commands)
        notice = await self._worded(standing, notice, evidence)
        if await self._store.enqueue(notice):
            await self._store.note(standing.incident.id, "told", title=notice.title)
        await self._outbox.deliver()
        return Turn(text=f"A person has been told: {notice.title}", outcome=outcome)

    async def _worded(self, standing: Standing, notice: Notice, evidence: Evidence | None) -> Notice:
        """The notice with a model's summary, as far as every fact in that is ours; one opinion of a model is enough."""
        reasoning = self._reasoning
        thought = any(entry.thought is not None and entry.thought.diagnosis is not None for entry in standing.rounds)
        if reasoning is None or thought or not reasoning.knows(AGENT, standing.incident):
            return notice
        facts = [notice.title, *(line for section in notice.sections for line in (section.heading, *section.lines))]
        question = f"The facts:\n{fenced(chr(10).join(facts), reasoning.prompt(AGENT).room_bytes - 20)}"
        rounds = [(one.diagnosis, one.proposal, one.verdict, one.verification) for one in standing.rounds]
        case = digest(fingerprint(evidence) if evidence is not None else "", rounds, standing.outcome)
        summary = await reasoning.ask(AGENT, Summary, question, incident=standing.incident, fingerprint=case)
        said = only_known(summary.sentences, facts) if summary is not None else []
        if not said:
            return notice
        worded = Section(heading="In other words (a model's, of these facts alone)", lines=tuple(said))
        return replace(notice, sections=(*notice.sections, worded))

    async def _outcome(self, incident: Incident) -> Outcome:
        """How it ends where nobody has said so: a crash may have come right after the last change was taken back."""
        changes = await self._store.changes(incident.id)
        lately = undone_lately(changes, await self._store.decisions(incident.id))
        return Outcome.ROLLED_BACK if lately and not any(one.stands for one in changes) else Outcome.ESCALATED

    async def _ask(self, standing: Standing, request: Request, evidence: Evidence | None) -> Turn:
        kept = [change for change in await self._store.changes(standing.incident.id) if change.stands]
        notice = request_notice(standing, request, evidence, kept, self._commands)
        if await self._store.enqueue(notice):
            await self._store.note(standing.incident.id, "told", title=notice.title)
        await self._outbox.deliver()
        return Turn(text=f"A person has been asked: {self._commands.approve(request.id)}")


async def handed_over_key(store: Store, incident: Incident) -> str:
    """The key of the one message that ends the work on an incident: another one after each `retry`."""
    retries = sum(one.kind is DecisionKind.RETRY for one in await store.decisions(incident.id))
    return f"{incident.id}/handed-over" + (f"/{retries}" if retries else "")
