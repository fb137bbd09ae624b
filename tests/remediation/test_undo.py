"""The way back: undoing one change, and settling an incident that is not well."""

import msgspec
import pytest

from incidents.changes import Change, ChangeState, InverseKind, LeafChange
from incidents.incident import Outcome, Status
from incidents.objects import ChangeId
from incidents.patch import meaningful
from incidents.snapshot import spec_digest
from incidents.symptoms import Symptom
from remediation.undo import UndoRefused, differences_since
from tests import builders
from tests.remediation.conftest import Bench
from tests.remediation.scripted import losing
from tests.remediation.steps import IMAGE, image_change, image_of, memory_change, ready_pod, web
from tools.cluster.errors import Unreachable


class TestUndoing:
    """Exactly back, or not at all."""

    async def test_the_object_is_restored_exactly(self, bench: Bench) -> None:
        before = await web(bench)
        change = await bench.applied(await memory_change(bench, "128Mi", "1024Mi"))
        undone = await bench.road().undo(change)
        live = await bench.live()
        assert undone.state is ChangeState.UNDONE
        assert meaningful(live) == meaningful(before)
        assert not live["metadata"].get("annotations")

    async def test_what_somebody_else_has_set_is_never_overwritten(self, bench: Bench) -> None:
        await web(bench)
        change = await bench.applied(await image_change(bench))
        moved = await bench.edit({"op": "replace", "path": IMAGE, "value": "nginx:9"})
        with pytest.raises(UndoRefused) as refused:
            await bench.road().undo(change)
        (leaf,) = refused.value.differences
        assert (leaf.pointer, leaf.before, leaf.set, leaf.now) == (IMAGE, "nginx:1.27", "nginx:1.28", "nginx:9")
        assert await bench.live() == moved
        kept = await bench.store.change(change.id)
        assert kept is not None
        assert kept.state is ChangeState.APPLIED

    async def test_other_fields_somebody_has_set_meanwhile_stay(self, bench: Bench) -> None:
        await web(bench)
        change = await bench.applied(await image_change(bench))
        await bench.edit({"op": "replace", "path": "/spec/replicas", "value": 3})
        await bench.road().undo(change)
        assert ((await bench.live())["spec"]["replicas"], await image_of(bench)) == (3, "nginx:1.27")

    async def test_what_is_back_already_is_only_recorded(self, bench: Bench) -> None:
        await web(bench)
        change = await bench.applied(await image_change(bench))
        await bench.edit(*change.inverse.operations)
        writes = len(list(bench.transport.writes()))
        assert (await bench.road().undo(change)).state is ChangeState.UNDONE
        assert len(list(bench.transport.writes())) == writes

    async def test_values_a_person_has_put_back_by_hand_are_recorded_as_back(self, bench: Bench) -> None:
        await web(bench)
        change = await bench.applied(await image_change(bench))
        await bench.edit({"op": "replace", "path": IMAGE, "value": "nginx:1.27"})
        assert (await bench.road().undo(change)).state is ChangeState.UNDONE

    async def test_an_undo_whose_answer_is_lost_is_looked_up(self, bench: Bench) -> None:
        await web(bench)
        change = await bench.applied(await image_change(bench))
        bench.transport.after = losing("PATCH")
        assert (await bench.road().undo(change)).state is ChangeState.UNDONE
        assert await image_of(bench) == "nginx:1.27"

    async def test_an_undo_that_never_arrived_may_be_repeated(self, bench: Bench) -> None:
        await web(bench)
        change = await bench.applied(await image_change(bench))
        bench.transport.before = losing("PATCH")
        with pytest.raises(Unreachable):
            await bench.road().undo(change)
        bench.transport.before = lambda _: None
        assert (await bench.road().undo(change)).state is ChangeState.UNDONE


class TestMarks:
    """Whose marks the object carries decides how much of the inverse is meant."""

    mark = "/metadata/annotations/k8s-auto-fixer~1change"

    async def test_where_somebody_has_removed_our_marks_the_fields_alone_go_back(self, bench: Bench) -> None:
        await web(bench)
        change = await bench.applied(await image_change(bench))
        await bench.edit({"op": "replace", "path": "/metadata/annotations", "value": {"somebody": "else"}})
        assert (await bench.road().undo(change)).state is ChangeState.UNDONE
        assert await image_of(bench) == "nginx:1.27"
        assert (await bench.live())["metadata"]["annotations"] == {"somebody": "else"}

    async def test_under_a_later_change_of_this_store_the_fields_alone_go_back(self, bench: Bench) -> None:
        await web(bench)
        first = await bench.applied(await image_change(bench))
        second = await bench.applied(await memory_change(bench, "128Mi", "256Mi"), round_number=2)
        await bench.road().undo(first)
        live = await bench.live()
        container = live["spec"]["template"]["spec"]["containers"][0]
        assert (container["image"], container["resources"]["limits"]["memory"]) == ("nginx:1.27", "256Mi")
        assert live["metadata"]["annotations"]["k8s-auto-fixer/change"] == second.id

    async def test_over_another_programs_change_nothing_is_written(self, bench: Bench) -> None:
        await web(bench)
        change = await bench.applied(await image_change(bench))
        await bench.edit({"op": "replace", "path": self.mark, "value": "theirs"})
        with pytest.raises(UndoRefused, match="theirs"):
            await bench.road().undo(change)
        assert await image_of(bench) == "nginx:1.28"

    async def test_a_difference_in_what_may_be_secret_is_told_without_its_values(self, bench: Bench) -> None:
        leaf = LeafChange(pointer="/spec/template/spec/containers/0/env/0/value", before="one", after="two")
        change = msgspec.structs.replace(builders.change(), diff=(leaf,))
        live = builders.deployment(builders.template(builders.container(env=[{"name": "COLOUR", "value": "three"}])))
        (told,) = differences_since(change, live)
        assert {told.before, told.set, told.now} == {"[masked]"}


class TestTakingBack:
    """A person's undo: signed, and the incident is theirs from then on."""

    async def test_it_works_on_verified_changes_and_says_who(self, bench: Bench) -> None:
        await web(bench)
        incident = await bench.incident()
        change = await bench.applied(await image_change(bench))
        await bench.store.save_change(change.advance(ChangeState.VERIFIED))
        await bench.store.save_incident(msgspec.structs.replace(incident, status=Status.CLOSED))
        undone = await bench.road().take_back(change, by="ada")
        assert (undone.undone_by, undone.ended_at) == ("ada", bench.clock.now())
        over = await bench.store.incident(incident.id)
        assert over is not None
        assert (over.status, over.outcome) == (Status.HANDED_OVER, Outcome.ROLLED_BACK)
        assert over.spec == spec_digest(await bench.live())
        records = [record for record in await bench.store.audit_records() if record.step == "undo"]
        assert [record.detail["who"] for record in records] == ["ada"]

    async def test_while_a_run_has_the_subject_the_run_hands_it_over(self, bench: Bench) -> None:
        await web(bench)
        incident = await bench.incident()
        change = await bench.applied(await image_change(bench))
        assert await bench.store.acquire_lease(incident.subject.lease, "a run", seconds=60)
        assert (await bench.road().take_back(change, by="ada")).state is ChangeState.UNDONE
        assert (await bench.incident()).status is Status.OPEN

    async def test_what_a_run_has_ended_a_moment_ago_is_handed_over_all_the_same(self, bench: Bench) -> None:
        await web(bench)
        incident = await bench.incident()
        change = await bench.applied(await image_change(bench))
        await bench.store.save_incident(msgspec.structs.replace(incident, status=Status.CLOSED))
        assert await bench.store.acquire_lease(incident.subject.lease, "a run", seconds=60)
        await bench.road().take_back(change, by="ada")
        assert (await bench.incident()).status is Status.HANDED_OVER

    async def test_what_was_never_there_or_is_back_already_is_refused(self, bench: Bench) -> None:
        await web(bench)
        change = await bench.applied(await image_change(bench))
        await bench.road().take_back(change, by="ada")
        with pytest.raises(UndoRefused, match="undone already"):
            await bench.road().take_back(change, by="ada")
        lost = msgspec.structs.replace(change, id=ChangeId("lost"), state=ChangeState.ABANDONED)
        await bench.store.save_change(lost)
        with pytest.raises(UndoRefused, match="never reached"):
            await bench.road().take_back(lost, by="ada")


class TestSettling:
    """How an incident that is not well ends."""

    async def three(self, bench: Bench) -> list[Change]:
        await web(bench)
        steps = (("128Mi", "256Mi"), ("256Mi", "512Mi"), ("512Mi", "1Gi"))
        return [
            await bench.applied(await memory_change(bench, old, new), round_number=number)
            for number, (old, new) in enumerate(steps, 1)
        ]

    async def states(self, bench: Bench) -> list[ChangeState]:
        return [change.state for change in await bench.store.changes((await bench.incident()).id)]

    async def test_standing_changes_are_undone_newest_first_back_to_the_original(self, bench: Bench) -> None:
        changes = await self.three(bench)
        settlement = await bench.road().settle(await bench.incident())
        assert settlement.undone == tuple(change.id for change in reversed(changes))
        assert settlement.kept == ()
        live = await bench.live()
        assert live["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"] == "128Mi"
        assert not live["metadata"].get("annotations")

    async def test_they_stay_when_more_replicas_are_ready_than_before(self, bench: Bench) -> None:
        changes = await self.three(bench)
        await ready_pod(bench)
        settlement = await bench.road().settle(await bench.incident())
        assert settlement.kept == tuple(change.id for change in changes)
        assert "1 replicas are ready, 0 were before" in settlement.because
        assert await self.states(bench) == [ChangeState.KEPT] * 3

    async def test_that_one_is_ready_keeps_no_change_that_was_to_end_evictions(self, bench: Bench) -> None:
        await web(bench)
        asked = msgspec.structs.replace(await memory_change(bench, "128Mi", "256Mi"), ends=Symptom.EVICTED)
        change = await bench.applied(asked)
        await ready_pod(bench)
        assert (await bench.road().settle(await bench.incident())).undone == (change.id,)

    async def test_they_stay_when_somebody_else_has_changed_the_spec(self, bench: Bench) -> None:
        changes = await self.three(bench)
        await bench.edit({"op": "replace", "path": IMAGE, "value": "nginx:9"})
        settlement = await bench.road().settle(await bench.incident())
        assert settlement.kept == tuple(change.id for change in changes)
        assert "somebody else" in settlement.because

    async def test_scaling_is_nobodys_decision_about_the_change(self, bench: Bench) -> None:
        await self.three(bench)
        await bench.edit({"op": "replace", "path": "/spec/replicas", "value": 4})
        assert len((await bench.road().settle(await bench.incident())).undone) == 3

    async def test_if_one_cannot_be_undone_the_rest_wait_for_a_person(self, bench: Bench) -> None:
        changes = await self.three(bench)
        annotation = "/metadata/annotations/k8s-auto-fixer~1change"
        await bench.edit({"op": "replace", "path": annotation, "value": "somebody"})
        settlement = await bench.road().settle(await bench.incident())
        assert (settlement.undone, settlement.kept) == ((), tuple(change.id for change in changes))
        assert "cannot be undone" in settlement.because

    async def test_an_undo_that_a_crash_left_unrecorded_is_noticed(self, bench: Bench) -> None:
        await web(bench)
        change = await bench.applied(await image_change(bench))
        await bench.edit(*change.inverse.operations)
        settlement = await bench.road().settle(await bench.incident())
        assert (settlement.undone, settlement.kept) == ((change.id,), ())
        assert await self.states(bench) == [ChangeState.UNDONE]

    async def test_what_can_never_be_taken_back_stays_and_is_told_and_is_in_no_others_way(self, bench: Bench) -> None:
        first, grown, last = await self.three(bench)
        inverse = msgspec.structs.replace(grown.inverse, kind=InverseKind.NONE)
        await bench.store.save_change(msgspec.structs.replace(grown, inverse=inverse))
        await bench.store.save_change(first.advance(ChangeState.VERIFIED))
        settlement = await bench.road().settle(await bench.incident())
        assert (settlement.undone, settlement.kept) == ((last.id,), (grown.id,))
        assert "cannot be taken back" in settlement.because
        assert await self.states(bench) == [ChangeState.VERIFIED, ChangeState.KEPT, ChangeState.UNDONE]
        writes = len(list(bench.transport.writes()))
        kept = await bench.store.change(grown.id)
        assert kept is not None
        with pytest.raises(UndoRefused, match="cannot be taken back"):  # nor for a person
            await bench.road().take_back(kept, by="ada")
        assert len(list(bench.transport.writes())) == writes

    async def test_what_more_room_has_made_ready_keeps_no_change_that_came_after_it(self, bench: Bench) -> None:
        grown, second, last = await self.three(bench)
        await ready_pod(bench)
        inverse = msgspec.structs.replace(grown.inverse, kind=InverseKind.NONE)
        await bench.store.save_change(msgspec.structs.replace(grown, inverse=inverse))
        since = msgspec.structs.replace(second.baseline, ready=1)
        await bench.store.save_change(msgspec.structs.replace(second, baseline=since))
        settlement = await bench.road().settle(await bench.incident())
        assert (settlement.undone, settlement.kept) == ((last.id, second.id), (grown.id,))

    async def test_without_standing_changes_there_is_nothing_to_settle(self, bench: Bench) -> None:
        await web(bench)
        settlement = await bench.road().settle(await bench.incident())
        assert (settlement.undone, settlement.kept) == ((), ())
