"""`fix`: one pass on one workload, and an exit code that says whether it is well afterwards."""

import asyncio
import os
import socket
import sys
from typing import Any

import pytest
import typer

from app.settings import Settings
from cli.failures import Exit
from cli.fixing import fix_workload
from incidents.decisions import RequestState
from incidents.incident import Outcome, Status
from tests.graph.runs import fail
from tests.world import USER, Told, World


def settings(world: World, **fields: Any) -> Settings:
    kubeconfig = world.cluster.write_kubeconfig(world.folder / "kubeconfig", user=USER)
    return world.settings(kubeconfig=kubeconfig, settle_seconds=0.2, **fields)


async def test_it_ends_with_0_when_the_workload_is_well_afterwards(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    await fail(world, "image-typo")
    assert await fix_workload(settings(world), "deployment/web", "shop-front") == Exit.OK
    shown = capsys.readouterr().out
    assert "resolved" in shown
    assert "nginx:1.27-alpine" in shown


async def test_in_suggest_it_shows_the_change_makes_none_and_ends_with_a_code(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    await fail(world, "image-typo")
    assert await fix_workload(settings(world, mode="suggest"), "web", "shop-front") == Exit.NOT_REPAIRED
    shown = capsys.readouterr()
    assert "nginx:1.27-alpine" in shown.out
    assert "--mode auto" in shown.err
    assert world.writes()
    assert all(request.dry_run for request in world.writes())


async def test_what_was_handed_over_is_tried_again_because_a_person_asks(world: World) -> None:
    await fail(world, "image-typo")
    assert await fix_workload(settings(world, mode="suggest"), "web", "shop-front") == Exit.NOT_REPAIRED
    assert await fix_workload(settings(world), "web", "shop-front") == Exit.OK
    async with world.app(told=Told()) as app:
        newest, first = await app.store.incidents()
    assert newest.follows == first.id
    assert (first.status, newest.outcome) == (Status.CLOSED, Outcome.RESOLVED)


async def test_a_healthy_workload_is_well_and_nothing_is_written(world: World) -> None:
    await world.set_up("image-typo")
    assert await fix_workload(settings(world), "deployment/web", "shop-front") == Exit.OK
    assert world.writes() == []


async def test_in_suggest_a_question_that_waits_is_shown_and_stays_open(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    await fail(world, "image-typo")
    assert await fix_workload(settings(world, mode="approve"), "web", "shop-front") == Exit.NOT_REPAIRED
    capsys.readouterr()
    assert await fix_workload(settings(world, mode="suggest"), "web", "shop-front") == Exit.NOT_REPAIRED
    async with world.app(told=Told()) as app:
        (request,) = await app.store.requests()
    assert request.state is RequestState.OPEN
    shown = capsys.readouterr().out
    assert "nginx:1.27-alpine" in shown
    assert f"approve {request.id}" in shown
    assert "--mode approve" in shown


async def leased(world: World, number: int) -> None:
    """The subject's lease, as a command of that process number left it."""
    async with world.app(told=Told()) as app:
        incident = await world.asked(app, "web", "shop-front")
        holder = f"command/{socket.gethostname()}/{number}/0badcafe"
        assert await app.store.acquire_lease(incident.subject.lease, holder, seconds=600)


async def test_what_a_killed_command_held_is_taken_over_and_who_lives_is_named(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    await fail(world, "image-typo")
    await leased(world, os.getpid())
    with pytest.raises(typer.Exit):
        await fix_workload(settings(world), "web", "shop-front")
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("k8s-auto-fixer: ")]
    assert f"{os.getpid()}/0badcafe holds it for " in line

    async with world.app(told=Told()) as app:
        await app.store.release_leases_of(await app.store.lease_holders())
    killed = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
    await killed.wait()
    await leased(world, killed.pid)
    assert await fix_workload(settings(world), "web", "shop-front") == Exit.OK


@pytest.mark.parametrize(
    ("workload", "namespace", "code", "words"),
    [
        ("deployment/nowhere", "default", Exit.UNKNOWN_NAME, "not found"),
        ("gateway/web", "default", Exit.UNKNOWN_NAME, "not a kind it works on"),
        ("web", "kube-system", Exit.SETTING, "excluded"),
        ("../secrets/x", "default", Exit.UNKNOWN_NAME, "not a kind"),
    ],
)
async def test_what_it_cannot_work_on_is_one_line_and_a_code(
    world: World, capsys: pytest.CaptureFixture[str], workload: str, namespace: str, code: Exit, words: str
) -> None:
    with pytest.raises(typer.Exit) as ended:
        await fix_workload(settings(world), workload, namespace)
    assert ended.value.exit_code == code
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
