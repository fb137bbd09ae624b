"""What the program says of its incidents, read from its store; and runs, made of that and of what was seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec

from incidents.changes import ChangeState
from incidents.incident import Incident, Outcome, Round
from incidents.proposals import Proposal
from simulator.judge import Harm
from simulator.request_targets import Request, writes_of
from simulator.scenario import Scenario
from simulator.wordlists import SetName
from tests.prove.standing import Standing, standings
from tests.scenario_runs import LEFT_ALONE, NOT_ENDED, Ended, Played
from tools.store.port import Store

from .run import Run, Side, Tried

_OWN_KINDS = {"Event", "Lease"}


class TimedRequest(Request, Protocol):
    """A request that says when it was made."""

    @property
    def time(self) -> datetime: ...


class Said(msgspec.Struct, frozen=True):
    """What one incident came to in the program's own words: families, causes, what it proposed, and how many changes
    it took back."""

    families: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()
    tried: tuple[Tried, ...] = ()
    rollbacks: int = 0


async def read_said(store: Store) -> dict[str, Said]:
    """Every incident of the store by its id."""
    return {incident.id: await _said(store, incident) for incident in await store.incidents()}


async def _said(store: Store, incident: Incident) -> Said:
    rounds = await store.rounds(incident.id)
    diagnoses = [entry.diagnosis for entry in rounds if entry.diagnosis is not None]
    changes = await store.changes(incident.id)
    return Said(
        families=tuple(dict.fromkeys(item.family for item in diagnoses)),
        causes=tuple(line for item in diagnoses for line in (item.cause, *item.rests_on)),
        tried=tuple(_tried(entry, entry.proposal) for entry in rounds if entry.proposal is not None),
        rollbacks=sum(change.state is ChangeState.UNDONE for change in changes),
    )


def _tried(entry: Round, proposal: Proposal) -> Tried:
    result = "" if entry.verification is None else str(entry.verification.result)
    return Tried(proposal.author, proposal.confidence, result)


def runs_of(
    scenarios: Sequence[Scenario],
    played: Played,
    *,
    said: Mapping[str, Said],
    harms: Sequence[Harm],
    requests: Sequence[TimedRequest],
    user: str,
    side: Side,
    words: SetName,
    seed: int,
    speed: float,
) -> list[Run]:
    """A run for each scenario that was played. Harm outside of all their namespaces is laid to each of them."""
    namespaces = {item.namespace for item in scenarios}
    own = [request for request in requests if request.user == user]
    written = [target.namespace for target, _ in writes_of(own) if target.kind not in _OWN_KINDS]
    runs = []
    for scenario in scenarios:
        ended = played.ended[scenario.name]
        words_of = [said.get(item.id, Said()) for item in ended.incidents]
        runs.append(
            Run(
                **_asked(scenario),
                words=words,
                seed=seed,
                side=side,
                outcome=_outcome(ended),
                diagnosed=tuple(dict.fromkeys(family for item in words_of for family in item.families)),
                causes=tuple(line for item in words_of for line in item.causes),
                summaries=tuple(item.summary for item in ended.incidents),
                tried=tuple(one for item in words_of for one in item.tried),
                seconds=round(ended.seconds, 1),
                to_verified=_to_verified(ended.incidents, speed),
                changes=written.count(scenario.namespace),
                rollbacks=sum(item.rollbacks for item in words_of),
                requests=_requests(own, scenario, ended.incidents),
                harms=tuple(str(harm) for harm in harms if _concerns(harm, scenario, namespaces)),
                problems=ended.problems,
                missing=tuple(f"{sign.reason} of a {sign.kind} ({sign.contains})" for sign in ended.missing),
                warnings=tuple(sorted(played.warnings(scenario))),
                states=_states(played, scenario, speed),
            )
        )
    return runs


def _states(played: Played, scenario: Scenario, speed: float) -> dict[str, Standing]:
    stood, read_at = played.stood[scenario.name]
    return standings(stood, scenario, now=read_at, speed=speed)


def _asked(scenario: Scenario) -> dict[str, Any]:
    expected = scenario.expected
    family, cause = expected.get("family", scenario.family), expected.get("cause") or ()
    return {
        "scenario": scenario.name,
        "family": scenario.family,
        "expected": str(expected["outcome"]),
        "also": str(expected.get("also", "")),
        "workloads_well": bool(expected.get("workloads_well", False)),
        "gap": scenario.gap,
        "untold": scenario.untold,
        "families": (family,) if isinstance(family, str) else tuple(family),
        "cause": tuple((str(one),) if not isinstance(one, list) else tuple(map(str, one)) for one in cause),
    }


def _requests(own: Sequence[TimedRequest], scenario: Scenario, incidents: Sequence[Incident]) -> int:
    """The program's in that namespace, up to the end of its work: what it looks at later belongs to no repair."""
    last = max((item.ended_at for item in incidents if item.ended_at is not None), default=None)
    asked = [item for item in own if f"/namespaces/{scenario.namespace}/" in f"{item.path}/"]
    return sum(last is None or item.time <= last for item in asked)


def _outcome(ended: Ended) -> str:
    """What nobody ever looked at has been left alone."""
    return LEFT_ALONE if ended.outcome == NOT_ENDED and not ended.incidents else ended.outcome


def _to_verified(incidents: Sequence[Incident], speed: float) -> float | None:
    repaired = [item for item in incidents if item.outcome is Outcome.RESOLVED and item.ended_at is not None]
    if not repaired:
        return None
    last = max(item.ended_at for item in repaired if item.ended_at is not None)
    return round((last - min(item.opened_at for item in repaired)).total_seconds() * speed, 1)


def _concerns(harm: Harm, scenario: Scenario, namespaces: set[str]) -> bool:
    namespace, name = harm.key.split("/")[-2:]
    if namespace in namespaces:
        return namespace == scenario.namespace
    others = [item for item in namespaces if name.startswith(item)]
    return not others or scenario.namespace in others
