"""Which way each scenario takes through the graph without a model, and what travels along."""

import json
from typing import Any

import pytest

from incidents.incident import Outcome, Status
from tests.graph.runs import Heard, run
from tests.world import Told, World

TRY = ["Observe", "Supervisor", "AutoFixer"]
ASK = ["HelpSeeker", "Supervisor"]
STATE_BYTES = 20_000

ROUTES = {
    "image-typo": [*TRY, "Supervisor"],
    "oom": [*TRY, "Supervisor"],
    "crash-after-rollout": [*TRY, "Supervisor"],
    "leak": [*TRY * 3, "Supervisor", *ASK],
    "ambiguous": ["Observe", "Supervisor", "Researcher", "Supervisor", "Coder", "Supervisor", *ASK],
}
OUTCOMES = {"leak": Outcome.ROLLED_BACK, "ambiguous": Outcome.ESCALATED}


@pytest.mark.parametrize("name", ROUTES)
async def test_each_scenario_takes_its_way_through_the_nodes(world: World, name: str) -> None:
    heard, told = Heard(), Told()
    async with world.app(told=told, progress=heard) as app:
        ended = await run(world, app, name)
        state = await app.graph.aget_state({"configurable": {"thread_id": ended.id}})
        checkpoints = [kept async for kept in app.graph.aget_state_history(state.config)]
    outcome = OUTCOMES.get(name, Outcome.RESOLVED)
    assert heard.nodes == ROUTES[name]
    assert ended.outcome is outcome
    assert ended.status is (Status.CLOSED if outcome is Outcome.RESOLVED else Status.HANDED_OVER)
    assert len(told.notices) == (0 if outcome is Outcome.RESOLVED else 1)
    assert len(_as_json(state.values)) < STATE_BYTES
    assert len(checkpoints) == 1  # no model was asked: there is nothing that a crash could reset


def _as_json(values: dict[str, Any]) -> str:
    """The state as JSON; fails on anything that is none. Messages are LangChain's own."""
    messages = [message.model_dump(mode="json") for message in values["messages"]]
    assert set(values) <= {"messages", "next", "incident", "rounds", "outcome", "usage"}
    return json.dumps({**values, "messages": messages})
