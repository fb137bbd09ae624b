"""What a person decides on the command line: one signed record each, and a clear line for all that cannot be."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
import typer

from app.claim import claiming
from app.settings import Settings
from cli.deciding import approve, reject, retry, show_approvals
from cli.failures import Exit
from cli.fixing import fix_workload
from cli.switching import duration, pause, resume, turn_kill_switch
from cli.undoing import undo_change
from incidents.changes import ChangeState, Inverse, InverseKind
from incidents.decisions import DecisionKind, RequestState, SwitchName
from incidents.incident import Incident, Outcome, Status
from tests.builders import signal, subject
from tests.graph.runs import fail, run
from tests.store.values import change_of, request_for
from tests.world import USER, Told, World
from tools.clock import Clock
from tools.cluster.own_objects import OwnObjects
from tools.store import Store
from tools.store.sqlite import open_store

REQUEST = "request-1"


@pytest.fixture
def settings(tmp_path: Path, clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("LOGNAME", "ada")
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    return Settings(store=tmp_path / "store.sqlite", kubeconfig=tmp_path / "none")


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    async with open_store(settings.store, now=Clock().now) as opened:
        yield opened


@pytest.fixture
async def incident(store: Store) -> Incident:
    """One that waits for a person to decide about REQUEST."""
    found, _ = await store.open_or_join(subject(), signal())
    now = Clock().now()
    await store.ask(request_for(found.id, REQUEST, asked_at=now, expires_at=now + timedelta(hours=1)))
    return await saved(store, found, Status.WAITING)


async def saved(store: Store, incident: Incident, status: Status) -> Incident:
    stands = msgspec.structs.replace(incident, status=status)
    await store.save_incident(stands)
    return stands


async def refused(command: Awaitable[int], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    with pytest.raises(typer.Exit) as ended:
        await command
    (line,) = capsys.readouterr().err.splitlines()
    return ended.value.exit_code, line


class TestDeciding:
    """Approving, rejecting, trying again."""

    async def test_what_waits_is_listed_with_its_difference(
        self, settings: Settings, incident: Incident, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert await show_approvals(settings, as_json=False) == Exit.OK
        shown = capsys.readouterr().out
        assert "1 waiting" in shown
        assert "/spec/x: 1 -> 2" in shown
        assert await show_approvals(settings, as_json=True) == Exit.OK
        (listed,) = json.loads(capsys.readouterr().out)
        assert (listed["id"], listed["incident"], listed["state"]) == (REQUEST, incident.id, "open")

    async def test_an_approval_is_signed_bound_to_the_digest_and_said_once(
        self, settings: Settings, store: Store, incident: Incident, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert await approve(settings, "requ", name=None) == Exit.OK
        assert "/spec/x: 1 -> 2" in capsys.readouterr().out
        (decision,) = await store.decisions(incident.id)
        assert (decision.kind, decision.by, decision.digest) == (DecisionKind.APPROVE, "ada", "digest-1")
        code, line = await refused(approve(settings, REQUEST, name=None), capsys)
        assert (code, "has been approved already" in line) == (Exit.NOTHING_TO_DECIDE, True)
        assert [one.state for one in await store.requests()] == [RequestState.APPROVED]

    async def test_a_rejection_needs_a_reason(
        self, settings: Settings, store: Store, incident: Incident, capsys: pytest.CaptureFixture[str]
    ) -> None:
        code, line = await refused(reject(settings, REQUEST, reason=" ", name=None), capsys)
        assert (code, "--reason" in line) == (Exit.USAGE, True)
        assert await reject(settings, REQUEST, reason="not on a Friday", name=None) == Exit.OK
        assert f"retry {incident.id}" in capsys.readouterr().out
        (decision,) = await store.decisions(incident.id)
        assert (decision.kind, decision.reason) == (DecisionKind.REJECT, "not on a Friday")

    async def test_a_request_that_has_run_out_says_so(
        self, settings: Settings, store: Store, incident: Incident, capsys: pytest.CaptureFixture[str]
    ) -> None:
        late = Clock().now() - timedelta(hours=2)
        await store.ask(request_for(incident.id, "late", digest="d", asked_at=late, expires_at=late))
        code, line = await refused(approve(settings, "late", name=None), capsys)
        assert (code, "has run out" in line) == (Exit.NOTHING_TO_DECIDE, True)

    @pytest.mark.parametrize(
        ("status", "words"),
        [(Status.OPEN, "is being worked on"), (Status.WAITING, "approvals"), (Status.CLOSED, "over")],
    )
    async def test_only_what_was_handed_over_is_tried_again(
        self,
        settings: Settings,
        store: Store,
        incident: Incident,
        status: Status,
        words: str,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        await saved(store, incident, status)
        code, line = await refused(retry(settings, incident.id, name=None), capsys)
        assert (code, words in line) == (Exit.NOTHING_TO_DECIDE, True)
        await saved(store, incident, Status.HANDED_OVER)
        assert await retry(settings, incident.id[:8], name=None) == Exit.OK
        assert [one.kind for one in await store.decisions(incident.id)] == [DecisionKind.RETRY]


class TestNames:
    """Whoever is meant, and whoever speaks."""

    async def test_an_unknown_id_names_the_store_and_a_beginning_of_several_is_not_enough(
        self, settings: Settings, store: Store, incident: Incident, capsys: pytest.CaptureFixture[str]
    ) -> None:
        code, line = await refused(approve(settings, "nothing", name=None), capsys)
        assert (code, str(settings.store) in line) == (Exit.UNKNOWN_NAME, True)
        await store.save_change(change_of(incident.id, "change-1"))
        await store.save_change(change_of(incident.id, "change-2"))
        command = undo_change(settings, "change", despite_kill_switch=False, name=None)
        code, line = await refused(command, capsys)
        assert (code, "write more of it" in line) == (Exit.UNKNOWN_NAME, True)

    async def test_without_a_store_there_is_one_line_with_the_remedy(
        self, settings: Settings, capsys: pytest.CaptureFixture[str]
    ) -> None:
        code, line = await refused(approve(settings, REQUEST, name=None), capsys)
        assert (code, "--store FILE" in line) == (Exit.STORE, True)

    async def test_in_a_pod_a_name_is_required_and_recorded(
        self,
        settings: Settings,
        store: Store,
        incident: Incident,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
        code, line = await refused(approve(settings, REQUEST, name=None), capsys)
        assert (code, "--as" in line) == (Exit.USAGE, True)
        assert await store.decisions(incident.id) == []
        assert await approve(settings, REQUEST, name=" grace \n hopper ") == Exit.OK
        assert [one.by for one in await store.decisions(incident.id)] == ["grace hopper"]

    async def test_elsewhere_a_given_name_does_not_hide_the_user(
        self, settings: Settings, store: Store, incident: Incident
    ) -> None:
        assert await approve(settings, REQUEST, name="grace") == Exit.OK
        assert [one.by for one in await store.decisions(incident.id)] == ["grace (ada)"]


class TestSwitches:
    """Stopping, and going on."""

    async def test_the_kill_switch_lists_what_stays_unverified_with_the_command_that_passes_it(
        self, settings: Settings, store: Store, incident: Incident, capsys: pytest.CaptureFixture[str]
    ) -> None:
        standing = change_of(incident.id, "change-1", state=ChangeState.APPLIED)
        await store.save_change(standing)
        await store.save_change(change_of(incident.id, "change-2", state=ChangeState.VERIFIED))
        lasting = Inverse(operations=(), kind=InverseKind.NONE)
        await store.save_change(change_of(incident.id, "change-3", state=ChangeState.APPLIED, inverse=lasting))
        assert await turn_kill_switch(settings, "on", reason="a drill", name=None) == Exit.OK
        said = capsys.readouterr().out
        assert "a drill" in said
        assert f"k8s-auto-fixer undo change-1 --despite-kill-switch --store {settings.store}" in said
        assert "change-2" not in said
        assert "it cannot be taken back" in said
        assert "undo change-3" not in said
        switch = await store.switch(SwitchName.KILL)
        assert switch is not None
        assert (switch.on, switch.by) == (True, "ada")
        assert await turn_kill_switch(settings, "off", reason="", name=None) == Exit.OK
        assert "kill switch: off" in capsys.readouterr().out

    async def test_a_pause_ends_by_itself_or_with_resume(
        self, settings: Settings, store: Store, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert await pause(settings, lasting="2h", reason="deploying", name=None) == Exit.OK
        switch = await store.switch(SwitchName.PAUSE)
        assert switch is not None
        assert switch.until is not None
        assert timedelta(hours=1, minutes=59) < switch.until - switch.at <= timedelta(hours=2)
        assert await resume(settings, name=None) == Exit.OK
        assert "pause: off" in capsys.readouterr().out.splitlines()[-1]

    @pytest.mark.parametrize("text", ["", "2", "h", "0h", "-1h", "2 weeks", "1e9d"])
    def test_what_is_no_duration_is_named(self, text: str, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(typer.Exit):
            duration(text)
        assert "--for" in capsys.readouterr().err

    async def test_a_position_that_is_none_is_named(
        self, settings: Settings, store: Store, capsys: pytest.CaptureFixture[str]
    ) -> None:
        code, line = await refused(turn_kill_switch(settings, "perhaps", reason="", name=None), capsys)
        assert (code, "perhaps" in line) == (Exit.USAGE, True)


async def test_undo_takes_a_verified_change_back_and_shows_what_somebody_else_has_changed(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    async with world.app(told=Told()) as app:
        incident = await run(world, app, "image-typo")
        (change,) = await app.store.changes(incident.id)
        assert change.state is ChangeState.VERIFIED
        kubeconfig = world.cluster.write_kubeconfig(world.folder / "kubeconfig", user=USER)
        settings = world.settings(kubeconfig=kubeconfig, alone=False, lease_namespace="k8s-auto-fixer")

        theirs = [{"name": "nginx", "image": "nginx:9"}]
        await world.change("web", "shop-front", {"template": {"spec": {"containers": theirs}}})
        with pytest.raises(typer.Exit) as ended:
            await undo_change(settings, change.id, despite_kill_switch=False, name="ada")
        assert ended.value.exit_code == Exit.NOT_UNDONE
        said = capsys.readouterr()
        assert [word for word in ("nginx:1.27-alpnie", "nginx:1.27-alpine", "nginx:9") if word not in said.out] == []
        assert "somebody else has changed it since" in said.err

        ours = [{"name": "nginx", "image": "nginx:1.27-alpine"}]
        await world.change("web", "shop-front", {"template": {"spec": {"containers": ours}}})
        assert await turn_kill_switch(settings, "on", reason="", name=None) == Exit.OK
        with pytest.raises(typer.Exit):
            await undo_change(settings, change.id[:8], despite_kill_switch=False, name="ada")
        assert "--despite-kill-switch" in capsys.readouterr().err
        assert await undo_change(settings, change.id[:8], despite_kill_switch=True, name="ada") == Exit.OK
        web = await world.deployment("web", "shop-front")
        assert web["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:1.27-alpnie"
        over = await app.store.incident(incident.id)
        assert over is not None
        assert (over.status, over.outcome) == (Status.HANDED_OVER, Outcome.ROLLED_BACK)
        assert "ada" in over.summary

        code, line = await refused(
            undo_change(settings, change.id, despite_kill_switch=True, name="ada"), capsys_after(capsys)
        )
        assert (code, "undone already" in line) == (Exit.NOT_UNDONE, True)

        await world.namespace("k8s-auto-fixer")
        own = OwnObjects(app.transport)
        async with claiming(own, namespace="k8s-auto-fixer", identity="another/store", clock=Clock()):
            code, line = await refused(approve(settings, "unknown", name="ada"), capsys)
    assert code == Exit.UNKNOWN_NAME
    assert "another/store" in line
    assert "kubectl exec -n k8s-auto-fixer deploy/k8s-auto-fixer -- k8s-auto-fixer approve unknown --as NAME" in line


async def test_without_a_daemon_fix_asks_and_after_the_approval_the_next_fix_repairs(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    namespace, workload = await fail(world, "image-typo")
    kubeconfig = world.cluster.write_kubeconfig(world.folder / "kubeconfig", user=USER)
    settings = world.settings(kubeconfig=kubeconfig, mode="approve", settle_seconds=0.2)
    assert await fix_workload(settings, workload, namespace) == Exit.NOT_REPAIRED
    said = capsys.readouterr().out
    (command,) = [line for line in said.splitlines() if "to approve exactly this" in line]
    request = command.split("k8s-auto-fixer approve ")[1].split()[0]
    assert world.writes(dry_runs=False) == []
    assert await approve(settings, request, name=None) == Exit.OK
    assert await fix_workload(settings, workload, namespace) == Exit.OK
    assert len(world.writes(dry_runs=False)) == 1


def capsys_after(capsys: pytest.CaptureFixture[str]) -> pytest.CaptureFixture[str]:
    capsys.readouterr()
    return capsys


async def test_two_people_who_decide_at_once_decide_once(settings: Settings, store: Store, incident: Incident) -> None:
    both = (approve(settings, REQUEST, name=None), reject(settings, REQUEST, reason="no", name=None))
    answers = await asyncio.gather(*both, return_exceptions=True)
    assert sum(answer == Exit.OK for answer in answers) == 1
    assert len(await store.decisions(incident.id)) == 1
