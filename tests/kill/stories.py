"""One incident after the other, the daemon killed at another place in each, until one ends without being killed.

Each has a namespace, a store and a way to the API server of its own, so that several go on side by side.
"""

from __future__ import annotations

import asyncio
import copy
import itertools
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from incidents.changes import ChangeState
from incidents.incident import Outcome, Status
from simulator.api_client import ApiClient
from simulator.apiserver.faults import Faults
from simulator.expectations import parse_expectations
from simulator.resources import NAMESPACES
from simulator.scenario import Scenario, apply_break, apply_setup, check, load_scenario, settled
from tests.kill.deletions import wrongly_there
from tests.kill.launcher import Start, launched
from tests.kill.outside import Promise, left_by, wrong_with
from tests.kill.proxy import Proxy
from tests.world import SPEED

At = Literal["request", "commit", "refusal"]
SETTLED_SECONDS, ENDED_SECONDS = 60.0, 120.0
LANDING = (2, 2.5)  # what was killed before it reached the API server never lands: nobody has to wait long here
RESTARTS = 3
REFUSED = 5  # commits in a row
CANNOT_START = 1  # what the launcher answers to a store that refuses from the first moment on
ENOUGH_WRONG = 12  # incidents that did not end as promised: more of them tell nothing more


@dataclass(frozen=True, kw_only=True)
class Story:
    """What breaks, how it is to be worked on, and how it has to end."""

    scenario: str
    mode: str
    promise: Promise
    settings: Mapping[str, Any] = field(default_factory=dict)
    rounds: int | None = None
    speed: float = SPEED  # of the embedded cluster on which it is played
    told_anew: Callable[[Scenario], Scenario] = lambda scenario: scenario  # as no scenario that ships tells it


def _crashing(scenario: Scenario) -> Scenario:
    """The same, of a program that crashes once its configuration is found: what is repaired is no better for it."""
    pods = [item for item in scenario.setup if item["kind"] == "Pod"]
    for pod in copy.deepcopy(pods):
        pod["spec"]["containers"][0]["image"] = "registry.example/shop/checkout:2.0.0"
        others = tuple(item for item in scenario.setup if item["kind"] != "Pod")
        there = parse_expectations([{"exists": {"kind": "Pod", "name": pod["metadata"]["name"]}}], "check")
        return replace(scenario, setup=(*others, pod), check=there)
    raise ValueError(f"there is no Pod in {scenario.name}")


def _grown(scenario: Scenario) -> Scenario:
    """The same, of a person who agrees that the claim may grow."""
    asked = [item for item in scenario.setup if item["kind"] == "PersistentVolumeClaim"]
    path = "/spec/resources/requests/storage"
    there = [
        {"field": {"kind": claim["kind"], "name": claim["metadata"]["name"], "path": path, "equals": "2Gi"}}
        for claim in asked
    ]
    return replace(scenario, check=parse_expectations(there, "check"))


REPAIRED = Story(
    scenario="image-typo",
    mode="auto",
    promise=Promise(outcome=Outcome.RESOLVED, ends_in=ChangeState.VERIFIED, landed=1),
)
APPROVED = replace(REPAIRED, mode="approve", promise=replace(REPAIRED.promise, may_tell=frozenset({"request"})))
UNDONE_AT_LENGTH = Story(
    scenario="leak",
    mode="auto",
    promise=Promise(
        outcome=Outcome.ROLLED_BACK, ends_in=ChangeState.UNDONE, landed=3, messages=frozenset({"handed-over"})
    ),
    settings={"settle_seconds": 60.0},  # a leak looks well for a while
)
UNDONE = replace(UNDONE_AT_LENGTH, rounds=1, promise=replace(UNDONE_AT_LENGTH.promise, landed=1))
RECREATED = replace(REPAIRED, scenario="pod-config-typo", promise=replace(REPAIRED.promise, deleted=1))
PUT_BACK = replace(
    UNDONE_AT_LENGTH,
    scenario="pod-config-typo",
    promise=replace(UNDONE_AT_LENGTH.promise, landed=1, deleted=2),
    settings={},
    told_anew=_crashing,
)
UNBLOCKED = replace(REPAIRED, scenario="stateful-config-typo", promise=replace(REPAIRED.promise, deleted=1))
GROWN = replace(APPROVED, scenario="claim-full", speed=200.0, told_anew=_grown)  # it is believed after ten minutes
STORIES = {
    "repaired": REPAIRED,
    "approved": APPROVED,
    "undone": UNDONE,
    "undone after three rounds": UNDONE_AT_LENGTH,
    "recreated": RECREATED,
    "put back": PUT_BACK,
    "unblocked": UNBLOCKED,
    "grown": GROWN,
}
REFUSALS: tuple[tuple[At, bool], ...] = (("refusal", True),)
SIDES: tuple[tuple[At, bool], ...] = (("request", True), ("request", False), ("commit", True), ("commit", False))
FEWEST = 20  # places of the shortest story: fewer, and nothing was killed where it counts


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the daemon is killed: at the ``number``-th request or commit, before it or after it.

    Or, at a refusal, from which commit on the disk is full for a while: then nobody is killed, and nobody starts it
    again.
    """

    at: At
    before: bool
    number: int

    def __str__(self) -> str:
        return f"{'before' if self.before else 'after'} {self.at} {self.number}"


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A cluster to play on. ``kubeconfig`` is the program's; a real cluster has speed 1.

    ``lanes``: how many incidents go on at once; each of them waits more than it works, and the slower the cluster is
    the longer.
    """

    admin: ApiClient
    kubeconfig: dict[str, Any]
    folder: Path
    speed: float
    settings: Mapping[str, Any]
    proxy: Callable[[], Proxy]
    landing: tuple[int, float] | None = LANDING
    faults: Faults | None = None  # of an embedded cluster
    lanes: int = 4


@dataclass(frozen=True, kw_only=True)
class Told:
    """How one incident went: ``killed`` says where (or where its disk was full), empty if that was past its end;
    ``wrong`` is what the judge found."""

    place: Place
    killed: str
    wrong: tuple[str, ...]


async def every_place(
    stage: Stage, story: Story, at: At, *, before: bool, tell: Callable[[Told], None] | None = None
) -> list[Told]:
    """Kill at the first, the second, … until an incident ends without the daemon having been killed.

    ``tell`` hears of each incident as it has ended.
    """
    numbers, told = itertools.count(1), list[Told]()

    def over() -> bool:
        return any(not one.killed for one in told) or sum(bool(one.wrong) for one in told) >= ENOUGH_WRONG

    async def lane() -> None:
        while not over():
            place = Place(at=at, before=before, number=next(numbers))
            try:
                told.append(await play(stage, story, place))
            except AssertionError as error:  # one that does not end; the others still have something to tell
                told.append(Told(place=place, killed=str(place), wrong=(str(error),)))
            if tell is not None:
                tell(told[-1])

    async with asyncio.TaskGroup() as group:
        for _ in range(stage.lanes):
            group.create_task(lane())
    return sorted(told, key=lambda one: one.place.number)


async def play(
    stage: Stage,
    story: Story,
    place: Place,
    *,
    prepare: Callable[[Proxy], None] | None = None,
    counted_from: str = "",
    name: str = "",
) -> Told:
    """One incident with the daemon killed at one place, and started again until it ends by itself.

    Requests are counted as ``prepare`` tells the proxy to, commits from the one of the name ``counted_from``.
    """
    name = name or f"{story.scenario}-{story.mode}-{place.at}-{'b' if place.before else 'a'}-{place.number}"
    scenario = placed(story.told_anew(load_scenario(story.scenario)), name)
    folder = stage.folder / name
    await stage.admin.create(NAMESPACES, _namespace(_lease_namespace(scenario)))
    await apply_setup(stage.admin, scenario)
    await eventually(lambda: settled(stage.admin, scenario), SETTLED_SECONDS, f"{name} never settled")
    await apply_break(stage.admin, scenario)
    async with stage.proxy() as proxy:
        start = started(stage, story, scenario, folder, proxy)
        if place.at == "request":
            proxy.kills, proxy.before = place.number, place.before
        else:
            refused = REFUSED if place.at == "refusal" else 0
            start = replace(start, commit=place.number, before=place.before, refused=refused, counted_from=counted_from)
        if prepare is not None:
            prepare(proxy)
        wrong = []
        codes = [await _once(start, proxy)]
        killed = codes[0] == -9 or start.was_refused.exists()
        while codes[-1] in (-9, CANNOT_START) and len(codes) <= RESTARTS:
            codes.append(await _once(replace(start, commit=0, refused=0), proxy))
        left = await left_by(start.store)
        while codes[-1] == 0 and len(codes) <= RESTARTS and any(one.status is Status.OPEN for one in left.incidents):
            # A warning that was read in the last moment, after all had ended: it is the next daemon's.
            codes.append(await _once(replace(start, commit=0, refused=0), proxy))
            left = await left_by(start.store)
        if codes[-1] != 0:
            wrong.append(f"the daemon ended with {codes}: {_last_lines(start.log)}")
        if place.at == "refusal":
            left = replace(left, holders=())  # one that could not be given back runs out by itself
        wrong += wrong_with(left, proxy.seen, story.promise)
        wrong += await check(stage.admin, scenario)
        wrong += await wrongly_there(stage.admin, scenario, story.promise.ends_in, proxy.seen)
        where = (proxy.killed or str(place)) if killed else ""
    for namespace in (scenario.namespace, _lease_namespace(scenario)):
        await stage.admin.delete(NAMESPACES, namespace)  # it would only cost processor time from here on
    return Told(place=place, killed=where, wrong=tuple(wrong))


def started(stage: Stage, story: Story, scenario: Scenario, folder: Path, proxy: Proxy) -> Start:
    """How the daemon is started for one story."""
    folder.mkdir(parents=True)
    kubeconfig = folder / "kubeconfig.json"
    kubeconfig.write_text(json.dumps(proxy.kubeconfig(stage.kubeconfig)))
    kubeconfig.chmod(0o600)
    settings = {
        "mode": story.mode,
        "namespaces": (scenario.namespace,),
        "lease_namespace": _lease_namespace(scenario),
        **stage.settings,
        **story.settings,
    }
    return Start(
        kubeconfig=kubeconfig,
        folder=folder,
        speed=stage.speed,
        settings=settings,
        landing=stage.landing,
        rounds=story.rounds,
    )


async def _once(start: Start, proxy: Proxy) -> int:
    """One start of the daemon to its end, however that comes; its exit code."""
    process = launched(start)
    assert process.pid is not None
    proxy.pid = process.pid
    try:
        await eventually(lambda: _ended(process), ENDED_SECONDS, f"the daemon does not end: {_last_lines(start.log)}")
    finally:
        if process.exitcode is None:
            process.kill()
        process.join()
    code = process.exitcode
    process.close()
    assert code is not None
    return code


async def _ended(process: Any) -> bool:
    return process.exitcode is not None


def placed(scenario: Scenario, namespace: str) -> Scenario:
    """The scenario in a namespace of another name."""
    setup = tuple(item | {"metadata": item["metadata"] | {"namespace": namespace}} for item in scenario.setup)
    return replace(scenario, namespace=namespace, setup=setup)


def _lease_namespace(scenario: Scenario) -> str:
    return f"{scenario.namespace}-lease"


def _namespace(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


async def eventually(look: Callable[[], Awaitable[Any]], seconds: float, what: str) -> None:
    """Returns once ``look`` answers something true; a deadline for a machine that does much else."""
    try:
        async with asyncio.timeout(seconds):
            while not await look():  # noqa: ASYNC110 - neither a process nor a cluster has an event for it
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(what) from None


def _last_lines(log: Path) -> str:
    return "\n".join(log.read_text().splitlines()[-12:]) if log.exists() else "nothing"
