"""Cases as the program writes them, from one embedded cluster, with secrets planted where a workload can hold one."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.case_file import case_of, written
from app.composition import App
from benchmarks.model.policy import answer
from incidents.changes import ChangeState
from incidents.decisions import Decision, DecisionKind, RequestState
from incidents.incident import Incident
from incidents.symptoms import Symptom
from tests.graph.runs import fail
from tests.openai_server import Asked, Call, ModelServer, Step
from tests.world import Told, World, running_world

OLD, NEW = "registry.example/shop/checkout:1.1.0", "registry.example/shop/checkout:2.0.0"
PLANTED = {
    "password": "hunter2-in-the-old-one",
    "changed": "hunter3-in-the-new-one",
    "argument": "tok-5f2c9d1b7a",
    "annotation": "anno-0d1e2f3a4b",
    "address": "url-pw-77aa88bb",
}
NAMES = ("rolled-back", "handed-over", "resumed", "approved", "with-a-model")
Recorded = Mapping[str, bytes]


@dataclass(frozen=True)
class Recordings:
    """The files by what happened, and the store they come from."""

    files: Recorded
    store: Path


_CONTAINER = "/spec/template/spec/containers[reconciler]"
_SURE = {"ends": "crash-loop", "confidence": 0.9, "revision": None}
REFUSED = {"path": f"{_CONTAINER}/image", "expected": "registry.example/shop/reconciler:0.4.0", "value": "evil/image:1"}
HOLDS = {"path": f"{_CONTAINER}/resources/limits/memory", "expected": "128Mi", "value": "192Mi"}
FIX = {
    "family": "memory",
    "cause": "container reconciler is in a crash-loop",
    "rests_on": ["BackOff"],
    "confidence": 0.9,
    "proposals": [
        {"action": "set", "edits": [REFUSED], "reason": "another image", **_SURE},
        {"action": "set", "edits": [HOLDS], "reason": "more memory", **_SURE},
    ],
    "declined": "",
}


def says(asked: Asked) -> Step:
    """A model that proposes two changes, of which the guardrails refuse one; for the rest the benchmark's stand-in."""
    if "Fix" in asked.tools:
        return Step(calls=(Call("Fix", FIX),))
    said = answer(asked.body)
    if said.call is not None:
        return Step(calls=(Call(said.call.name, said.call.arguments),))
    return Step(object=said.form) if said.form is not None else Step(text=said.text)


async def record(folder: Path) -> Recorded:
    """One case each: rolled back by itself, handed over, approved by a person, thought about by a model."""
    async with running_world(folder) as world:
        await world.namespace()
        await world.broken("ambiguous")
        by_itself, approved, thought = await asyncio.gather(
            _without_a_model(world), _with_a_person(world), _with_a_model(world)
        )
    return {**by_itself, **approved, **thought}


async def _without_a_model(world: World) -> Recorded:
    async with world.app(told=Told()) as app:
        ended = await asyncio.gather(_rolled_back(world, app), _handed_over(world, app), _resumed(world, app))
        return {name: await _file(app, incident) for name, incident in zip(NAMES, ended, strict=False)}


async def _with_a_person(world: World) -> Recorded:
    async with world.app(told=Told(), mode="approve", store=world.folder / "approving.sqlite") as app:
        return {"approved": await _file(app, await _approved(world, app))}


async def _with_a_model(world: World) -> Recorded:
    async with ModelServer(says) as server:
        settings = {"openai_base_url": server.base_url, "store": world.folder / "with-model.sqlite"}
        async with world.app(told=Told(), **settings) as app:
            return {"with-a-model": await _file(app, await _handed_over(world, app))}


async def _file(app: App, incident: Incident) -> bytes:
    return written(await case_of(app.store, incident))


def _template(image: str, password: str) -> dict[str, Any]:
    env = [
        {"name": "DB_PASSWORD", "value": password},
        {"name": "DB_URL", "value": f"postgres://shop:{PLANTED['address']}@db/shop"},
    ]
    container = {"name": "main", "image": image, "env": env, "args": ["--token", PLANTED["argument"]]}
    annotations = {"shop.example/api-key": PLANTED["annotation"]}
    return {"metadata": {"labels": {"app": "web"}, "annotations": annotations}, "spec": {"containers": [container]}}


async def _rolled_back(world: World, app: App) -> Incident:
    """A new version that crashes, with another password than the old one: the rollback puts that back too."""
    await world.deploy(OLD, template=_template(OLD, PLANTED["password"]))
    await world.available("web", "shop")
    await app.daemon().sweep()  # it is seen well
    await world.change("web", "shop", {"template": _template(NEW, PLANTED["changed"])})
    await world.failing("web", "shop", Symptom.CRASH_LOOP)
    return await app.runner.run(await world.asked(app, "web", "shop"))


async def _handed_over(world: World, app: App) -> Incident:
    await world.failing("reconciler", "shop-ledger", Symptom.CRASH_LOOP)
    return await app.runner.run(await world.asked(app, "reconciler", "shop-ledger"))


async def _resumed(world: World, app: App) -> Incident:
    """Interrupted while its change was verified, and taken up again."""
    namespace, workload = await fail(world, "oom")
    incident = await world.asked(app, workload, namespace)
    first = asyncio.create_task(app.runner.run(incident))
    await world.eventually(lambda: app.store.changes_in(ChangeState.APPLIED), "nothing was applied")
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    return await app.runner.run(incident)


async def _approved(world: World, app: App) -> Incident:
    """Asked for, approved, and made in a second run."""
    namespace, workload = await fail(world, "image-typo")
    waiting = await app.runner.run(await world.asked(app, workload, namespace))
    (request,) = await app.store.requests(RequestState.OPEN)
    decision = Decision(
        id=str(uuid.uuid4()),
        kind=DecisionKind.APPROVE,
        incident=request.incident,
        request=request.id,
        digest=request.digest,
        by="alice",
        decided_at=app.clock.now(),
    )
    assert await app.store.decide(decision)
    return await app.runner.run(waiting)
