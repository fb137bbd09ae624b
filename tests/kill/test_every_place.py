"""The daemon is killed at every request and at every commit of one incident, and the incident ends as if it never was.

No incident is lost, no change is made twice, none is left half-done without its inverse. What is judged is the API
server's log, the store and the cluster: see ``outside.py``.
"""

from __future__ import annotations

import pytest

from tests.kill.conftest import Staging
from tests.kill.stories import (
    FEWEST,
    GROWN,
    REFUSALS,
    REPAIRED,
    SIDES,
    STORIES,
    UNDONE_AT_LENGTH,
    At,
    Story,
    every_place,
)

# Of those that delete something, which of the two is played here; the other one at length.
_OF_DELETIONS = {"recreated": "request", "put back": "commit", "unblocked": "request"}


def _cases() -> list[object]:
    cases = []
    for name, story in STORIES.items():
        for at, before in SIDES:
            # The end of one step is the beginning of the next: of the longer stories one of the two has to do.
            short = story is REPAIRED or (story not in (UNDONE_AT_LENGTH, GROWN) and not before)
            here = short and _OF_DELETIONS.get(name, at) == at
            marks = pytest.mark.kill if here else pytest.mark.kill_at_length
            when = "before" if before else "after"
            cases.append(pytest.param(story, at, before, id=f"{name}, {when} each {at}", marks=marks))
    return cases


@pytest.mark.parametrize(("story", "at", "before"), _cases())
async def test_killed_anywhere_it_ends_as_if_it_never_was(staging: Staging, story: Story, at: At, before: bool) -> None:
    async with staging(speed=story.speed) as stage:
        told = await every_place(stage, story, at, before=before)
    wrong = {str(one.place): (one.killed, *one.wrong) for one in told if one.wrong}
    assert wrong == {}
    assert len(told) > FEWEST


@pytest.mark.parametrize(
    "story",
    [
        pytest.param(STORIES["repaired"], id="repaired", marks=pytest.mark.kill),
        pytest.param(STORIES["undone"], id="undone", marks=pytest.mark.kill_at_length),
    ],
)
async def test_with_a_disk_that_is_full_from_any_commit_on_for_a_while_it_ends_as_if_it_never_was(
    staging: Staging, story: Story
) -> None:
    ((at, before),) = REFUSALS
    async with staging(speed=story.speed) as stage:
        told = await every_place(stage, story, at, before=before)
    assert {str(one.place): one.wrong for one in told if one.wrong} == {}
    assert len(told) > FEWEST
