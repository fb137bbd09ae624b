"""Objects that are made anew: nothing is lost at any place where it may end, and nothing is made twice."""

from collections.abc import Callable
from typing import Any

import pytest

from incidents.changes import CHANGE_ANNOTATION, Change, ChangeState
from incidents.decisions import Switch, SwitchName
from incidents.policy import Answer, Mode
from remediation.making import Making
from remediation.outcomes import FateUnknown, NotApplied
from remediation.putting_back import PAUSE_SECONDS, TRIES
from remediation.recover import recover
from remediation.undo import UndoRefused
from tests.remediation.conftest import Bench
from tests.remediation.scene import CLUSTER, Scene, claim, job, scene
from tests.remediation.scripted import Unreliable
from tests.remediation.steps import as_sent
from tools.cluster.errors import Conflict, Invalid, Unreachable
from tools.notify.contract import Notice

Hook = Callable[[str], None]
Object = dict[str, Any]


def image(live: Object) -> str:
    return str(live["spec"]["template"]["spec"]["containers"][0]["image"])


def cut(transport: Unreliable, method: str, *, times: int = 1, error: Exception | None = None) -> Hook:
    """A hook that fails the first requests of a method that are no dry runs."""
    left = [times]

    def fail(now: str) -> None:
        if now == method and not transport.sent[-1][1] and left[0]:
            left[0] -= 1
            raise error or Unreachable("the connection was cut")

    return fail


def stored(bench: Bench, method: str) -> int:
    return sum(1 for sent, dry, _ in bench.transport.sent if sent == method and not dry)


async def sent_by(at: Scene) -> Change:
    """A change as it stands in the store right before its deletion leaves."""
    road, incident, evidence = at.road(), await at.incident(), await at.evidence()
    view = await road._view(incident, await at.proposal(), evidence)
    change, _ = await road._rehearsed(incident, view, evidence, 1)
    await at.bench.store.save_change(change)
    sent = change.advance(ChangeState.SENT, sent_at=at.bench.clock.now())
    await at.bench.store.save_change(sent)
    return sent


async def killed(at: Scene) -> Change:
    """A change of a process that was killed right after its deletion had landed."""
    sent = await sent_by(at)
    await at.delete()
    return sent


async def recovered(bench: Bench, mode: Mode = Mode.AUTO) -> list[Change]:
    await recover(bench.transport, bench.reader, bench.store, CLUSTER, clock=bench.clock, holder="tests", mode=mode)
    return await bench.store.changes_in(*ChangeState)


async def bound(at: Scene) -> None:
    """A claim has got its volume."""
    await at.patch({"spec": {"volumeName": "v"}})
    await at.patch({"status": {"phase": "Bound"}}, subresource="status")


async def switch(bench: Bench, *, on: bool) -> None:
    await bench.store.set_switch(Switch(name=SwitchName.KILL, on=on, by="ada", reason="drill", at=bench.clock.now()))


class TestMaking:
    """What comes of it where nothing goes wrong."""

    async def test_a_job_is_deleted_and_created_with_the_corrected_image(self, bench: Bench) -> None:
        at = await scene(bench, job())
        before = await at.live()
        made = await at.applied()
        after = await at.live()
        assert (made.state, image(after)) == (ChangeState.APPLIED, "nginx:1.28-alpine")
        assert after["metadata"]["uid"] == made.made != before["metadata"]["uid"]
        assert after["metadata"]["annotations"][CHANGE_ANNOTATION] == made.id
        assert [(leaf.before, leaf.after) for leaf in made.diff] == [("nginx:1.28-alpnie", "nginx:1.28-alpine")]

    async def test_every_write_carries_the_change_and_the_dry_runs_come_first(self, bench: Bench) -> None:
        at = await scene(bench, job())
        made = await at.applied()
        writes = [(method, dry) for method, dry, agent in bench.transport.sent if method != "GET" and made.id in agent]
        assert writes == [("DELETE", True), ("POST", True), ("DELETE", False), ("POST", False)]
        assert all(made.id in agent for method, _, agent in bench.transport.sent if method != "GET")

    async def test_the_incident_goes_on_with_the_new_object(self, bench: Bench) -> None:
        at = await scene(bench, job())
        opened = await at.incident()
        made = await at.applied()
        about = await at.incident()
        assert (about.id, about.subject.uid, about.subject.was) == (opened.id, made.made, opened.subject.uid)
        assert about.subject.lease == opened.subject.lease

    async def test_who_saves_an_incident_from_before_does_not_bring_the_old_object_back(self, bench: Bench) -> None:
        at = await scene(bench, job())
        opened = await at.incident()
        made = await at.applied()
        await bench.store.save_incident(opened)
        assert (await at.incident()).subject.uid == made.made

    async def test_a_signal_about_the_new_object_counts_before_anybody_knows_its_uid(self, bench: Bench) -> None:
        at = await scene(bench, job())
        opened = await at.incident()
        sent = await killed(at)
        await scene(bench, job("nginx:1.28-alpine"))
        joined = await at.incident()
        assert (joined.id, sent.state) == (opened.id, ChangeState.SENT)

    async def test_a_rehearsal_deletes_nothing(self, bench: Bench) -> None:
        at = await scene(bench, job())
        before = await at.live()
        said = await at.road().rehearse(await at.incident(), await at.proposal(), await at.evidence(), round_number=1)
        assert (said.verdict.answer, await at.live()) == (Answer.ALLOW, before)

    @pytest.mark.parametrize("mode", [Mode.OBSERVE, Mode.SUGGEST, Mode.APPROVE])
    async def test_no_mode_but_auto_deletes_anything_by_itself(self, bench: Bench, mode: Mode) -> None:
        at = await scene(bench, job())
        attempt = await at.attempt(mode=mode)
        assert (attempt.change, stored(bench, "DELETE"), await at.is_there()) == (None, 0, True)
        assert (attempt.request is not None) == (mode is Mode.APPROVE)


class TestBrokenOff:
    """A connection that is cut, a server that refuses: at every place either the new one stands or the old one."""

    async def test_where_the_corrected_one_is_refused_the_original_is_there_again(self, bench: Bench) -> None:
        at = await scene(bench, job())
        before = await at.live()
        bench.transport.before = cut(bench.transport, "POST", error=Invalid("a quota came in between", code=422))
        attempt = await at.attempt()
        after, (change,) = await at.live(), await at.changes()
        assert (attempt.change, attempt.verdict.answer) == (None, Answer.REFUSE)
        assert "put back" in attempt.verdict.objections[0].reason
        assert (change.state, change.made, image(after)) == (
            ChangeState.UNDONE,
            after["metadata"]["uid"],
            image(before),
        )
        assert CHANGE_ANNOTATION not in (after["metadata"].get("annotations") or {})
        assert (await at.incident()).subject.uid == after["metadata"]["uid"]

    async def test_a_creation_whose_answer_is_lost_is_not_sent_again(self, bench: Bench) -> None:
        at = await scene(bench, job())
        bench.transport.after = cut(bench.transport, "POST")
        made = await at.applied()
        assert (stored(bench, "POST"), image(await at.live())) == (1, "nginx:1.28-alpine")
        assert made.made == (await at.live())["metadata"]["uid"]

    async def test_a_creation_that_never_arrived_ends_with_the_original(self, bench: Bench) -> None:
        at = await scene(bench, job())
        bench.transport.before = cut(bench.transport, "POST")
        attempt = await at.attempt()
        assert (attempt.change, image(await at.live())) == (None, "nginx:1.28-alpnie")

    async def test_a_deletion_that_never_arrived_changes_nothing(self, bench: Bench) -> None:
        at = await scene(bench, job())
        before = await at.live()
        bench.transport.before = cut(bench.transport, "DELETE")
        with pytest.raises(Unreachable):
            await at.attempt()
        assert ([one.state for one in await at.changes()], await at.live()) == ([ChangeState.ABANDONED], before)
        assert stored(bench, "POST") == 0

    async def test_a_deletion_whose_answer_is_lost_is_gone_on_from(self, bench: Bench) -> None:
        at = await scene(bench, job())
        bench.transport.after = cut(bench.transport, "DELETE")
        await at.applied()
        assert (stored(bench, "DELETE"), image(await at.live())) == (1, "nginx:1.28-alpine")

    async def test_what_has_moved_on_since_it_was_judged_is_not_deleted(self, bench: Bench) -> None:
        at = await scene(bench, job())
        sent = await sent_by(at)
        await at.patch({"status": {"succeeded": 1}}, subresource="status")
        with pytest.raises(NotApplied, match="has moved on"):
            await Making(bench.reader, bench.writer, bench.store, bench.clock).make(sent)
        assert (await at.is_there(), [one.state for one in await at.changes()]) == (True, [ChangeState.ABANDONED])

    async def test_where_it_cannot_be_put_back_a_person_is_told_once_and_it_is_tried_again(self, bench: Bench) -> None:
        at = await scene(bench, job())
        bench.transport.before = cut(bench.transport, "POST", times=3)
        with pytest.raises(FateUnknown, match="not there again yet"):
            await at.attempt()
        assert not await at.is_there()
        incident = (await bench.store.incidents())[0]
        with pytest.raises(FateUnknown):
            await at.road().look_up_sent(incident)
        assert [one.title for one in await notices(bench)] == [
            "Deleted, and not created again yet: job/import in default"
        ]
        assert await at.road().look_up_sent(incident)
        assert image(await at.live()) == "nginx:1.28-alpnie"

    async def test_what_a_finalizer_holds_is_waited_for_and_then_there_again(self, bench: Bench) -> None:
        at = await scene(bench, claim())
        await at.patch({"metadata": {"finalizers": ["kubernetes.io/pvc-protection"]}})
        with pytest.raises(FateUnknown, match="pvc-protection"):
            await at.attempt()
        await at.patch({"metadata": {"finalizers": None}})
        assert not await at.is_there()
        assert await at.road().look_up_sent((await bench.store.incidents())[0])
        assert (await at.live())["spec"]["storageClassName"] == "fsat"

    async def test_the_kill_switch_holds_between_the_two_and_lets_go_of_it(self, bench: Bench) -> None:
        at = await scene(bench, job())
        incident, road = await at.incident(), at.road()
        await killed(at)
        await switch(bench, on=True)
        with pytest.raises(FateUnknown, match="kill switch"):
            await road.look_up_sent(incident)
        assert not await at.is_there()
        await switch(bench, on=False)
        assert await road.look_up_sent(incident)
        assert image(await at.live()) == "nginx:1.28-alpnie"


class TestKilled:
    """What a start finds of a process that was killed in between."""

    async def test_what_was_deleted_and_not_created_is_put_back(self, bench: Bench) -> None:
        at = await scene(bench, job())
        await killed(at)
        (change,) = await recovered(bench)
        assert (change.state, image(await at.live())) == (ChangeState.UNDONE, "nginx:1.28-alpnie")
        assert (await at.incident()).subject.uid == (await at.live())["metadata"]["uid"]

    @pytest.mark.parametrize("mode", [Mode.OBSERVE, Mode.SUGGEST])
    async def test_in_a_mode_that_changes_nothing_a_person_is_told_and_can_undo_it(
        self, bench: Bench, mode: Mode
    ) -> None:
        at = await scene(bench, job())
        await killed(at)
        (change,) = await recovered(bench, mode)
        assert (change.state, await at.is_there(), len(await notices(bench))) == (ChangeState.SENT, False, 1)
        undone = await at.road(mode).take_back(change, by="ada")
        assert (undone.state, image(await at.live())) == (ChangeState.UNDONE, "nginx:1.28-alpnie")

    async def test_what_was_created_stands_and_nothing_is_written(self, bench: Bench) -> None:
        at = await scene(bench, job())
        made = await at.applied()
        await bench.store.save_change(as_sent(made))
        writes = len(list(bench.transport.writes()))
        (change,) = await recovered(bench)
        assert (change.state, change.made, len(list(bench.transport.writes()))) == (
            ChangeState.APPLIED,
            made.made,
            writes,
        )

    async def test_what_was_never_deleted_is_left_as_it_is(self, bench: Bench) -> None:
        at = await scene(bench, job())
        await sent_by(at)
        before = await at.live()
        assert [one.state for one in await recovered(bench)] == [ChangeState.ABANDONED]
        assert await at.live() == before

    async def test_what_somebody_else_has_created_meanwhile_is_theirs(self, bench: Bench) -> None:
        at = await scene(bench, job())
        await killed(at)
        await scene(bench, job("nginx:1.29"))
        assert [one.state for one in await recovered(bench)] == [ChangeState.ABANDONED]
        assert image(await at.live()) == "nginx:1.29"

    async def test_an_undo_that_was_begun_is_brought_to_its_end(self, bench: Bench) -> None:
        at = await scene(bench, job())
        made = await at.applied()
        await bench.store.save_change(made.advance(ChangeState.UNDOING, undone_by="ada"))
        await at.delete()
        (change,) = await recovered(bench)
        assert (change.state, change.undone_by) == (ChangeState.UNDONE, "ada")
        assert image(await at.live()) == "nginx:1.28-alpnie"

    async def test_an_undo_that_was_only_recorded_is_brought_to_its_end_too(self, bench: Bench) -> None:
        at = await scene(bench, job())
        made = await at.applied()
        await bench.store.save_change(made.advance(ChangeState.UNDOING))
        assert [one.state for one in await recovered(bench)] == [ChangeState.UNDONE]
        assert image(await at.live()) == "nginx:1.28-alpnie"

    async def test_an_undo_that_was_only_recorded_does_not_delete_a_claim_that_has_got_a_volume_since(
        self, bench: Bench
    ) -> None:
        at = await scene(bench, claim())
        made = await at.applied()
        await bench.store.save_change(made.advance(ChangeState.UNDOING))
        await bound(at)
        (change,) = await recovered(bench)
        assert (change.state, (await at.live())["metadata"]["uid"]) == (ChangeState.KEPT, made.made)

    async def test_what_an_undo_has_deleted_and_still_lingers_is_not_deleted_again(self, bench: Bench) -> None:
        at = await scene(bench, claim())
        made = await at.applied()
        await bench.store.save_change(made.advance(ChangeState.UNDOING))
        await at.patch({"metadata": {"finalizers": ["kubernetes.io/pvc-protection"]}})
        await at.delete()
        deletions = stored(bench, "DELETE")
        (change,) = await recovered(bench)
        assert (change.state, stored(bench, "DELETE")) == (ChangeState.UNDOING, deletions)
        await at.patch({"metadata": {"finalizers": None}})
        assert [one.state for one in await recovered(bench)] == [ChangeState.UNDONE]
        assert (await at.live())["spec"]["storageClassName"] == "fsat"


class TestUndoing:
    """The way back, by the program and by a person."""

    async def test_what_stood_there_is_created_again(self, bench: Bench) -> None:
        at = await scene(bench, job())
        before = await at.live()
        undone = await at.road().undo(await at.applied())
        after = await at.live()
        assert (undone.state, undone.made) == (ChangeState.UNDONE, after["metadata"]["uid"])
        assert after["spec"]["template"]["spec"] == before["spec"]["template"]["spec"]
        assert (await at.incident()).subject.uid == after["metadata"]["uid"]

    async def test_a_person_takes_it_back_and_has_the_incident(self, bench: Bench) -> None:
        at = await scene(bench, job())
        undone = await at.road().take_back(await at.applied(), by="ada")
        assert (undone.undone_by, image(await at.live())) == ("ada", "nginx:1.28-alpnie")
        assert (await at.incident()).summary == f"ada has undone change {undone.id}"

    async def test_what_somebody_has_changed_since_is_not_touched(self, bench: Bench) -> None:
        at = await scene(bench, job())
        made = await at.applied()
        await at.patch({"spec": {"suspend": True}})
        before = await at.live()
        with pytest.raises(UndoRefused, match="somebody else has changed it"):
            await at.road().undo(made)
        assert await at.live() == before

    async def test_a_job_that_has_done_its_work_since_stays(self, bench: Bench) -> None:
        at = await scene(bench, job())
        made = await at.applied()
        await at.patch({"status": {"succeeded": 1}}, subresource="status")
        with pytest.raises(UndoRefused, match="done their work"):
            await at.road().undo(made)
        assert image(await at.live()) == "nginx:1.28-alpine"

    async def test_a_claim_that_has_got_a_volume_since_stays(self, bench: Bench) -> None:
        at = await scene(bench, claim())
        made = await at.applied()
        await bound(at)
        with pytest.raises(UndoRefused, match="may hold data"):
            await at.road().undo(made)
        assert (await at.live())["spec"]["storageClassName"] == "fast"

    async def test_a_claim_that_gets_a_volume_right_after_it_was_judged_stays(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        at = await scene(bench, claim())
        made, save = await at.applied(), bench.store.save_change

        async def meanwhile(change: Change) -> bool:
            if change.state is ChangeState.UNDOING:
                await bound(at)
            return await save(change)

        monkeypatch.setattr(bench.store, "save_change", meanwhile)
        with pytest.raises(UndoRefused, match="may hold data"):
            await at.road().undo(made)
        assert (await at.live())["metadata"]["uid"] == made.made
        assert [(one.state, one.undone_by) for one in await at.changes()] == [(ChangeState.KEPT, "")]

    async def test_what_somebody_else_has_made_anew_is_not_touched(self, bench: Bench) -> None:
        at = await scene(bench, job())
        made = await at.applied()
        await at.delete()
        with pytest.raises(UndoRefused, match="gone"):
            await at.road().undo(made)
        await scene(bench, job("nginx:1.29"))
        with pytest.raises(UndoRefused, match="another object"):
            await at.road().undo(made)
        assert image(await at.live()) == "nginx:1.29"

    @pytest.mark.parametrize(("times", "back"), [(6, True), (TRIES, False)])
    async def test_a_status_that_moves_for_a_while_is_waited_out(self, bench: Bench, times: int, back: bool) -> None:
        at = await scene(bench, job())
        made, began = await at.applied(), bench.clock.now()
        conflict = Conflict("the object has been modified", code=409)
        bench.transport.before = cut(bench.transport, "DELETE", times=times, error=conflict)
        if back:
            assert (await at.road().undo(made)).state is ChangeState.UNDONE
        else:
            with pytest.raises(UndoRefused, match="changes all the time"):
                await at.road().undo(made)
        assert (bench.clock.now() - began).total_seconds() == times * PAUSE_SECONDS

    async def test_a_deletion_that_is_refused_leaves_it_standing(self, bench: Bench) -> None:
        at = await scene(bench, job())
        made = await at.applied()
        bench.transport.before = cut(bench.transport, "DELETE", error=Invalid("a webhook says no", code=422))
        with pytest.raises(UndoRefused, match="a webhook says no"):
            await at.road().undo(made)
        (change,) = await at.changes()
        assert (change.state, change.undone_by, image(await at.live())) == (ChangeState.KEPT, "", "nginx:1.28-alpine")


async def notices(bench: Bench) -> list[Notice]:
    return await bench.store.unsent()
