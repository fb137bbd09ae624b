"""Asking a person: bound to exactly what was shown, used once, and anew when the world has moved on."""

import asyncio

import msgspec
import pytest

from incidents.changes import ChangeState
from incidents.decisions import Decision, DecisionKind, Request, RequestState
from incidents.policy import Answer, Mode, Policy, Windows
from incidents.proposals import Proposal
from remediation import Attempt
from tests.remediation.conftest import Bench
from tests.remediation.steps import IMAGE, image_change, image_of, memory_change, web

APPROVE = Policy(mode=Mode.APPROVE)


async def attempt(bench: Bench, made: Proposal | None = None, *, policy: Policy = APPROVE) -> Attempt:
    bench.policy = policy
    asked = made or await image_change(bench)
    return await bench.road().attempt(await bench.incident(), asked, await bench.evidence(), round_number=1)


async def asked(bench: Bench) -> Request:
    waiting = await attempt(bench)
    assert waiting.request is not None, waiting.verdict
    assert waiting.change is None
    return waiting.request


async def approve(bench: Bench, request: Request, kind: DecisionKind = DecisionKind.APPROVE) -> bool:
    decision = Decision(
        id=f"decision-{request.id}",
        kind=kind,
        incident=request.incident,
        request=request.id,
        digest=request.digest,
        by="ada",
        decided_at=bench.clock.now(),
    )
    return await bench.store.decide(decision)


async def stored_writes(bench: Bench) -> int:
    return len(list(bench.transport.writes()))


class TestAsking:
    """Nothing is stored before a person has agreed."""

    async def test_mode_approve_asks_for_every_change_and_shows_what_it_would_be(self, bench: Bench) -> None:
        await web(bench)
        request = await asked(bench)
        assert [(leaf.pointer, leaf.before, leaf.after) for leaf in request.diff] == [
            (IMAGE, "nginx:1.27", "nginx:1.28")
        ]
        assert request.expires_at == bench.clock.after(Windows().request)
        assert (await stored_writes(bench), await image_of(bench)) == (0, "nginx:1.27")

    async def test_asking_again_for_the_same_is_the_same_request(self, bench: Bench) -> None:
        await web(bench)
        assert (await asked(bench)).id == (await asked(bench)).id
        assert len(await bench.store.requests()) == 1

    async def test_auto_asks_for_what_needs_approval_and_suggest_asks_nobody(self, bench: Bench) -> None:
        await web(bench)
        unsure = msgspec.structs.replace(await image_change(bench), confidence=0.5)
        suggested = await attempt(bench, unsure, policy=Policy(mode=Mode.SUGGEST))
        assert (suggested.request, suggested.change) == (None, None)
        assert (await attempt(bench, unsure, policy=Policy(mode=Mode.AUTO))).request is not None

    async def test_what_is_refused_is_not_asked_for(self, bench: Bench) -> None:
        await web(bench)
        refused = await attempt(bench, await memory_change(bench, "128Mi", "64Mi"))
        assert (refused.verdict.answer, refused.request) == (Answer.REFUSE, None)

    async def test_waiting_holds_no_lease_on_the_object(self, bench: Bench) -> None:
        created = await web(bench)
        await asked(bench)
        assert await bench.store.acquire_lease(f"uid/{created['metadata']['uid']}", "somebody", seconds=5)


class TestApproved:
    """The change that was shown is made, once."""

    async def test_it_is_made_after_a_second_dry_run_and_names_its_approval(self, bench: Bench) -> None:
        await web(bench)
        request = await asked(bench)
        assert await approve(bench, request)
        done = await attempt(bench)
        assert done.change is not None
        assert (done.change.state, done.change.approval) == (ChangeState.APPLIED, request.id)
        assert await image_of(bench) == "nginx:1.28"
        assert [dry for method, dry, _ in bench.transport.sent if method == "PATCH"] == [True, True, False]
        used = await bench.store.request(request.id)
        assert used is not None
        assert (used.state, used.change) == (RequestState.USED, done.change.id)

    async def test_an_approval_serves_once(self, bench: Bench) -> None:
        await web(bench)
        await approve(bench, await asked(bench))
        done = await attempt(bench)
        assert done.change is not None
        await bench.road().undo(done.change)
        again = await attempt(bench)
        assert again.change is None
        assert again.request is not None

    async def test_if_the_object_has_moved_on_it_is_asked_anew_and_nothing_is_made(self, bench: Bench) -> None:
        await web(bench)
        first = await asked(bench)
        await approve(bench, first)
        await bench.edit({"op": "replace", "path": IMAGE, "value": "nginx:1.26"})
        moved = await attempt(bench, await image_change(bench, "nginx:1.26"))
        assert moved.change is None
        assert moved.request is not None
        assert moved.request.id != first.id
        assert await image_of(bench) == "nginx:1.26"

    async def test_what_has_nothing_to_do_with_the_change_does_not_matter(self, bench: Bench) -> None:
        await web(bench)
        await approve(bench, await asked(bench))
        await bench.edit({"op": "replace", "path": "/spec/replicas", "value": 4})
        await bench.edit({"op": "add", "path": "/metadata/annotations", "value": {"somebody": "else"}})
        assert (await attempt(bench)).change is not None

    @pytest.mark.parametrize("kind", [DecisionKind.REJECT, None])
    async def test_without_an_approval_nothing_is_made(self, bench: Bench, kind: DecisionKind | None) -> None:
        await web(bench)
        request = await asked(bench)
        if kind is not None:
            assert await approve(bench, request, kind)
        assert (await attempt(bench)).change is None
        assert await stored_writes(bench) == 0

    async def test_a_cap_holds_for_what_is_approved_too_and_the_approval_is_not_spent(self, bench: Bench) -> None:
        await web(bench)
        request = await asked(bench)
        await approve(bench, request)
        deferred = await attempt(bench, policy=Policy(mode=Mode.APPROVE, windows=Windows(per_hour=0)))
        assert (deferred.verdict.answer, deferred.change) == (Answer.DEFER, None)
        present = await bench.store.request(request.id)
        assert present is not None
        assert present.state is RequestState.APPROVED


async def test_a_cap_holds_however_many_are_admitted_at_once(bench: Bench) -> None:
    await web(bench)
    bench.policy = Policy(mode=Mode.AUTO, windows=Windows(per_hour=1))
    road, evidence, made = bench.road(), await bench.evidence(), await image_change(bench)
    about = await bench.incident()
    attempts = await asyncio.gather(*(road.attempt(about, made, evidence, round_number=1) for _ in range(3)))
    assert sum(one.change is not None for one in attempts) == 1
    assert await stored_writes(bench) == 1
