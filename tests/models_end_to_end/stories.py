"""One broken workload that no playbook is certain of, and a model on loopback that is asked about it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from app.composition import App
from incidents.incident import Incident
from incidents.symptoms import Symptom
from tests.graph.runs import Heard
from tests.openai_server import ModelServer, Script, Step, When
from tests.world import Told, World

WRONG, RIGHT = "redis:nothing-like-it", "redis:7.4"
IMAGE = "/spec/template/spec/containers[main]/image"
CAUSE = "container main cannot pull its image, ImagePullBackOff: the tag does not exist"
KEY = "sk-not-a-real-key-0123456789"


def fix(*proposals: dict[str, Any], declined: str = "") -> dict[str, Any]:
    """An answer of AutoFixer's model."""
    return {
        "family": "image",
        "cause": CAUSE,
        "rests_on": ["container main waits with ImagePullBackOff"],
        "confidence": 0.95,
        "proposals": list(proposals),
        "declined": declined,
    }


def set_field(path: str = IMAGE, expected: Any = WRONG, value: Any = RIGHT, **fields: Any) -> dict[str, Any]:
    """One proposed change of a field."""
    return {
        "action": "set",
        "edits": [{"path": path, "expected": expected, "value": value}],
        "revision": None,
        "ends": "image-pull",
        "reason": f"run {value}",
        "confidence": 0.95,
        **fields,
    }


ROUTE = {"next": "AutoFixer", "reason": "the states are plain"}
AGREES = {"veto": False, "confidence": 0.9, "reason": "the tag exists and the repository is the same"}
VETOES = {"veto": True, "confidence": 0.1, "reason": "another version could lose data"}


def said(schema: str, answer: dict[str, Any], **fields: Any) -> Step:
    """What is answered to every question that wants this schema."""
    return Step(when=When(named=schema), object=answer, **{"times": 0, **fields})


def well_behaved(*answers: dict[str, Any], review: dict[str, Any] = AGREES) -> Script:
    """A model that does as it is told: routes to AutoFixer and answers it in this order, then the last one again."""
    fixes = [said("Fix", answer, times=1) for answer in answers[:-1]] + [said("Fix", answers[-1])]
    return Script.of(said("Route", ROUTE), said("SecondLook", review), *fixes, said("Summary", {"sentences": []}))


@dataclass
class Story:
    """The program, its model, and what came of it."""

    world: World
    app: App
    model: ModelServer
    told: Told
    heard: Heard

    async def run(self, incident: Incident | None = None) -> Incident:
        """Run the graph on the broken workload."""
        incident = incident or await self.world.asked(self.app, "web", "shop")
        return await self.app.runner.run(incident)

    async def image(self) -> str:
        """The image that the workload has now."""
        found = await self.world.deployment("web", "shop")
        return str(found["spec"]["template"]["spec"]["containers"][0]["image"])

    def asked(self, schema: str) -> list[str]:
        """The words of each question that wanted this schema."""
        return [one.text for one in self.model.asked if schema in one.names]

    async def steps(self, incident: Incident, step: str) -> list[dict[str, Any]]:
        """One kind of entry in the incident's timeline."""
        return [entry.detail for entry in await self.app.store.timeline(incident.id) if entry.step == step]


@asynccontextmanager
async def story(world: World, script: Script, *, broken: bool = True, **settings: Any) -> AsyncIterator[Story]:
    """A workload whose image does not exist and that has never run, and a model that plays the script."""
    told, heard = Told(), Heard()
    if broken:
        await world.namespace()
        await world.deploy(WRONG)
        await world.failing("web", "shop", Symptom.IMAGE_PULL)
    async with ModelServer(script) as model:
        given = {"openai_base_url": model.base_url, "openai_api_key": KEY, **settings}
        async with world.app(told=told, progress=heard, **given) as app:
            yield Story(world, app, model, told, heard)
