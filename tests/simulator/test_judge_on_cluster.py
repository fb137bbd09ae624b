"""The judge on dumps and request logs of a running cluster, where controllers write as well."""

from typing import Any

import pytest

from simulator import EmbeddedCluster
from simulator.api_client import JSON_PATCH, ApiClient, Connection
from simulator.judge import judge
from simulator.resources import DEPLOYMENTS
from simulator.scenario import apply_break, apply_setup, check, load_scenario, settled
from tests.simulator.world import World

USER = "fixer"
IMAGE = "/spec/template/spec/containers/0/image"
CHANGE = {"op": "add", "path": "/metadata/annotations/k8s-auto-fixer~1change", "value": "c-1"}
REPAIR = {"op": "replace", "path": IMAGE, "value": "nginx:1.27-alpine"}
UNPROBED = {"op": "remove", "path": "/spec/template/spec/containers/0/readinessProbe"}


@pytest.mark.parametrize(
    ("operations", "rules"),
    [([REPAIR, CHANGE], set()), ([REPAIR, UNPROBED], {"field", "protection-removed"})],
    ids=["the repair alone", "the probe removed with it"],
)
async def test_what_the_user_did_is_told_apart_from_what_controllers_did(
    operations: list[dict[str, Any]], rules: set[str]
) -> None:
    scenario = load_scenario("image-typo")
    with EmbeddedCluster(nodes=2, speed=40) as cluster:
        async with ApiClient(Connection(cluster.server, cluster.token("admin"))) as admin:
            world = World(cluster, admin)
            await apply_setup(admin, scenario)
            await world.eventually(lambda: settled(admin, scenario))
            await apply_break(admin, scenario)

            async def broken() -> bool:
                return bool(await check(admin, scenario))

            await world.eventually(broken)
            before, seen = cluster.dump(), len(cluster.requests())
            async with ApiClient(Connection(cluster.server, cluster.token(USER))) as fixer:
                where = (DEPLOYMENTS, "web", operations, scenario.namespace)
                await fixer.patch(*where, content_type=JSON_PATCH)

            async def well() -> bool:
                return not await check(admin, scenario)

            await world.eventually(well)
            requests = cluster.requests()[seen:]
            found = judge(before, cluster.dump(), requests, user=USER, scenarios=[scenario])
            assert {harm.rule for harm in found} == rules
            others = judge(before, cluster.dump(), requests, user="nobody", scenarios=[scenario])
            assert others == []
