"""Once, or not at all: applying, lost answers and crashes."""

from typing import Any

import msgspec
import pytest

from incidents.changes import CHANGE_ANNOTATION, Change, ChangeState
from incidents.health import timestamp
from incidents.objects import ClusterId
from incidents.policy import Answer, Mode, Windows
from incidents.proposals import RollBack
from incidents.snapshot import template_digest
from remediation.outcomes import FateUnknown, NotApplied
from remediation.recover import recover
from remediation.transaction import Transaction
from tests.builders import container, deployment, proposal, template
from tests.clocks import FakeClock
from tests.remediation.conftest import NAMESPACE, Bench
from tests.remediation.scripted import losing
from tests.remediation.steps import IMAGE, image_change, image_of, memory_change, sent_to, web
from tools.cluster.errors import Unreachable
from tools.cluster.writer import LANDING_SECONDS


class TestApplying:
    """From a proposal to a change on the object."""

    async def test_a_good_proposal_is_applied_once_and_carries_its_id(self, bench: Bench) -> None:
        await web(bench)
        change = await bench.applied(await image_change(bench))
        live = await bench.live()
        assert (await image_of(bench), live["metadata"]["annotations"][CHANGE_ANNOTATION]) == ("nginx:1.28", change.id)
        assert change.state is ChangeState.APPLIED
        assert list(bench.transport.writes()) == [f"k8s-auto-fixer/test change/{change.id}"]

    async def test_every_write_and_dry_run_names_the_change_in_its_user_agent(self, bench: Bench) -> None:
        await web(bench)
        change = await bench.applied(await image_change(bench))
        agents = {agent for method, _, agent in bench.transport.sent if method != "GET"}
        assert agents == {f"k8s-auto-fixer/test change/{change.id}"}
        assert [dry for method, dry, _ in bench.transport.sent if method == "PATCH"] == [True, False]

    @pytest.mark.parametrize(
        ("mode", "dry_runs", "answer"), [(Mode.OBSERVE, 0, Answer.REFUSE), (Mode.SUGGEST, 1, Answer.NEEDS_APPROVAL)]
    )
    async def test_observe_writes_nothing_and_suggest_only_tries(
        self, bench: Bench, mode: Mode, dry_runs: int, answer: Answer
    ) -> None:
        before = await web(bench)
        bench.policy = type(bench.policy)(mode=mode)
        incident, evidence = await bench.incident(), await bench.evidence()
        attempt = await bench.road().attempt(incident, await image_change(bench), evidence, round_number=1)
        assert (attempt.verdict.answer, attempt.change) == (answer, None)
        assert [dry for method, dry, _ in bench.transport.sent if method == "PATCH"] == [True] * dry_runs
        assert await bench.live() == before

    async def test_an_excluded_namespace_gets_not_even_a_dry_run(self, bench: Bench) -> None:
        await web(bench)
        road = bench.road(excluded_namespaces=(NAMESPACE,))
        incident, evidence = await bench.incident(), await bench.evidence()
        attempt = await road.attempt(incident, await image_change(bench), evidence, round_number=1)
        assert attempt.verdict.answer is Answer.REFUSE
        assert not [method for method, _, _ in bench.transport.sent if method != "GET"]

    async def test_the_shown_difference_is_masked_and_the_kept_one_is_not(self, bench: Bench) -> None:
        env = [{"name": "DB_PASSWORD", "value": "new-secret"}]
        created = await bench.create(deployment(template(container(env=env))))
        old = template(container(env=[{"name": "DB_PASSWORD", "value": "old-secret"}]))
        revision = await bench.revision(created, old, number=1)
        action = RollBack(replica_set="web-h1", digest=template_digest(revision["spec"]["template"]))
        incident, evidence = await bench.incident(), await bench.evidence()
        asked = proposal(action=action, target=incident.subject.ref)
        attempt = await bench.road().attempt(incident, asked, evidence, round_number=1)
        assert attempt.change is not None
        assert [(leaf.before, leaf.after) for leaf in attempt.diff] == [("[masked]", "[masked]")]
        assert [(leaf.before, leaf.after) for leaf in attempt.change.diff] == [("new-secret", "old-secret")]
        timeline = await bench.store.timeline(incident.id)
        assert "secret" not in str([entry.detail for entry in timeline if entry.step == "guarded"])

    async def test_a_change_of_an_earlier_incident_of_this_store_is_not_foreign(self, bench: Bench) -> None:
        await web(bench)
        await bench.applied(await image_change(bench))
        first = await bench.incident()
        await bench.store.succeed(first, first.last_signal)
        bench.clock.advance(Windows().cooldown)
        second = await bench.applied(await memory_change(bench, "128Mi", "256Mi"))
        assert second.incident != first.id

    async def test_a_foreign_change_under_verification_is_waited_for(self, bench: Bench) -> None:
        await web(bench)
        await bench.applied(await image_change(bench))
        await bench.edit({"op": "replace", "path": "/metadata/annotations/k8s-auto-fixer~1change", "value": "theirs"})
        incident, evidence = await bench.incident(), await bench.evidence()
        asked = await image_change(bench, "nginx:1.28", "nginx:1.29")
        attempt = await bench.road().attempt(incident, asked, evidence, round_number=2)
        assert attempt.verdict.answer is Answer.DEFER

    async def test_a_spec_that_was_edited_since_the_evidence_is_looked_at_again(self, bench: Bench) -> None:
        await web(bench)
        evidence, incident = await bench.evidence(), await bench.incident()
        await bench.edit({"op": "replace", "path": "/spec/replicas", "value": 2})
        attempt = await bench.road().attempt(incident, await image_change(bench), evidence, round_number=1)
        assert attempt.verdict.answer is Answer.DEFER

    async def test_an_object_somebody_else_holds_the_lease_on_is_left_for_later(self, bench: Bench) -> None:
        created = await web(bench)
        assert await bench.store.acquire_lease(f"uid/{created['metadata']['uid']}", "other", seconds=60)
        incident, evidence = await bench.incident(), await bench.evidence()
        attempt = await bench.road().attempt(incident, await image_change(bench), evidence, round_number=1)
        assert attempt.verdict.answer is Answer.DEFER
        assert await image_of(bench) == "nginx:1.27"

    @pytest.mark.parametrize("seconds", [60, 2_000_000_000])
    async def test_a_verification_never_claims_the_object_for_longer_than_others_believe(
        self, bench: Bench, seconds: int
    ) -> None:
        await bench.create(deployment(progressDeadlineSeconds=seconds, minReadySeconds=0))
        change = await bench.applied(await image_change(bench))
        until = timestamp((await bench.live())["metadata"]["annotations"]["k8s-auto-fixer/until"])
        assert until is not None
        assert (until - bench.clock.now()).total_seconds() <= min(seconds + 5, 3600)
        assert abs((change.deadline - until).total_seconds()) < 1


class TestLostAnswers:
    """The connection is cut around the one PATCH."""

    async def test_a_patch_that_landed_is_found_by_its_id_and_not_sent_again(self, bench: Bench) -> None:
        await web(bench)
        bench.transport.after = _at_the_second_patch()
        change = await bench.applied(await image_change(bench))
        assert (change.state, await image_of(bench)) == (ChangeState.APPLIED, "nginx:1.28")
        assert len(list(bench.transport.writes())) == 1
        assert (await bench.live())["metadata"]["annotations"][CHANGE_ANNOTATION] == change.id

    async def test_a_patch_that_never_arrived_is_abandoned(self, bench: Bench) -> None:
        await web(bench)
        bench.transport.before = _at_the_second_patch()
        incident = await bench.incident()
        with pytest.raises(Unreachable):
            await bench.road().attempt(incident, await image_change(bench), await bench.evidence(), round_number=1)
        (change,) = await bench.store.changes(incident.id)
        assert (change.state, await image_of(bench)) == (ChangeState.ABANDONED, "nginx:1.27")

    async def test_while_the_object_cannot_be_read_its_fate_stays_unknown(self, bench: Bench) -> None:
        await web(bench)

        def away(method: str) -> None:
            if method == "GET" and list(bench.transport.writes()):
                raise Unreachable("still away")

        bench.transport.before, bench.transport.after = away, _at_the_second_patch()
        incident = await bench.incident()
        with pytest.raises(FateUnknown):
            await bench.road().attempt(incident, await image_change(bench), await bench.evidence(), round_number=1)
        assert [change.state for change in await bench.store.changes(incident.id)] == [ChangeState.SENT]

    async def test_a_failed_test_is_an_answer_and_nothing_has_changed(self, bench: Bench) -> None:
        await web(bench)
        change = await bench.applied(await image_change(bench))
        await bench.edit(*change.inverse.operations)
        await bench.edit({"op": "replace", "path": IMAGE, "value": "nginx:9"})
        again = _as_prepared(change)
        with pytest.raises(NotApplied):
            await Transaction(bench.reader, bench.writer, bench.store, bench.clock).apply(again)
        assert await image_of(bench) == "nginx:9"


def _as_prepared(change: Change) -> Change:
    return msgspec.structs.replace(change, id="change-again", state=ChangeState.PREPARED)


def _at_the_second_patch() -> Any:
    """Cuts the connection at the PATCH that stores; the dry run is the first."""
    count = 0

    def cut(method: str) -> None:
        nonlocal count
        count += method == "PATCH"
        if method == "PATCH" and count == 2:
            raise Unreachable("the connection was cut")

    return cut


class LandsMeanwhile(FakeClock):
    """While somebody waits, the patch arrives after all."""

    def __init__(self, bench: Bench, change: Change) -> None:
        super().__init__()
        self._bench = bench
        self._change = change

    async def sleep(self, seconds: float) -> None:
        await self._bench.edit(*self._change.patch)
        await super().sleep(seconds)


class TestRecovering:
    """What is done about changes that a crash left half-way."""

    async def test_what_was_only_prepared_is_abandoned(self, bench: Bench) -> None:
        await web(bench)
        change = _as_prepared(await bench.applied(await image_change(bench)))
        await bench.store.save_change(change)
        await recover(bench.transport, bench.reader, bench.store, ClusterId("c"), clock=bench.clock, holder="tests")
        found = await bench.store.change(change.id)
        assert found is not None
        assert found.state is ChangeState.ABANDONED

    async def test_what_another_process_is_just_making_is_left_to_it(self, bench: Bench) -> None:
        await web(bench)
        change = _as_prepared(await bench.applied(await image_change(bench)))
        await bench.store.save_change(change)
        assert await bench.store.acquire_lease(f"uid/{change.target.uid}", "somebody", seconds=60)
        await recover(bench.transport, bench.reader, bench.store, ClusterId("c"), clock=bench.clock, holder="tests")
        assert await bench.store.change(change.id) == change

    async def test_what_was_given_up_meanwhile_is_never_sent(self, bench: Bench) -> None:
        await web(bench)
        made = await bench.applied(await image_change(bench))
        given_up = msgspec.structs.replace(made, state=ChangeState.ABANDONED)
        await bench.store.save_change(given_up)
        before = len(list(bench.transport.writes()))
        late = msgspec.structs.replace(made, state=ChangeState.PREPARED)
        with pytest.raises(NotApplied, match="given the change up"):
            await Transaction(bench.reader, bench.writer, bench.store, bench.clock).apply(late)
        assert len(list(bench.transport.writes())) == before
        assert await bench.store.change(made.id) == given_up

    async def test_what_was_sent_and_landed_is_applied_without_another_patch(self, bench: Bench) -> None:
        await web(bench)
        change = await sent_to(bench)
        before = len(list(bench.transport.writes()))
        standing = await recover(
            bench.transport, bench.reader, bench.store, ClusterId("c"), clock=bench.clock, holder="tests"
        )
        assert [(one.id, one.state) for one in standing if one.id == change.id] == [(change.id, ChangeState.APPLIED)]
        assert len(list(bench.transport.writes())) == before

    async def test_what_was_sent_and_did_not_land_is_abandoned(self, bench: Bench) -> None:
        await web(bench)
        change = await sent_to(bench)
        await bench.edit(*change.inverse.operations)
        await recover(bench.transport, bench.reader, bench.store, ClusterId("c"), clock=bench.clock, holder="tests")
        found = await bench.store.change(change.id)
        assert found is not None
        assert found.state is ChangeState.ABANDONED

    async def test_what_is_still_on_its_way_is_waited_for_and_taken_as_applied(self, bench: Bench) -> None:
        await web(bench)
        change = await sent_to(bench)
        await bench.edit(*change.inverse.operations)
        clock = LandsMeanwhile(bench, change)
        standing = await recover(
            bench.transport, bench.reader, bench.store, ClusterId("c"), clock=clock, holder="tests"
        )
        assert [(one.id, one.state) for one in standing if one.id == change.id] == [(change.id, ChangeState.APPLIED)]

    async def test_what_was_sent_long_ago_is_not_waited_for(self, bench: Bench) -> None:
        await web(bench)
        change = await sent_to(bench)
        await bench.edit(*change.inverse.operations)
        bench.clock.advance(LANDING_SECONDS)
        before = bench.clock.now()
        await recover(bench.transport, bench.reader, bench.store, ClusterId("c"), clock=bench.clock, holder="tests")
        assert bench.clock.now() == before

    async def test_what_cannot_be_looked_up_stays_sent(self, bench: Bench) -> None:
        await web(bench)
        change = await sent_to(bench)
        bench.transport.before = losing("GET")
        standing = await recover(
            bench.transport, bench.reader, bench.store, ClusterId("c"), clock=bench.clock, holder="tests"
        )
        assert ChangeState.SENT in {one.state for one in standing if one.id == change.id}

    async def test_a_change_to_another_cluster_is_not_looked_up_here(self, bench: Bench) -> None:
        await web(bench)
        change = await sent_to(bench)
        await recover(
            bench.transport, bench.reader, bench.store, ClusterId("another"), clock=bench.clock, holder="tests"
        )
        found = await bench.store.change(change.id)
        assert found is not None
        assert found.state is ChangeState.SENT
