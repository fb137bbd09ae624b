"""Observe: re-reads the world before anything is decided, and asks the playbooks.

An event is a hint. Whoever enters here, from the scraper, from a notebook or in plain words, has the subject
read again; what the playbooks say rests on that reading alone.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import structlog
from langchain_core.messages import HumanMessage

from agents.proposing import still_fits
from evidence.collector import Collector, SubjectGone
from evidence.effects import explained_by
from evidence.readings import Readings
from evidence.redaction import mask_text
from evidence.snapshots import signalled
from graph.state import State, opening, said
from incidents.changes import Change, ChangeState
from incidents.codec import to_json
from incidents.decisions import outcome_of_well, rounds_allowed
from incidents.evidence import Evidence
from incidents.health import State as HealthState
from incidents.incident import Incident, Outcome, Round, Status
from incidents.objects import IncidentId, ObjectRef, Uid, reference
from incidents.patience import Patience
from incidents.proposals import Needs, Opinion, Silent
from incidents.signals import Signal, Source
from incidents.symptoms import symptom_of
from incidents.words import PlainWords, UnclearWords, json_object, parse_fields, parse_words
from playbooks import consult
from tools.cluster.errors import NotFound
from tools.cluster.owners import Owners
from tools.cluster.reader import Reader
from tools.store import Store

WORDS_LEASE_SECONDS = 900.0  # longer than three verifications of an ordinary workload; given back at FINISH
MORE_READINGS = 3  # how often playbooks may ask for more

_MADE = frozenset({ChangeState.APPLIED, ChangeState.VERIFIED, ChangeState.KEPT, ChangeState.UNDONE})
_HALF_WAY = frozenset({ChangeState.SENT, ChangeState.UNDOING})
_ON_ITS_WAY = _HALF_WAY | {ChangeState.APPLIED}

log = structlog.get_logger(__name__)


class Observe:
    """The graph's first node, and the first of every further round."""

    def __init__(
        self,
        *,
        reader: Reader,
        owners: Owners,
        store: Store,
        collector: Collector,
        rounds: int,
        now: Callable[[], datetime],
        patience: Patience,
        readings: Readings | None = None,
        leases: bool = False,
    ) -> None:
        """``leases``: every run takes the subject's lease itself; without it a runner's bring their own."""
        self._reader = reader
        self._owners = owners
        self._store = store
        self._collector = collector
        self._rounds = rounds
        self._now = now
        self._leases = leases
        self._patience = patience
        self._readings = readings or Readings(now)

    async def __call__(self, state: State) -> dict[str, Any]:
        """Read the world and say what it looks like."""
        try:
            incident, words = await self._incident(state)
        except UnclearWords as error:
            return _only_shown(f"I did not understand: {error}")
        except NotFound as error:
            return _only_shown(f"There is nothing to look at: {error}")
        if (words or self._leases) and (text := over(incident)):
            return {**_view(incident, []), **_only_shown(text)}
        lease = str((state.get("incident") or {}).get("lease", ""))
        if words or (self._leases and not lease):
            lease = f"words/{uuid.uuid4()}"  # the scraper's runs bring a lease of their own
        if (words or self._leases) and not await self._take(incident, lease):
            text = f"{incident.subject} is being worked on by another run"
            return {**_view(incident, []), **_only_shown(text)}
        try:
            view = await self._look(incident, first=bool(words) or not _continues(state, incident))
            return {**view, "incident": {**view["incident"], "lease": lease}}
        except SubjectGone:
            if (between := await self._between(incident, lease=lease)) is not None:
                return between
            text = f"{incident.subject} is gone"
            outcome = {"outcome": Outcome.SUPPRESSED.value, "summary": text}
            view = _view(incident, await self._store.rounds(incident.id), lease=lease)
            return {**view, "outcome": outcome, "messages": [opening(text)]}
        except BaseException:  # a cancelled run too: nothing comes after this that would give the lease back
            if words or self._leases:
                await asyncio.shield(self._store.release_lease(incident.subject.lease, lease))
            raise

    async def _between(self, incident: Incident, *, lease: str) -> dict[str, Any] | None:
        """What is seen of a subject that a change has deleted and not made anew yet; AutoFixer goes on with it."""
        changes = await self._store.changes(incident.id)
        if not any(change.between for change in changes):
            return None
        rounds = await self._caught_up(incident, changes, await self._store.rounds(incident.id))
        text = f"{incident.subject} was deleted to be made anew, and is not there"
        return {**_view(incident, rounds, lease=lease), "messages": [said("Observe", text)]}

    async def _take(self, incident: Incident, lease: str) -> bool:
        return await self._store.acquire_lease(incident.subject.lease, lease, seconds=WORDS_LEASE_SECONDS)

    # --- who is meant

    async def _incident(self, state: State) -> tuple[Incident, bool]:
        """The incident to work on, and whether it came in as plain words."""
        messages = state.get("messages", [])
        last = messages[-1] if messages else None
        if isinstance(last, HumanMessage):
            text = _text(last)
            fields = json_object(text)
            if fields is None:
                return await self._from_words(parse_words(text)), True
            return await self._known(fields) or await self._from_words(parse_fields(fields)), True
        given = state.get("incident") or {}
        found = await self._known(given)
        if found is not None:
            return found, False
        if set(given) <= {"id"}:
            raise UnclearWords("the input names no incident of this store and no workload in plain words")
        return await self._from_words(parse_fields(given)), True

    async def _known(self, given: Mapping[str, Any]) -> Incident | None:
        return await self._store.incident(IncidentId(str(given.get("id", ""))))

    async def _from_words(self, words: PlainWords) -> Incident:
        target = await self._reader.get(words.kind, words.namespace, words.name)
        about = reference({"apiVersion": words.kind.api_version, "kind": words.kind.kind, **target})
        subject = await self._owners.subject(about)
        if subject is None:
            raise UnclearWords(f"{about} belongs to nothing this program works on")
        incident, _ = await self._store.open_or_join(subject, spoken_signal(about, words.event, self._now()))
        return incident

    # --- what it looks like

    async def _look(self, incident: Incident, *, first: bool) -> dict[str, Any]:
        evidence = await self._collected(incident)
        changes, known, decisions = await asyncio.gather(
            self._store.changes(incident.id), self._store.rounds(incident.id), self._store.decisions(incident.id)
        )
        rounds = await self._caught_up(incident, changes, known)
        stands = any(change.stands for change in changes)
        if evidence.health.state is not HealthState.FAILING and not stands and not self._drags_on(incident, evidence):
            if evidence.health.state is HealthState.STARTING and _put_back(changes):
                return self._starts_anew(incident, evidence, rounds)
            ended = outcome_of_well(changes, decisions)
            return await self._not_failing(incident, evidence, rounds, first=first, ended=ended)
        number = len(rounds) + (0 if rounds and not rounds[-1].tried else 1)
        if _unverified(rounds):
            answer: Silent | Opinion = Silent("what was changed has not been verified yet")
            begun = None
        else:
            answer, evidence = await self._ask_playbooks(evidence, rounds)
            begun = None
            if number <= rounds_allowed(decisions, self._rounds):
                begun = _thought_before(rounds[number - 1 :], answer, evidence) or _round(number, answer)
                rounds = [*rounds[: number - 1], begun]
        text = _describe(evidence, answer)
        said_of = {"round": number, "health": evidence.health, "says": text}
        await self._store.save_observation(incident.id, number, evidence, entry=begun, detail=said_of)
        log.info("incident.observed", incident=incident.id, subject=str(incident.subject), round=number)
        message = opening(text) if first else said("Observe", text)
        view = {**_view(incident, rounds, evidence), "messages": [message]}
        blames = isinstance(answer, Silent) and answer.diagnosis is not None and answer.diagnosis.blames is not None
        until = self._patience.until(incident, evidence.health, blames_another=blames)
        begun_with = stands or any(entry.tried and not entry.put_off for entry in rounds)
        if isinstance(answer, Opinion) or begun_with or evidence.taken_at >= until:
            return view
        return {**view, "outcome": self._waited(incident, evidence, until)}

    def _waited(self, incident: Incident, evidence: Evidence, until: datetime) -> dict[str, Any]:
        """Nobody is told before ``until``; it is looked at again before that, and when another symptom is told of."""
        # With those that were known before: two that take turns do not have it looked at each time.
        symptoms = evidence.health.symptoms
        known = {*symptoms, incident.last_signal.symptom, *incident.waited_out}
        return {
            "parked_until": self._patience.next_look(until, evidence.taken_at).isoformat(),
            "waited_out": sorted(symptom.value for symptom in known),
            "summary": f"nobody is told of {', '.join(sorted(symptoms))} before {until:%H:%M:%S} UTC:"
            " it may pass by itself",
        }

    def _starts_anew(self, incident: Incident, evidence: Evidence, rounds: list[Round]) -> dict[str, Any]:
        """What was put back begins as it began before, and is looked at again once it has had time to fail."""
        until = self._patience.next_look(evidence.health.until or evidence.taken_at, evidence.taken_at)
        text = f"{incident.subject} has been put back, and is starting"
        outcome = {"parked_until": until.isoformat(), "summary": text}
        return {**_view(incident, rounds, evidence), "messages": [said("Observe", text)], "outcome": outcome}

    def _drags_on(self, incident: Incident, evidence: Evidence) -> bool:
        """Whether it is still starting, and has been for longer than any start takes: a person has to see it."""
        starting = evidence.health.state is HealthState.STARTING
        return starting and self._patience.start_is_over(incident, evidence.snapshot.workload, evidence.taken_at)

    async def _collected(self, incident: Incident) -> Evidence:
        """The evidence; the state in it is grace's reading where a run begins with one, and read anew where not."""
        good, explained = await asyncio.gather(
            self._store.good_revisions(incident.subject), explained_by(self._store, incident)
        )
        return await self._collector.collect(
            incident.subject,
            good=good,
            beside=signalled(incident),
            explained=[one.subject for one in explained],
            reading=self._readings.take(incident),
        )

    async def _caught_up(self, incident: Incident, changes: Sequence[Change], known: Sequence[Round]) -> list[Round]:
        """The rounds, with what the store knows of their changes: a crash may have come between the two."""
        rounds = []
        for entry in known:
            made = next((one for one in changes if one.round == entry.number and one.state in _MADE), None)
            sent = next((one for one in changes if one.round == entry.number and one.state in _HALF_WAY), None)
            if made is None and sent is not None:
                rounds.append(msgspec.structs.replace(entry, change_state=sent.state))  # AutoFixer looks it up
                continue
            caught_up = entry
            if made is not None:
                caught_up = msgspec.structs.replace(
                    entry, proposal=made.proposal, change=made.id, change_state=made.state
                )
            if caught_up != entry:
                await self._store.save_round(incident.id, caught_up)
            rounds.append(caught_up)
        return rounds

    async def _ask_playbooks(self, evidence: Evidence, rounds: list[Round]) -> tuple[Silent | Opinion, Evidence]:
        for _ in range(MORE_READINGS):
            answer = consult(evidence, rounds)
            if not isinstance(answer, Needs):
                return answer, evidence
            evidence = await self._collector.answer(evidence, answer.wants)
        answer = consult(evidence, rounds)
        return (Silent("the playbooks keep asking for more") if isinstance(answer, Needs) else answer), evidence

    async def _not_failing(
        self, incident: Incident, evidence: Evidence, rounds: list[Round], *, first: bool, ended: Outcome
    ) -> dict[str, Any]:
        health = evidence.health
        text = f"{incident.subject} is {health.state}: {health.ready} of {health.desired} ready, nothing fails"
        await self._store.save_observation(
            incident.id, len(rounds) + 1, evidence, detail={"health": health, "says": text}
        )
        outcome = {"outcome": ended.value, "summary": text}
        message = opening(text) if first else said("Observe", text)
        return {**_view(incident, rounds, evidence), "outcome": outcome, "messages": [message]}


def over(incident: Incident) -> str:
    """Why nothing is tried on an incident now, whatever a thread remembers of it; empty while it is worked on."""
    if incident.status is Status.HANDED_OVER:
        return f"{incident.subject} was handed over already ({incident.outcome}): {incident.summary}"
    if incident.status is Status.CLOSED:
        return f"{incident.subject} is over already ({incident.outcome}): {incident.summary}"
    return ""


def spoken_signal(about: ObjectRef, event: str, now: datetime, source: Source = Source.WORDS) -> Signal:
    """What a person says they saw, as a signal."""
    reason = next((r for r in ("BackOff", "Failed") if symptom_of(r, event) != "other"), "Reported")
    return Signal(
        about=about,
        reason=reason,
        symptom=symptom_of(reason, event),
        message=mask_text(event[:1024]),
        first_seen=now,
        last_seen=now,
        source=source,
        event_uid=Uid(""),
    )


def _text(message: HumanMessage) -> str:
    if isinstance(message.content, str):
        return message.content
    return " ".join(str(part.get("text", "")) for part in message.content if isinstance(part, dict))


def _continues(state: State, incident: Incident) -> bool:
    """Whether this thread has observed this incident before."""
    body = (state.get("incident") or {}).get("body") or {}
    return bool(body.get("id") == incident.id and state.get("messages"))


def _put_back(changes: Sequence[Change]) -> bool:
    """Whether the last change ended with its object created again as it was."""
    return bool(changes) and changes[-1].anew is not None and changes[-1].state is ChangeState.UNDONE


def _unverified(rounds: Sequence[Round]) -> bool:
    """Whether a change still has to be judged, or looked up: until then there is nothing to propose."""
    return any(entry.change_state in _ON_ITS_WAY and entry.verification is None for entry in rounds)


def _round(number: int, answer: Silent | Opinion) -> Round:
    if isinstance(answer, Silent):
        return Round(number=number, diagnosis=answer.diagnosis)
    return Round(number=number, diagnosis=answer.diagnosis, proposal=answer.proposal)


def _thought_before(begun: Sequence[Round], answer: Silent | Opinion, evidence: Evidence) -> Round | None:
    """The round as a model has begun it, while the playbooks are silent and the world is as its proposal needs it.

    A person who is asked for it is asked for this one; and what is thought through is not paid for twice.
    """
    for entry in begun:
        proposal = entry.proposal
        if proposal is not None and proposal.by_model and isinstance(answer, Silent) and still_fits(proposal, evidence):
            return entry
    return None


def _describe(evidence: Evidence, answer: Silent | Opinion) -> str:
    health = evidence.health
    found = "; ".join(f"{f.symptom} in {f.pod or 'the workload'}: {f.detail[:160]}" for f in health.findings[:3])
    count = f", {health.ready} of {health.desired} ready" if evidence.subject.is_workload else ""
    head = f"{evidence.subject}: {health.state}{count}. {found}"
    if isinstance(answer, Silent):
        told = answer.diagnosis
        if told is None:
            return f"{head}\nNo playbook is certain: {answer.because}"
        return f"{head}\n{told.family}: {told.cause} ({told.confidence:.2f}); nothing is proposed: {told.because}"
    return f"{head}\n{answer.diagnosis.cause} ({answer.diagnosis.confidence:.2f}): {answer.proposal.reason}"


def _view(
    incident: Incident, rounds: list[Round], evidence: Evidence | None = None, *, lease: str = ""
) -> dict[str, Any]:
    return {
        "incident": {
            "id": incident.id,
            "title": incident.title,
            "body": to_json(incident),
            "has_logs": bool(evidence and evidence.logs),
            "lease": lease,
        },
        "rounds": [to_json(entry) for entry in rounds],
        "outcome": None,
    }


def _only_shown(text: str) -> dict[str, Any]:
    """There is nothing to work on: the run says so and ends."""
    return {"outcome": {"summary": text, "shown": True}, "messages": [opening(text)]}
