"""What leaves the cluster as a query: the class of a failure in its own words, and nobody's names."""

from collections.abc import AsyncIterator

import pytest

from agents.researcher import Researcher, query_of
from tests.agents.cases import standing
from tests.graph.runs import run, undecided
from tests.tools.loopback_servers import Scripted, TavilyServer
from tests.world import Told, World
from tools.search import Finding

OWN = ["acme", "ledger", "6f9", "x2b", "internal-db", "app-config", "registry.example", "10.4.5.6"]


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        ('Failed to pull image "registry.example/acme/ledger:9": not found', "not found"),
        ("failed to resolve registry.example/acme/ledger:9: not found", "not found"),
        ('Error: secret "internal-db" not found', "not found"),
        ("couldn't find key url in ConfigMap acme-shop/app-config", "find key url in ConfigMap"),
        ("Back-off restarting failed container ledger in pod ledger-6f9-x2b_acme-shop(0000)", "restarting failed"),
        ('Readiness probe failed: Get "http://10.4.5.6:80/": connection refused', "connection refused"),
        ("node(s) didn't match Pod's node affinity/selector", "didn't match Pod's node"),
        ("container=ledger pod=ledger-6f9-x2b exited", "exited"),
    ],
)
def test_a_query_carries_no_name_of_the_clusters_own_objects(message: str, kept: str) -> None:
    query = query_of(standing(message), None)
    assert not [name for name in OWN if name in query]
    assert kept in query
    assert query.startswith("kubernetes ")


@pytest.fixture
async def tavily() -> AsyncIterator[TavilyServer]:
    async with TavilyServer() as server:
        yield server


async def test_nothing_of_a_real_case_reaches_tavily_but_the_kind_of_trouble(
    world: World, tavily: TavilyServer
) -> None:
    async with world.app(told=Told(), tavily_api_key="tvly-made-up-key", tavily_base_url=tavily.origin) as app:
        ended = await run(world, app, "ambiguous")
        evidence = await app.store.latest_evidence(ended.id)
    assert evidence is not None
    query = tavily.requests[0].body["query"]
    names = {"reconciler", "shop-ledger", "registry.example", str(evidence.subject.uid)}
    names |= {pod["metadata"]["name"] for pod in evidence.snapshot.pods}
    names |= {pod["spec"]["nodeName"] for pod in evidence.snapshot.pods}
    assert not [name for name in names if name in query]
    assert "crash-loop" in query


async def test_a_search_that_fails_is_said_and_stops_nothing(world: World, tavily: TavilyServer) -> None:
    tavily.script(*[Scripted(500, {"detail": {"error": "broken"}})] * 5)
    told = Told()
    await world.namespace()
    namespace, name = await undecided(world)
    async with world.app(told=told, tavily_api_key="tvly-made-up-key", tavily_base_url=tavily.origin) as app:
        await app.runner.run(await world.asked(app, name, namespace))
    (notice,) = told.notices
    text = str(notice)
    assert "The search failed" in text
    assert "tvly-made-up-key" not in text


async def test_nothing_found_is_an_answer_too() -> None:
    class Nothing:
        async def find(self, query: str, *, limit: int) -> list[Finding]:
            return []

    turn = await Researcher(Nothing()).work(standing("odd"), None)
    assert turn.text == "Nothing was found about this failure."
    assert turn.outcome is None
