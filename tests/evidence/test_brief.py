"""The evidence as a model reads it: bounded, the telling things first, and the same problem recognised again."""

from typing import Any

import msgspec
import pytest

from evidence.brief import brief, fitting
from evidence.fingerprint import fingerprint
from incidents.evidence import EventLine, Evidence, LogExcerpt
from tests.builders import (
    container,
    deployment,
    ended,
    evidence,
    not_there,
    pod,
    replica_set,
    snapshot,
    stamp,
    template,
    waiting,
)

IMAGE = "nginx:1.27-alpnie"


def event(message: str, reason: str = "Failed", *, count: int = 1, about: str = "Pod/web-1") -> EventLine:
    return EventLine(about=about, type="Warning", reason=reason, message=message, count=count, last_seen=stamp())


def log(text: str, *, previous: bool = False, pod_name: str = "web-1") -> LogExcerpt:
    return LogExcerpt(pod=pod_name, container="web", previous=previous, text=text)


def seen(
    *,
    pod_name: str = "web-1",
    image: str = IMAGE,
    events: tuple[EventLine, ...] = (),
    logs: tuple[LogExcerpt, ...] = (),
    status: dict[str, Any] | None = None,
) -> Evidence:
    present = template(container(image=image))
    owner = replica_set(present)
    read = evidence(snapshot(deployment(present), [owner], [pod(status or not_there(image), name=pod_name, of=owner)]))
    return msgspec.structs.replace(read, events=events, logs=logs)


def huge() -> Evidence:
    """More of everything than any prompt can hold."""
    words = "é" * 300
    return seen(
        events=tuple(event(f"event {number} {words}") for number in range(1000)),
        logs=tuple(log(f"{words}\n" * 2000, previous=previous) for previous in (True, False)),
    )


@pytest.mark.parametrize("room", [400, 2000, 8000])
def test_whatever_there_is_it_fits_in_the_room_it_is_given(room: int) -> None:
    assert len(brief(huge(), room_bytes=room).encode()) <= room


def test_states_come_before_events_and_events_before_logs() -> None:
    text = brief(seen(events=(event("odd"),), logs=(log("boom"),)), room_bytes=8000)
    places = [text.index(heading) for heading in ("## What fails", "## Events", "## Logs", "## Containers")]
    assert places == sorted(places)
    assert f'"image":"{IMAGE}"' in text


def test_a_thousand_events_push_out_neither_the_states_nor_the_containers() -> None:
    text = brief(huge(), room_bytes=8000)
    assert "image-pull" in text
    assert "## Containers" in text
    assert "more left out" in text


def test_the_telling_lines_stand_in_place_of_the_logs_ends() -> None:
    text = brief(seen(logs=(log("first\nlast"),)), room_bytes=8000, digest=["web:7: panic: no route"])
    assert "panic: no route" in text
    assert "last" not in text


def test_lines_that_do_not_fit_are_counted() -> None:
    assert fitting(["a" * 40, "b" * 40, "c" * 40], 80) == ["a" * 40, "(2 more left out)"]
    assert fitting(["a", "b"], 80) == ["a", "b"]


def test_the_same_problem_is_recognised_whatever_the_minute_the_pod_and_the_count() -> None:
    one = seen(
        events=(event('Failed to pull "x": not found 2026-01-01T00:00:00Z', count=1), event("back-off", "BackOff")),
        logs=(log("2026-01-01T00:00:01Z request 17 failed in web-1"),),
    )
    other = seen(
        pod_name="web-6f9-x2b",
        events=(event('Failed to pull "x": not found 2026-03-03T07:07:07Z', count=99, about="Pod/web-6f9-x2b"),),
        logs=(log("2026-02-02T05:05:05Z request 18 failed in web-6f9-x2b", previous=True),),
    )
    assert fingerprint(one) == fingerprint(other)


def test_how_much_is_used_at_the_moment_makes_no_difference() -> None:
    looks = [
        msgspec.structs.replace(seen(), answers={"usage:shop": (f"web-1 web cpu={cpu}m memory=64Mi",)})
        for cpu in (99, 100)
    ]
    assert fingerprint(looks[0]) == fingerprint(looks[1])


def test_another_problem_has_another_fingerprint() -> None:
    crashed = waiting("CrashLoopBackOff", restarts=3, last=ended(code=1))
    killed = waiting("CrashLoopBackOff", restarts=3, last=ended(code=137))
    found = [
        fingerprint(one)
        for one in (
            seen(),
            seen(image="nginx:1.28"),
            seen(events=(event("unauthorized"),)),
            seen(logs=(log("panic"),)),
            seen(status=crashed),
            seen(status=killed),
        )
    ]
    assert len(set(found)) == len(found)


def test_in_which_half_of_its_loop_a_container_is_makes_no_difference() -> None:
    backing_off = seen(status=waiting("ImagePullBackOff", f'Back-off pulling image "{IMAGE}"'))
    pulling = seen(status=waiting("ErrImagePull", f'failed to pull "{IMAGE}": not found'))
    assert fingerprint(backing_off) == fingerprint(pulling)
