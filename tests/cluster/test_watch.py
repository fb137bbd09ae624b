"""The stream of Warning events: where it starts, how it goes on after every kind of break, and what ends it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidents.objects import POD
from tests.cluster.api_script import ApiScript, Step, added, bookmark, event, frame, gone, page, status, stream
from tests.world import World, eventually, gated
from tools.cluster import watch
from tools.cluster.errors import Forbidden, Unauthorized
from tools.cluster.reader import Reader
from tools.cluster.transport import connect
from tools.cluster.watch import WarningEvents, lines

Object = dict[str, Any]


class Listener:
    """Reads the stream in a task; the pauses that the stream takes are recorded and not slept."""

    def __init__(self, reader: Reader) -> None:
        self.pauses: list[float] = []
        self.events: list[Object] = []
        self.stream = WarningEvents(reader, sleep=self._sleep)

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)

    @property
    def versions(self) -> list[str]:
        return [item["metadata"]["resourceVersion"] for item in self.events]

    async def listen(self) -> None:
        async for item in self.stream:
            self.events.append(item)


@asynccontextmanager
async def listening(kubeconfig: Object | Path) -> AsyncIterator[tuple[Listener, asyncio.Task[None]]]:
    transport = await connect(user_agent="tests", kubeconfig=kubeconfig)
    listener = Listener(Reader(transport))
    task = asyncio.create_task(listener.listen())
    try:
        yield listener, task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await transport.aclose()


async def until(holds: Callable[[], Any]) -> None:
    async def look() -> Any:
        return holds()

    await eventually(look)


async def heard(
    *watches: Step, lists: tuple[Step, ...] = (), count: int | None = None
) -> tuple[ApiScript, list[str], list[float]]:
    """What a listener heard of a script: the versions of the events, once the script has been played."""
    async with ApiScript() as api:
        api.lists.extend(lists)
        api.watches.extend(watches)
        async with listening(api.kubeconfig) as (listener, _):
            await until(lambda: len(listener.events) >= count if count is not None else api.watching.is_set())
            return api, listener.versions, listener.pauses


# --- where it starts and goes on


async def test_it_lists_first_and_watches_from_the_lists_version() -> None:
    api, versions, _ = await heard(stream(added("12")), lists=(page(event("7"), version="10"),))
    assert versions == ["7", "12"]
    assert not api.asked[0].watches
    assert api.watched[0].query["resourceVersion"] == "10"


async def test_a_long_list_is_read_page_by_page() -> None:
    pages = (page(event("3"), token="more"), page(event("4"), version="9"))
    api, versions, _ = await heard(lists=pages)
    assert versions == ["3", "4"]
    assert [asked.query.get("continue") for asked in api.listed] == [None, "more"]
    assert api.watched[0].query["resourceVersion"] == "9"


async def test_only_warning_events_are_asked_for() -> None:
    api, _, _ = await heard(stream(added("2")))
    assert {asked.query["fieldSelector"] for asked in api.asked} == {"type=Warning"}


async def test_a_dropped_connection_is_taken_up_from_the_last_event() -> None:
    api, versions, pauses = await heard(stream(added("5"), cut=True), stream(added("6")), count=2)
    assert versions == ["5", "6"]
    assert api.watched[1].query["resourceVersion"] == "5"
    assert len(api.listed) == 1
    assert pauses


async def test_bookmarks_move_the_place_in_the_stream_without_being_events() -> None:
    api, versions, _ = await heard(stream(added("5"), bookmark("77")))
    assert versions == ["5"]
    assert api.watched[0].query["allowWatchBookmarks"] == "true"
    assert api.watched[1].query["resourceVersion"] == "77"


async def test_half_a_line_at_the_end_of_a_cut_stream_is_dropped() -> None:
    half = frame(added("6"))[:40]
    api, versions, _ = await heard(stream(added("5"), half, cut=True), stream(added("6")), count=2)
    assert versions == ["5", "6"]
    assert api.watched[1].query["resourceVersion"] == "5"


async def test_a_deleted_event_is_not_news() -> None:
    _, versions, _ = await heard(stream({"type": "DELETED", "object": event("8")}, added("9")))
    assert versions == ["9"]


async def test_fields_that_nobody_knows_do_no_harm() -> None:
    odd = added("5", someFutureField={"deep": [1, None, "x"]}, eventTime=None)
    async with ApiScript() as api:
        api.watches.append(stream(odd))
        async with listening(api.kubeconfig) as (listener, _):
            await until(lambda: listener.events)
    del odd["object"]["someFutureField"]
    assert listener.events == [odd["object"]]


async def test_an_event_with_a_field_of_the_wrong_type_arrives_for_the_intake_to_refuse() -> None:
    _, versions, _ = await heard(stream(added("5", count="many"), added("6")))
    assert versions == ["5", "6"]


# --- what makes it start over


async def test_410_makes_it_list_again() -> None:
    api, versions, _ = await heard(status(410, "Expired", "too old"), lists=(page(), page(event("20"), version="21")))
    assert versions == ["20"]
    assert api.watched[-1].query["resourceVersion"] == "21"


async def test_410_inside_the_stream_makes_it_list_again() -> None:
    api, versions, _ = await heard(stream(added("5"), gone()), lists=(page(), page(event("20"), version="21")))
    assert versions == ["5", "20"]
    assert api.watched[-1].query["resourceVersion"] == "21"


async def test_history_that_a_real_store_has_forgotten_is_listed_again(world: World) -> None:
    await world.namespace()
    made = await world.deploy("nginx:1.27")
    async with gated(world) as gate, listening(gate.kubeconfig(world.cluster.kubeconfig(user="listener"))) as (seen, _):
        await world.warn(made, reason="Failed", message="one", number=1)
        await until(lambda: seen.events)
        await gate.shut()
        await world.warn(made, reason="Failed", message="two", number=2)
        world.cluster.forget_history()
        await gate.open()
        await until(lambda: any(item["message"] == "two" for item in seen.events))
    lists = [r for r in world.cluster.requests() if r.user == "listener" and r.verb == "list"]
    assert len(lists) >= 2


async def test_normal_events_of_a_real_stream_do_not_arrive(world: World) -> None:
    await world.namespace()
    made = await world.deploy("nginx:1.27")
    async with listening(world.cluster.kubeconfig(user="listener")) as (seen, _):
        await seen.stream.connected.wait()
        await world.warn(made, reason="Chatter", message="all is well", number=1, kind="Normal")
        await world.warn(made, reason="Failed", message="it is not", number=2)
        await until(lambda: seen.events)
    assert {item["type"] for item in seen.events} == {"Warning"}


# --- how it waits


async def test_429_with_retry_after_is_waited_for() -> None:
    _, versions, pauses = await heard(status(429, "TooManyRequests", "slow down", Retry_After="17"), stream(added("5")))
    assert versions == ["5"]
    assert pauses[0] >= 17


async def test_pauses_grow_while_nothing_helps_and_are_bounded() -> None:
    failures = [stream(cut=True) for _ in range(14)]
    _, _, pauses = await heard(*failures)
    assert len(pauses) >= 14
    assert pauses[10] > pauses[0]
    assert max(pauses) <= 45  # thirty seconds and their jitter


async def test_a_server_that_ends_every_watch_at_once_is_not_asked_in_a_circle() -> None:
    _, _, pauses = await heard(*(stream() for _ in range(5)))
    assert len(pauses) >= 5


async def test_a_server_that_says_410_to_everything_is_not_asked_in_a_circle() -> None:
    _, _, pauses = await heard(*(status(410, "Expired", "too old") for _ in range(5)))
    assert len(pauses) >= 5


async def test_a_silent_watch_that_held_for_a_while_is_taken_up_soon_however_often_it_was_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch, "HASTY_SECONDS", 0.0)  # each of them has held
    _, _, pauses = await heard(*(stream(cut=True) for _ in range(12)))
    assert len(pauses) >= 12
    assert max(pauses) <= watch.FIRST_PAUSE_SECONDS * 1.5


async def test_a_line_that_is_no_event_costs_a_pause_and_not_the_stream() -> None:
    _, versions, pauses = await heard(stream(b"<html>proxy</html>\n"), stream(added("5")))
    assert versions == ["5"]
    assert pauses


# --- what ends it


@pytest.mark.parametrize(
    ("code", "error", "when"),
    [(401, Unauthorized, "lists"), (403, Forbidden, "lists"), (403, Forbidden, "watches")],
)
async def test_refused_credentials_end_it_with_one_error(code: int, error: type[Exception], when: str) -> None:
    async with ApiScript() as api:
        (api.lists if when == "lists" else api.watches).append(status(code, "No", "events is forbidden: not you"))
        async with listening(api.kubeconfig) as (listener, task):
            with pytest.raises(error, match="not you") as raised:
                await asyncio.wait_for(task, 10)
    assert listener.pauses == []
    assert "very-secret-token" not in str(raised.value)


# --- credentials that change


async def test_a_token_that_expires_while_it_watches_is_read_again_from_the_file(tmp_path: Path) -> None:
    async with ApiScript() as api:
        api.watches.extend([status(401, "Unauthorized", "expired"), stream(added("5"))])
        file = tmp_path / "config"
        file.write_text(json.dumps(api.kubeconfig))
        async with listening(file) as (listener, _):
            await listener.stream.connected.wait()
            file.write_text(json.dumps(api.kubeconfig).replace("very-secret-token", "the-next-token"))
            await until(lambda: listener.events)
    assert api.watched[-1].headers["Authorization"] == "Bearer the-next-token"


async def test_a_list_that_is_refused_is_asked_again_with_the_new_token_at_once(tmp_path: Path) -> None:
    async with ApiScript() as api:
        file = tmp_path / "config"
        file.write_text(json.dumps(api.kubeconfig))
        transport = await connect(user_agent="tests", kubeconfig=file)
        api.lists.append(status(401, "Unauthorized", "expired"))
        file.write_text(json.dumps(api.kubeconfig).replace("very-secret-token", "the-next-token"))
        await Reader(transport).list(POD)
        await transport.aclose()
    assert [asked.headers["Authorization"] for asked in api.listed] == [
        "Bearer very-secret-token",
        "Bearer the-next-token",
    ]


async def test_a_token_that_stays_refused_is_not_asked_about_in_a_circle() -> None:
    refused = [status(401, "Unauthorized", "expired") for _ in range(5)]
    _, versions, pauses = await heard(*refused, stream(added("5")))
    assert versions == ["5"]
    assert len(pauses) >= 5


async def test_a_second_token_that_expires_after_watches_that_all_were_cut_is_given_as_much_time_as_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tools.cluster.watch.REFUSED_SECONDS", 0.5)
    refused = status(401, "Unauthorized", "expired")
    async with ApiScript() as api:
        api.watches.extend([refused, stream(added("5"), cut=True)])
        async with listening(api.kubeconfig) as (listener, task):
            await until(api.watching.is_set)
            await asyncio.sleep(0.6)
            api.watches.extend([refused, stream(added("6"))])
            api.cut()
            await until(lambda: len(listener.events) == 2 or task.done())
    assert listener.versions == ["5", "6"]


async def test_a_place_that_is_ahead_of_a_cluster_put_back_to_an_earlier_state_is_given_up() -> None:
    ahead = status(504, "Timeout", "Too large resource version: 90, current: 12")
    api, versions, _ = await heard(ahead, lists=(page(version="90"), page(event("11"), version="12")))
    assert versions == ["11"]
    assert api.watched[-1].query["resourceVersion"] == "12"


async def test_requests_that_are_refused_at_the_same_time_all_go_on_with_the_new_token(tmp_path: Path) -> None:
    async with ApiScript() as api:
        file = tmp_path / "config"
        file.write_text(json.dumps(api.kubeconfig))
        transport = await connect(user_agent="tests", kubeconfig=file)
        api.lists.extend([status(401, "Unauthorized", "expired")] * 3)
        file.write_text(json.dumps(api.kubeconfig).replace("very-secret-token", "the-next-token"))
        reader = Reader(transport)
        assert await asyncio.gather(*(reader.list(POD) for _ in range(3))) == [[], [], []]
        await transport.aclose()


async def test_a_cluster_that_has_moved_is_found_again_by_its_changed_kubeconfig(tmp_path: Path) -> None:
    async with ApiScript() as new:
        new.watches.append(stream(added("6")))
        file = tmp_path / "config"
        async with ApiScript() as old:
            file.write_text(json.dumps(old.kubeconfig))
            async with listening(file) as (listener, _):
                await until(old.watching.is_set)
                file.write_text(json.dumps(new.kubeconfig))
                await old.__aexit__(None, None, None)
                await until(lambda: listener.events)
    assert listener.versions == ["6"]


# --- lines


@given(st.lists(st.binary(min_size=1).filter(lambda line: b"\n" not in line)), st.data())
def test_lines_do_not_depend_on_how_the_bytes_are_cut(whole: list[bytes], data: st.DataObject) -> None:
    text = b"".join(line + b"\n" for line in whole) + data.draw(st.sampled_from([b"", b'{"half']))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    chunks = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]

    async def read() -> list[bytes]:
        async def source() -> AsyncIterator[bytes]:
            for chunk in chunks:
                yield chunk

        return [line async for line in lines(source())]

    assert asyncio.run(read()) == whole
