"""Trouble with the files in the middle of a change: nothing half-done stays unattended, and nothing is made twice."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from incidents.changes import ChangeState
from incidents.incident import Outcome
from simulator.scenario import apply_break
from tests.world import Told, World
from tools.store import StoreError
from tools.store.database import Database

OFTEN = 5  # refusals, before there is room again


def full_after_the_change(world: World, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The store's disk is full from the moment the change has landed, for a while; what was refused is answered."""
    write, refused = Database.write, list[str]()

    async def perhaps(self: Database, work: Any) -> Any:
        if world.writes(dry_runs=False) and len(refused) < OFTEN:
            refused.append("store")
            raise StoreError("the disk is full")
        return await write(self, work)

    monkeypatch.setattr(Database, "write", perhaps)
    return refused


def checkpoints_full(world: World, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The same of the disk that the checkpoints are on."""
    put, put_writes, refused = AsyncSqliteSaver.aput, AsyncSqliteSaver.aput_writes, list[str]()

    def refuse() -> None:
        if len(refused) < OFTEN:
            refused.append("checkpoint")
            raise sqlite3.OperationalError("database or disk is full")

    async def perhaps(self: AsyncSqliteSaver, *args: Any) -> Any:
        refuse()
        return await put(self, *args)

    async def perhaps_writes(self: AsyncSqliteSaver, *args: Any) -> None:
        refuse()
        await put_writes(self, *args)

    monkeypatch.setattr(AsyncSqliteSaver, "aput", perhaps)
    monkeypatch.setattr(AsyncSqliteSaver, "aput_writes", perhaps_writes)
    return refused


@pytest.mark.kill
@pytest.mark.parametrize("trouble", [full_after_the_change, checkpoints_full])
async def test_a_disk_that_is_full_in_the_middle_of_a_change_holds_it_up_and_no_more(
    world: World, monkeypatch: pytest.MonkeyPatch, trouble: Any
) -> None:
    scenario, told = await world.set_up("image-typo"), Told()
    refused = trouble(world, monkeypatch)
    async with world.daemon(told=told) as app:
        await apply_break(world.admin, scenario)
        ended = await world.ended(app.store, scenario.namespace)
        (change,) = await app.store.changes(ended.id)
    assert refused
    assert (ended.outcome, change.state) == (Outcome.RESOLVED, ChangeState.VERIFIED)
    assert len(world.writes(dry_runs=False)) == 1
    assert told.notices == []


@pytest.mark.kill
@pytest.mark.parametrize("left", [b"\x00 of another version", b"\x81\xa4usage"])
async def test_a_thread_that_another_version_has_left_is_thrown_away_and_the_incident_worked_on(
    world: World, left: bytes
) -> None:
    scenario = await world.broken("image-typo")
    async with world.app(told=Told()) as app:
        incident = await world.asked(app, "web", scenario.namespace)
        saver = app.graph.checkpointer
        assert isinstance(saver, AsyncSqliteSaver)
        thread: RunnableConfig = {"configurable": {"thread_id": incident.id, "checkpoint_ns": ""}}
        await saver.aput(thread, empty_checkpoint(), {}, {})
    with closing(sqlite3.connect(app.settings.checkpoints)) as file, file:
        changed = file.execute("UPDATE checkpoints SET checkpoint = ?", (left,)).rowcount
    async with world.app(told=Told()) as app:
        await app.runner.run(incident)
        ended = await app.store.incident(incident.id)
    assert changed == 1
    assert ended is not None
    assert ended.outcome is Outcome.RESOLVED, ended.summary


async def test_threads_of_incidents_that_the_store_no_longer_knows_are_deleted(world: World) -> None:
    """A kill has come between the two: the store had forgotten them, their threads were still there."""
    scenario = await world.broken("image-typo")
    async with world.app(told=Told()) as app:
        incident = await world.asked(app, "web", scenario.namespace)
        saver = app.graph.checkpointer
        assert isinstance(saver, AsyncSqliteSaver)
        threads: dict[str, RunnableConfig] = {
            name: {"configurable": {"thread_id": name, "checkpoint_ns": ""}} for name in (incident.id, "forgotten")
        }
        for thread in threads.values():
            await saver.aput(thread, empty_checkpoint(), {}, {})
        await app.runner.forget_lost()
        left = [name for name, thread in threads.items() if await saver.aget_tuple(thread) is not None]
    assert left == [incident.id]


async def test_before_the_first_run_there_are_no_threads_and_that_is_nothing_to_complain_of(world: World) -> None:
    async with world.app(told=Told()) as app:
        await app.runner.forget_lost()
        assert await app.store.incidents() == []
