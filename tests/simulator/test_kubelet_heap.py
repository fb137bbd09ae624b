"""Programs that fill the heap they are told to take."""

from typing import Any

import pytest

from simulator.kubelet.execution import Surroundings, plan
from simulator.kubelet.programs import Heap, Program

JVM = Program(working_set=200, start_seconds=1, heap=Heap(least=120, besides=60))


def ended(limit: str, **container: Any) -> tuple[str, int] | None:
    spec = {"resources": {"limits": {"memory": limit}}, **container}
    end = plan(JVM, spec, Surroundings()).ends(spec)
    return (end.reason, end.code) if end is not None else None


@pytest.mark.parametrize(
    "told",
    [
        {"env": [{"name": "JAVA_TOOL_OPTIONS", "value": "-XX:+UseG1GC -Xmx600m"}]},
        {"args": ["-Xmx1g"]},
        {"args": ["-Xmx100m", "-Xmx600m"]},  # the last word counts
    ],
)
def test_a_heap_larger_than_the_limit_is_killed(told: dict[str, Any]) -> None:
    assert ended("512Mi", **told) == ("OOMKilled", 137)


def test_one_that_leaves_room_is_not() -> None:
    assert ended("512Mi", args=["-Xmx400m"]) is None
    assert ended("512Mi") is None


def test_one_that_is_too_small_ends_the_program_itself() -> None:
    assert ended("512Mi", args=["-Xmx64m"]) == ("Error", 3)


def test_a_program_without_a_heap_takes_what_it_takes() -> None:
    spec = {"args": ["-Xmx600m"], "resources": {"limits": {"memory": "64Mi"}}}
    assert plan(Program(working_set=16), spec, Surroundings()).ends(spec) is None
