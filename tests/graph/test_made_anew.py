"""A subject that is made anew keeps its incident, whatever comes in between."""

from typing import Any

import msgspec
import pytest

from incidents.changes import ChangeState
from incidents.incident import Outcome, Status
from incidents.objects import POD
from remediation import outcomes
from tests.world import Told, World
from tools.cluster.errors import Invalid
from tools.cluster.writer import Writer

Object = dict[str, Any]
NAMESPACE = "shop-desk"


async def desk(world: World) -> Object:
    found: Object = await world.admin.request("GET", POD.path(NAMESPACE, "desk"))
    return found


async def test_what_could_not_be_created_for_a_while_is_not_taken_for_gone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the corrected Pod nor the original is let in; the next run puts it back, and the one after mends it."""
    refused = [3]
    create = Writer.create

    async def refusing(self: Writer, manifest: Object, **options: Any) -> Object:
        if refused[0] and not options.get("dry_run"):
            refused[0] -= 1
            raise Invalid("a webhook says no", code=422)
        return await create(self, manifest, **options)

    monkeypatch.setattr(Writer, "create", refusing)
    monkeypatch.setattr(outcomes, "LANDING_SECONDS", 0.1)  # real seconds, which nothing else shortens
    told = Told()
    async with world.daemon(told=told) as app:
        await world.set_up("pod-config-typo", well=False)
        ended = await world.ended(app.store, NAMESPACE)
        changes = await app.store.changes(ended.id)
        assert [change.state for change in changes] == [ChangeState.UNDONE, ChangeState.VERIFIED]
        assert (ended.outcome, len(await app.store.incidents())) == (Outcome.RESOLVED, 1)
    assert [notice.title for notice in told.about(ended)] == [
        "Deleted, and not created again yet: pod/desk in shop-desk"
    ]


async def test_what_a_person_could_not_bring_back_is_brought_back_as_soon_as_it_can_be(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their undo was cut off after the deletion; the incident is theirs, and the Pod is not taken for gone."""
    monkeypatch.setattr(outcomes, "LANDING_SECONDS", 0.1)  # real seconds, which nothing else shortens
    async with world.daemon(told=Told(), sweep_seconds=5) as app:
        await world.set_up("pod-config-typo", well=False)
        ended = await world.ended(app.store, NAMESPACE)
        assert (ended.outcome, len(await app.store.incidents())) == (Outcome.RESOLVED, 1)
        assert ended.subject.uid == (await desk(world))["metadata"]["uid"] != ended.subject.was
        (made,) = await app.store.changes(ended.id)
        await app.store.save_incident(msgspec.structs.replace(ended, status=Status.HANDED_OVER))
        await app.store.save_change(made.advance(ChangeState.UNDOING, undone_by="ada"))
        await world.admin.request("DELETE", POD.path(NAMESPACE, "desk"))

        async def back() -> bool:
            (change,) = await app.store.changes(ended.id)
            return change.state is ChangeState.UNDONE

        await world.eventually(back, "it was never brought back")
        names = [source["configMapRef"]["name"] for source in (await desk(world))["spec"]["containers"][0]["envFrom"]]
        assert names == ["desk-setings"]
