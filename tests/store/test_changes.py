"""What every store promises about changes, and about what was learnt of the cluster."""

from datetime import timedelta

import msgspec
import pytest

from incidents.changes import ChangeState, LeafChange
from incidents.codec import encode
from incidents.objects import ChangeId, ClusterId, IncidentId
from tests.builders import NOW, proposal, signal, subject
from tests.store.places import Place
from tests.store.values import change_of, other_subject
from tools.store import Store, StoreError
from tools.store.audit import LEAVES_SHOWN

CLUSTER = ClusterId("cluster-1")


class TestChanges:
    """A change is recovered from its own state."""

    async def test_a_change_is_found_in_its_present_state_only(self, store: Store, incident: IncidentId) -> None:
        made = change_of(incident)
        await store.save_change(made)
        sent = made.advance(ChangeState.SENT, sent_at=NOW)
        await store.save_change(sent)
        assert await store.change(made.id) == sent
        assert await store.changes_in(ChangeState.SENT, ChangeState.APPLIED) == [sent]
        assert await store.changes_in(ChangeState.PREPARED) == []

    async def test_changes_keep_the_order_in_which_they_were_prepared(self, store: Store, incident: IncidentId) -> None:
        made = [change_of(incident, f"change-{number}") for number in (3, 1, 2)]
        for change in made:
            await store.save_change(change)
        await store.save_change(made[0])
        assert await store.changes(incident) == made
        assert await store.changes_in(ChangeState.PREPARED) == made

    @pytest.mark.parametrize("end", [ChangeState.UNDONE, ChangeState.ABANDONED])
    async def test_what_has_ended_stays_as_it_ended(self, store: Store, incident: IncidentId, end: ChangeState) -> None:
        old = change_of(incident, state=ChangeState.SENT)
        assert await store.save_change(old)
        ended = old.advance(end, undone_by="ada")
        assert await store.save_change(ended)
        for late in (old.advance(ChangeState.APPLIED), msgspec.structs.replace(ended, undone_by="")):
            assert not await store.save_change(late)
        assert await store.change(old.id) == ended
        assert [record.step for record in await store.audit_records()] == ["change.sent", f"change.{end.value}"]

    async def test_a_change_of_no_known_incident_is_not_taken(self, store: Store) -> None:
        with pytest.raises(StoreError):
            await store.save_change(change_of("unknown"))
        assert await store.change(ChangeId("change-1")) is None
        assert await store.audit_records() == []

    async def test_changes_since_are_those_prepared_or_ended_since(self, store: Store, incident: IncidentId) -> None:
        hours = [timedelta(hours=number) for number in range(4)]
        old = change_of(incident, "old", prepared_at=NOW)
        ended = change_of(incident, "ended", prepared_at=NOW, ended_at=NOW + hours[2], state=ChangeState.VERIFIED)
        new = change_of(incident, "new", prepared_at=NOW + hours[3])
        for change in (old, ended, new):
            await store.save_change(change)
        assert await store.changes_since(CLUSTER, NOW + hours[1]) == [ended, new]
        assert await store.changes_since(CLUSTER, NOW) == [old, ended, new]
        assert await store.changes_since(CLUSTER, NOW + hours[3]) == [new]
        assert await store.changes_since(ClusterId("another"), NOW) == []


class TestTheAuditOfAChange:
    """Each new state is one record, of the same transaction, and tells no secret."""

    async def test_every_new_state_is_one_record_and_nothing_else_is(self, store: Store, incident: IncidentId) -> None:
        change = change_of(incident)
        await store.save_change(change)
        await store.save_change(msgspec.structs.replace(change, deadline=NOW + timedelta(hours=2)))
        change = change.advance(ChangeState.SENT)
        await store.save_change(change)
        await store.save_change(change.advance(ChangeState.APPLIED))
        steps = [record.step for record in await store.audit_records()]
        assert steps == ["change.prepared", "change.sent", "change.applied"]

    async def test_a_record_says_who_changed_what_and_why(self, store: Store, incident: IncidentId) -> None:
        leaf = LeafChange(pointer="/spec/template/spec/containers/0/image", before="nginx:x", after="nginx:1")
        await store.save_change(change_of(incident, diff=(leaf,)))
        (record,) = await store.audit_records()
        assert record.at == NOW
        assert record.detail["change"] == "change-1"
        assert record.detail["incident"] == incident
        assert record.detail["target"]["name"] == "web"
        assert (record.detail["who"], record.detail["why"]) == ("playbook/test", "because a test says so")
        (shown,) = record.detail["diff"]
        assert (shown["before"], shown["after"]) == ("nginx:x", "nginx:1")

    @pytest.mark.parametrize(
        "leaf",
        [
            LeafChange(pointer="/spec/template/spec/containers/0/env/3/value", before="S3CRET-1", after="S3CRET-2"),
            LeafChange(pointer="/spec/template/spec/containers/0/args/1", before=None, after="--password=S3CRET"),
            LeafChange(pointer="/metadata/annotations/image", before="S3CRET", after=None),
            LeafChange(pointer="/spec/anything", before={"password": "S3CRET"}, after=["S3CRET"]),
            LeafChange(pointer="/spec/containers/0/image", before="https://jo:S3CRET@registry.example/a", after="a"),
        ],
    )
    async def test_no_value_that_may_be_a_secret_is_in_it(
        self, store: Store, incident: IncidentId, leaf: LeafChange
    ) -> None:
        said = msgspec.structs.replace(proposal(), reason="saw Authorization: Bearer S3CRET.S3CRET-1")
        await store.save_change(change_of(incident, diff=(leaf,), made=said))
        (record,) = await store.audit_records()
        assert "S3CRET" not in encode(record)
        assert record.detail["diff"][0]["before_digest"] != record.detail["diff"][0]["after_digest"]

    async def test_equal_values_have_equal_digests_that_differ_from_store_to_store(
        self, place: Place, store: Store, incident: IncidentId
    ) -> None:
        pointer = "/spec/template/spec/containers/0/env/0/value"
        for number, (before, after) in enumerate([("1234", "a"), ("b", "1234")]):
            leaf = LeafChange(pointer=pointer, before=before, after=after)
            await store.save_change(change_of(incident, f"change-{number}", diff=(leaf,)))
        first, second = [record.detail["diff"][0] for record in await store.audit_records()]
        assert first["before_digest"] == second["after_digest"] != first["after_digest"]
        async with place.elsewhere().open() as another:
            opened, _ = await another.open_or_join(subject(), signal())
            await another.save_change(change_of(opened.id, diff=(LeafChange(pointer=pointer, before="1234"),)))
            (record,) = await another.audit_records()
        assert record.detail["diff"][0]["before_digest"] != first["before_digest"]

    async def test_a_change_of_a_great_many_leaves_has_a_record_of_bounded_size(
        self, store: Store, incident: IncidentId
    ) -> None:
        leaves = tuple(LeafChange(pointer=f"/spec/{n}", before=n) for n in range(LEAVES_SHOWN + 7))
        await store.save_change(change_of(incident, diff=leaves))
        (record,) = await store.audit_records()
        assert (len(record.detail["diff"]), record.detail["leaves_left_out"]) == (LEAVES_SHOWN, 7)


class TestMemory:
    """Revisions seen well, and images seen at all."""

    async def test_a_revision_seen_well_is_remembered_for_its_subject_alone(self, store: Store) -> None:
        await store.record_good(subject(), "one")
        await store.record_good(subject(), "two")
        await store.record_good(subject(), "one")
        assert await store.good_revisions(subject()) == {"one", "two"}
        assert await store.good_revisions(other_subject()) == frozenset()

    async def test_the_images_of_the_last_sweep_replace_those_before(self, store: Store) -> None:
        await store.record_images(CLUSTER, {"docker.io/nginx": ("nginx:1", "nginx:2"), "docker.io/redis": ("redis:7",)})
        await store.record_images(ClusterId("another"), {"docker.io/nginx": ("nginx:9",)})
        await store.record_images(CLUSTER, {"docker.io/nginx": ("nginx:3", "nginx:2", "nginx:2")})
        assert await store.images(CLUSTER, "docker.io/nginx") == ("nginx:2", "nginx:3")
        assert await store.images(CLUSTER, "docker.io/redis") == ()
        assert await store.images(ClusterId("another"), "docker.io/nginx") == ("nginx:9",)
