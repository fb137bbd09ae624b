"""Running the graph on one workload and keeping what its nodes said."""

from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import HumanMessage

from app.composition import App
from incidents.incident import Incident
from incidents.symptoms import Symptom
from tests.world import World

# What each scenario's workload is called, and how it shows that it fails.
BROKEN = {
    "image-typo": ("shop-front", "web", Symptom.IMAGE_PULL),
    "oom": ("shop-media", "worker", Symptom.OOM_KILLED),
    "crash-after-rollout": ("shop-checkout", "checkout", Symptom.CRASH_LOOP),
    "leak": ("shop-cache", "cache", Symptom.OOM_KILLED),
    "ambiguous": ("shop-ledger", "reconciler", Symptom.CRASH_LOOP),
}


@dataclass
class Heard:
    """Every node that spoke, in order, with its words."""

    said: list[tuple[str, str]] = field(default_factory=list)

    def __call__(self, incident: Incident, node: str, text: str) -> None:
        self.said.append((node, text))

    @property
    def nodes(self) -> list[str]:
        return [node for node, _ in self.said]


async def fail(world: World, name: str) -> tuple[str, str]:
    """Break a scenario's workload and wait until it fails; its namespace and name."""
    namespace, workload, symptom = BROKEN[name]
    await world.broken(name)
    await world.failing(workload, namespace, symptom)
    return namespace, workload


async def undecided(world: World, name: str = "web") -> tuple[str, str]:
    """A workload that fails in a way that no playbook decides, and at once; its namespace and name."""
    await world.deploy("redis:nothing-like-it", name)
    await world.failing(name, "shop", Symptom.IMAGE_PULL)
    return "shop", name


async def run(world: World, app: App, name: str) -> Incident:
    """Break a scenario's workload and run the graph on it."""
    namespace, workload = await fail(world, name)
    return await app.runner.run(await world.asked(app, workload, namespace))


async def say(app: App, words: str, *, thread: str = "words") -> dict[str, Any]:
    """Put plain words into the graph; the state at its end."""
    config: Any = {"configurable": {"thread_id": thread}}
    state: dict[str, Any] = await app.graph.ainvoke({"messages": [HumanMessage(words)]}, config)
    return state


def last_words(state: dict[str, Any]) -> str:
    """What was said last."""
    return str(state["messages"][-1].content)
