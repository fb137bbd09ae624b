"""Thinking about a repair where no playbook is certain: a model reads, proposes, is told what was refused, may decline.

What it proposes is rehearsed on the road (guardrails and the server's dry run, nothing is applied), given a second
look by a reviewer that may only veto or doubt, and believed only as far as the evidence goes. What was refused goes
back to it at most twice. All of it is recorded in the round, whatever comes of it.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence

import msgspec
import structlog

from agents.answers import Fix, SecondLook
from agents.inspection_tools import reading_tools
from agents.prompts import cut, fenced
from agents.proposing import AUTHOR, Believed, Misfit, believed, diagnosis_of, proposal_of
from agents.reasoning import Reasoning
from agents.standing import Standing
from evidence.brief import brief
from evidence.field_schemas import FieldSchemas
from evidence.fingerprint import fingerprint
from evidence.inspection import Inspection
from incidents.codec import digest
from incidents.evidence import Evidence
from incidents.incident import Round
from incidents.policy import Answer
from incidents.proposals import MODEL_AUTHOR, Diagnosis, Opinion, Proposal, Review, RollBack, Silent, Thought
from incidents.signals import clean
from playbooks import consult
from remediation import Attempt
from tools.cluster.reader import Reader
from tools.models.brain import Limits
from tools.sandbox.contract import Sandbox, SandboxError
from tools.sandbox.digest import digest_logs

FIXER, REVIEWER = "auto_fixer", "reviewer"
FEEDBACKS = 2  # how often it is told what was refused
REVIEWS = 2  # second looks a round
LIMITS = Limits(model_calls=5, tool_calls=8, result_bytes=3_200, seconds=180.0)
LOG_LINES = 20
# Rulings that another proposal could do without; any other is about the object, the mode or the moment.
ABOUT_THE_PROPOSAL = frozenset(
    {"seal", "pointers", "memory", "image-repository", "nothing-weakened", "no-difference", "rollback", "api-server"}
)

Rehearsing = Callable[[Proposal], Awaitable[Attempt]]

log = structlog.get_logger(__name__)


class Considered(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it: the thought as it is recorded, and the opinion if there is one."""

    thought: Thought
    opinion: Opinion | None = None


class Thinking:
    """Thinks about one round at a time. It reads, and it writes nothing but the incident's record."""

    def __init__(self, reasoning: Reasoning, reader: Reader, sandbox: Sandbox) -> None:
        self._reasoning = reasoning
        self._reader = reader
        self._schemas = FieldSchemas(reader)
        self._sandbox = sandbox

    def able(self, standing: Standing, evidence: Evidence) -> bool:
        """Whether there is a model to think with, and a workload that it could change."""
        return evidence.subject.is_workload and self._reasoning.knows(FIXER, standing.incident)

    async def consider(self, standing: Standing, evidence: Evidence, rehearse: Rehearsing) -> Considered:
        """What the model makes of it. Raises what rehearsing does."""
        if because := _not_to_be_changed(evidence):
            return Considered(thought=Thought(author=AUTHOR, declined=because))
        case = Case(standing, evidence, await self._digest(evidence))
        refused: list[str] = []
        reviews: list[Review] = []
        thought: Thought | None = None
        for _ in range(1 + FEEDBACKS):
            answer = await self._answer(case, refused)
            if answer is None:
                break
            diagnosis, before = diagnosis_of(answer), len(refused)
            thought = Thought(author=AUTHOR, diagnosis=diagnosis, claimed=answer.confidence)
            opinion, checks = await self._first_that_holds(case, answer, diagnosis, rehearse, refused, reviews)
            thought = msgspec.structs.replace(thought, checks=checks, refused=tuple(refused), reviews=tuple(reviews))
            if opinion is not None:
                return Considered(thought=thought, opinion=opinion)
            if len(refused) == before:
                break
        if thought is None:
            return Considered(thought=Thought(author=AUTHOR, declined="the model gave no usable answer"))
        declined = clean(answer.declined, 600) if answer is not None else ""
        declined = declined or ("what it proposed was refused" if refused else "it proposes nothing")
        return Considered(thought=msgspec.structs.replace(thought, declined=declined))

    async def _answer(self, case: Case, refused: Sequence[str]) -> Fix | None:
        inspection = Inspection(case.evidence, self._reader, self._schemas)
        question = case.question(self._reasoning.prompt(FIXER).room_bytes, refused)
        return await self._reasoning.explore(
            FIXER,
            Fix,
            question,
            tools=reading_tools(inspection, opinions=case.opinions),
            limits=LIMITS,
            incident=case.standing.incident,
            fingerprint=digest(case.fingerprint, list(refused)),
        )

    async def _first_that_holds(
        self,
        case: Case,
        answer: Fix,
        diagnosis: Diagnosis,
        rehearse: Rehearsing,
        refused: list[str],
        reviews: list[Review],
    ) -> tuple[Opinion | None, tuple[str, ...]]:
        """The first of the proposals that is one, passes its rehearsal and is not vetoed."""
        for number, change in enumerate(answer.proposals, 1):
            if len(reviews) >= REVIEWS:
                break  # nobody would look at it a second time
            try:
                proposal = proposal_of(change, case.evidence, case.standing.rounds)
            except Misfit as error:
                refused.append(f"{_told(change.action, change.reason)}: {error}")
                continue
            attempt = await rehearse(proposal)
            if objections := _refusals(attempt):
                refused.append(f"{_told(change.action, proposal.reason)}: {objections}")
                continue
            review = await self._review(case, diagnosis, proposal, attempt)
            reviews.extend([review] if review is not None else [])
            belief = believed(proposal, diagnosis, case.evidence, rehearsed=bool(attempt.diff), review=review)
            log.info("model.proposed", incident=case.standing.incident.id, number=number, confidence=belief.confidence)
            if review is not None and review.veto:
                continue
            return _opinion(proposal, diagnosis, belief), belief.checks
        return None, ()

    async def _review(self, case: Case, diagnosis: Diagnosis, proposal: Proposal, attempt: Attempt) -> Review | None:
        """The reviewer's second look; None where there is no answer."""
        prompt = self._reasoning.prompt(REVIEWER)
        answer = await self._reasoning.ask(
            REVIEWER,
            SecondLook,
            case.review(prompt.room_bytes, diagnosis, proposal, attempt),
            incident=case.standing.incident,
            fingerprint=digest(case.fingerprint, diagnosis, proposal.action, attempt.diff),
        )
        if answer is None:
            return None
        return Review(
            author=f"{MODEL_AUTHOR}{REVIEWER}",
            veto=answer.veto,
            confidence=answer.confidence,
            reason=clean(answer.reason, 400),
        )

    async def _digest(self, evidence: Evidence) -> list[str]:
        """The telling lines of the logs; none where they cannot be digested, and their ends are shown instead."""
        logs = {f"{one.container}{' (previous)' * one.previous}": one.text for one in evidence.logs}
        try:
            return await digest_logs(self._sandbox, logs, max_lines=LOG_LINES)
        except SandboxError as error:
            log.warning("thinking.no_digest", error=str(error))
            return []


class Case:
    """One case as it is put to models."""

    def __init__(self, standing: Standing, evidence: Evidence, telling: Sequence[str]) -> None:
        self.standing = standing
        self.evidence = evidence
        self.telling = telling
        rounds = [
            (one.proposal.action, one.verification.result if one.verification else None)  # its words name pods
            for one in standing.rounds
            if one.proposal is not None
        ]
        self.fingerprint = digest(fingerprint(evidence), rounds)

    @property
    def opinions(self) -> str:
        """What the playbooks say."""
        answer = consult(self.evidence, self.standing.rounds)
        return answer.because if isinstance(answer, Silent) else "A playbook would have to read more to be certain."

    def question(self, room_bytes: int, refused: Sequence[str]) -> str:
        """The case, what was tried, and what was refused, in so many bytes: the evidence takes what the rest leaves."""
        head = f"Why the playbooks are silent: {cut(self.opinions, 400)}"
        tried = "\n".join(_round_told(one) for one in self.standing.rounds if one.proposal is not None)
        extra = [("Tried in this incident", tried, 900)] if tried else []
        if refused:
            extra.append(("Your earlier proposals, refused", "\n".join(f"- {one}" for one in refused), 1500))
        if findings := self._findings():
            extra.append(("Said by others", findings, 900))
        parts = [fenced(head), *(f"{name}:\n{fenced(text, most)}" for name, text, most in extra)]
        room = room_bytes - sum(len(part.encode()) + 1 for part in parts) - 80
        return "\n".join([f"Evidence:\n{_evidence(self, room)}", *parts])

    def review(self, room_bytes: int, diagnosis: Diagnosis, proposal: Proposal, attempt: Attempt) -> str:
        """A proposal with its case, in so many bytes."""
        proposed = "\n".join(
            (f"cause: {diagnosis.cause}", *(f"- {one}" for one in diagnosis.rests_on), f"change: {proposal.reason}")
        )
        leaves = "\n".join(
            f"{leaf.pointer}: {json.dumps(leaf.before)} -> {json.dumps(leaf.after)}" for leaf in attempt.diff
        )
        shown = leaves or "The server was not asked."
        parts = [
            f"Diagnosis and proposal, it should end {proposal.ends}:\n{fenced(proposed, 1800)}",
            f"Exact difference:\n{fenced(shown, 1800)}",
        ]
        room = room_bytes - sum(len(part.encode()) + 1 for part in parts) - 80
        return "\n".join([f"Evidence:\n{_evidence(self, min(room, 5000))}", *parts])

    def _findings(self) -> str:
        """What Researcher has said; the logs' digest is part of the evidence."""
        return "\n".join(one.text for one in self.standing.sayings if one.by == "Researcher")


def _evidence(case: Case, room_bytes: int) -> str:
    """The evidence between its marks."""
    return fenced(brief(case.evidence, room_bytes=room_bytes - 20, digest=case.telling), room_bytes)


def _not_to_be_changed(evidence: Evidence) -> str:
    """Why no change would be made whatever a model says, so that none is asked."""
    if evidence.subject.manager:
        return f"{evidence.subject.manager} manages it and would put a change back"
    return "its rollout is paused" if evidence.snapshot.workload.get("spec", {}).get("paused") else ""


def _opinion(proposal: Proposal, diagnosis: Diagnosis, belief: Believed) -> Opinion:
    return Opinion(
        msgspec.structs.replace(diagnosis, confidence=min(diagnosis.confidence, belief.confidence)),
        msgspec.structs.replace(proposal, confidence=belief.confidence),
    )


def _refusals(attempt: Attempt) -> str:
    """What another proposal could do better; empty where it was not refused, or not for its own sake."""
    refusals = [one for one in attempt.verdict.objections if one.answer is Answer.REFUSE]
    if not refusals or any(one.rule not in ABOUT_THE_PROPOSAL for one in refusals):
        return ""
    return "; ".join(f"{one.rule}: {one.reason}" for one in refusals)[:400]


def _told(action: str, reason: str) -> str:
    return f"{action} ({clean(reason, 120)})"


def _round_told(entry: Round) -> str:
    assert entry.proposal is not None  # noqa: S101 - the caller has looked; this tells the type checker
    edits = ", ".join(f"{edit.path} -> {edit.value!r}" for edit in entry.proposal.edits)
    what = edits or ("roll-back" if isinstance(entry.proposal.action, RollBack) else "create it")
    came = entry.verification.result if entry.verification else "not tried"
    return f"round {entry.number}: {what}: {came}"
