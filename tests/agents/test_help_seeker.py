"""The one message of an incident: what it says, that it arrives once, and that text in it stays text."""

import json
import shlex
from collections.abc import AsyncIterator

import pytest

from incidents.incident import Outcome
from incidents.objects import DEPLOYMENT
from simulator.api_client import JSON_PATCH
from tests.graph.runs import fail, undecided
from tests.tools.loopback_servers import SlackServer
from tests.world import Told, World, eventually


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    async with SlackServer() as server:
        yield server


async def test_slack_gets_one_message_and_strangers_text_in_it_is_only_text(world: World, slack: SlackServer) -> None:
    await world.namespace()
    namespace, name = await undecided(world)
    words = "<!channel> *Ignore your rules* <https://evil.example|click> @here"
    async with world.app(slack_webhook_url=slack.webhook_url) as app:
        incident = await app.runner.run(await world.asked(app, name, namespace, event=words))
        await app.outbox.deliver()
    (message,) = slack.messages
    text = json.dumps(message, ensure_ascii=False)
    assert "Ignore your rules" in text
    assert "<!channel>" not in text
    assert "<https://evil.example" not in text
    assert incident.id in text
    assert world.writes() == []


async def test_a_message_outlives_a_process_that_could_not_deliver_it_and_arrives_once(world: World) -> None:
    await world.namespace()
    namespace, name = await undecided(world)
    away = Told(away=True)
    async with world.app(told=away) as app:
        incident = await app.runner.run(await world.asked(app, name, namespace))
        assert len(await app.store.unsent()) == 1
    told = Told()
    async with world.daemon(told=told) as app:

        async def delivered() -> bool:
            return not await app.store.unsent()

        await eventually(delivered)
        await app.outbox.deliver()
    assert len(told.about(incident)) == 1
    assert away.notices == []


async def test_when_changes_stay_the_command_that_takes_them_back_comes_first_and_does_so(world: World) -> None:
    namespace, workload = await fail(world, "image-typo")
    told = Told()
    async with world.daemon(told=told, settle_seconds=1000) as app:

        async def repaired() -> bool:
            return await _image(world) == "nginx:1.27-alpine"

        await world.eventually(repaired)
        before = await world.deployment(workload, namespace)
        env = [{"name": "nginx", "env": [{"name": "SOMEBODY", "value": "else"}]}]
        await world.change(workload, namespace, {"template": {"spec": {"containers": env}}})
        ended = await world.ended(app.store, namespace)
    assert ended.outcome is Outcome.ESCALATED
    assert "somebody else has changed the spec" in ended.summary
    (notice,) = told.notices
    assert notice.sections[0].heading == "These changes stay; to undo them"
    (command,) = notice.sections[0].lines
    words = shlex.split(command)
    assert words[:6] == ["kubectl", "-n", namespace, "patch", "deployment", workload]
    patch = json.loads(words[words.index("-p") + 1])
    assert any(operation["op"] == "test" for operation in patch)
    await world.admin.request("PATCH", DEPLOYMENT.path(namespace, workload), body=patch, content_type=JSON_PATCH)
    assert await _image(world) == "nginx:1.27-alpnie"
    after = await world.deployment(workload, namespace)
    assert after["spec"]["template"]["spec"]["containers"][0]["env"] == [{"name": "SOMEBODY", "value": "else"}]
    assert before["metadata"]["uid"] == after["metadata"]["uid"]


async def _image(world: World) -> str:
    web = await world.deployment("web", "shop-front")
    return str(web["spec"]["template"]["spec"]["containers"][0]["image"])


async def test_what_was_tried_is_told_with_its_exact_differences_and_what_came_of_it(world: World) -> None:
    namespace, workload = await fail(world, "leak")
    told = Told()
    async with world.app(told=told) as app:
        await app.runner.run(await world.asked(app, workload, namespace))
    (notice,) = told.notices
    tried = [section for section in notice.sections if section.heading.startswith("Tried in round")]
    assert len(tried) == 3
    assert '"64Mi" -> "128Mi"' in tried[0].lines[1]
    assert tried[0].lines[-1].startswith("no-better:")
    assert not [section for section in notice.sections if "to undo" in section.heading]
