"""The kill switch: no write leaves while it is on, whoever asks; a person's own word alone passes."""

import asyncio
from typing import Any

import pytest

from incidents.changes import ChangeState
from incidents.decisions import Switch, SwitchName
from incidents.objects import ChangeId
from incidents.policy import Answer, Mode, Policy
from remediation.gate import GatedWriter, WritesStopped
from remediation.undo import UndoRefused
from tests.remediation.conftest import Bench
from tests.remediation.steps import image_change, image_of, web
from tools.store import StoreError

Object = dict[str, Any]


async def switch(bench: Bench, *, on: bool) -> None:
    await bench.store.set_switch(Switch(name=SwitchName.KILL, on=on, by="ada", reason="drill", at=bench.clock.now()))


def patches(bench: Bench) -> int:
    return sum(method == "PATCH" for method, _, _ in bench.transport.sent)


async def test_nothing_is_sent_not_even_a_dry_run_and_the_proposal_is_only_deferred(bench: Bench) -> None:
    await web(bench)
    await switch(bench, on=True)
    incident, made = await bench.incident(), await image_change(bench)
    attempt = await bench.road().attempt(incident, made, await bench.evidence(), round_number=1)
    assert (attempt.verdict.answer, attempt.change, patches(bench)) == (Answer.DEFER, None, 0)
    assert attempt.verdict.until is not None
    assert "ada" in attempt.verdict.objections[0].reason
    await switch(bench, on=False)
    attempt = await bench.road().attempt(incident, made, await bench.evidence(), round_number=1)
    assert attempt.change is not None


async def test_turned_on_after_the_dry_run_it_stops_the_change_which_counts_as_never_sent(bench: Bench) -> None:
    await web(bench)
    made, evidence, incident = await image_change(bench), await bench.evidence(), await bench.incident()
    asked = bench.store.switch
    calls = 0

    async def later(name: SwitchName) -> Switch | None:
        """On from the last moment before the change itself would leave."""
        nonlocal calls
        found = await asked(name)
        written = [dry for method, dry, _ in bench.transport.sent if method == "PATCH"]
        sent = [one for one in await bench.store.changes(incident.id) if one.state is ChangeState.SENT]
        calls += bool(written)
        return Switch(name=name, on=True, by="ada", at=bench.clock.now()) if sent else found

    bench.store.switch = later  # type: ignore[method-assign]  # the moment cannot be hit from outside
    attempt = await bench.road().attempt(incident, made, evidence, round_number=1)
    assert calls
    assert (attempt.verdict.answer, attempt.change) == (Answer.DEFER, None)
    assert [one.state for one in await bench.store.changes(incident.id)] == [ChangeState.ABANDONED]
    assert patches(bench) == 1
    assert await image_of(bench) == "nginx:1.27"


async def test_the_programs_own_undo_waits_and_a_persons_word_passes(bench: Bench) -> None:
    await web(bench)
    change = await bench.applied(await image_change(bench))
    await switch(bench, on=True)
    with pytest.raises(UndoRefused, match="ada has turned the kill switch on"):
        await bench.road().undo(change)
    with pytest.raises(UndoRefused, match="kill switch"):
        await bench.road().take_back(change, by="ada")
    settlement = await bench.road().settle(await bench.incident())
    assert settlement.kept == (change.id,)
    assert await image_of(bench) == "nginx:1.28"
    undone = await bench.road().take_back(change, by="ada", despite_kill_switch=True)
    assert (undone.state, undone.undone_by, await image_of(bench)) == (ChangeState.UNDONE, "ada", "nginx:1.27")


@pytest.mark.parametrize("mode", [Mode.OBSERVE, Mode.SUGGEST])
async def test_a_change_of_another_mode_is_taken_back_by_a_person_alone(bench: Bench, mode: Mode) -> None:
    await web(bench)
    change = await bench.applied(await image_change(bench))
    before, bench.policy = patches(bench), Policy(mode=mode)
    with pytest.raises(UndoRefused, match=f"mode {mode.value}"):
        await bench.road().undo(change)
    settlement = await bench.road().settle(await bench.incident())
    assert (settlement.kept, patches(bench)) == ((change.id,), before)
    assert (await bench.road().take_back(change, by="ada")).undone_by == "ada"
    assert await image_of(bench) == "nginx:1.27"


async def test_a_switch_that_cannot_be_read_lets_nothing_pass(bench: Bench) -> None:
    await web(bench)
    change = await bench.applied(await image_change(bench))
    before = patches(bench)

    async def damaged(_: SwitchName) -> Switch | None:
        raise StoreError("the disk cannot be read")

    bench.store.switch = damaged  # type: ignore[method-assign,assignment]  # a store fails where it likes
    with pytest.raises(StoreError):
        await bench.road().undo(change)
    assert patches(bench) == before


class Hanging:
    """A writer whose requests never come to an end by themselves."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.cut_off = False

    async def dry_run(self, *_: Any, **__: Any) -> Object:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cut_off = True
            raise
        return {}

    apply = create = delete = evict = dry_run


@pytest.mark.parametrize("call", ["dry_run", "apply"])
async def test_a_request_that_hangs_is_cut_off(bench: Bench, call: str) -> None:
    await web(bench)
    hanging = Hanging()
    gated = GatedWriter(hanging, bench.store, bench.clock)
    incident = await bench.incident()
    writing = asyncio.create_task(getattr(gated, call)(incident.subject.ref, (), change=ChangeId("c")))
    await hanging.begun.wait()
    await switch(bench, on=True)
    with pytest.raises(WritesStopped) as stopped:
        await writing
    assert (hanging.cut_off, stopped.value.sent) == (True, True)


async def test_a_caller_that_gives_up_leaves_no_request_behind(bench: Bench) -> None:
    await web(bench)
    hanging = Hanging()
    incident = await bench.incident()
    gated = GatedWriter(hanging, bench.store, bench.clock)
    writing = asyncio.create_task(gated.apply(incident.subject.ref, (), change=ChangeId("c")))
    await hanging.begun.wait()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert hanging.cut_off
