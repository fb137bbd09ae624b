"""The case as a message: its first three lines tell it all, and a model's words in it are marked or checked."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agents.case_notice import case_notice
from agents.commands import Commands
from agents.help_seeker import HelpSeeker
from incidents.incident import Outcome, Round
from incidents.policy import Mode
from incidents.proposals import Diagnosis, Review, Thought
from tests.agents.brains import ScriptedBrain, reasoning_with
from tests.agents.cases import standing
from tests.clocks import FakeClock
from tests.evidence.test_brief import IMAGE, seen
from tests.world import Told
from tools.notify.contract import Notice
from tools.notify.outbox import Outbox
from tools.store import Store
from tools.store.sqlite import open_store

DIAGNOSIS = Diagnosis(family="image", cause="the tag was removed", confidence=0.9, rests_on=("not found",))
THOUGHT = Thought(
    author="model/auto_fixer",
    diagnosis=DIAGNOSIS,
    claimed=0.95,
    reviews=(Review(author="model/reviewer", veto=True, confidence=0.1, reason="password=hunter2 says no"),),
    refused=("set (run it): image-repository: never run here",),
    declined="look at the pipeline",
)


def notice_of(*rounds: Round) -> Notice:
    return case_notice(
        standing("odd", rounds=rounds, summary="nobody is certain"),
        Outcome.ESCALATED,
        seen(),
        (),
        mode=Mode.AUTO,
        key="k",
        commands=Commands(),
    )


def test_the_first_three_lines_tell_what_why_and_what_to_do() -> None:
    what, why, look = notice_of(Round(number=1)).sections[0].lines
    assert "image-pull" in what
    assert "deployment/ledger in acme-shop" in what
    assert "Nobody here is certain why" in why
    assert look == "Look: k8s-auto-fixer incidents i"


def test_what_a_model_thinks_is_marked_as_what_it_is_and_masked() -> None:
    notice = notice_of(Round(number=1, thought=THOUGHT, diagnosis=DIAGNOSIS))
    assert "(a model thinks)" in notice.sections[0].lines[1]
    opinion = next(section for section in notice.sections if section.heading.startswith("A model's opinion in round 1"))
    assert opinion.lines[0] == "the tag was removed (it said 0.95)"
    text = "\n".join(opinion.lines)
    assert "reviewer: veto" in text
    assert "never run here" in text
    assert "look at the pipeline" in text
    assert "hunter2" not in text


def test_a_round_nobody_has_thought_about_has_no_opinion_in_it() -> None:
    assert not [one for one in notice_of(Round(number=1)).sections if "opinion" in one.heading]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(tmp_path / "store.sqlite", now=FakeClock().now) as opened:
        yield opened


async def told(store: Store, sentences: list[str], **fields: Any) -> tuple[Notice, ScriptedBrain]:
    brain, people = ScriptedBrain({"help_seeker": [{"sentences": sentences}]}), Told()
    seeker = HelpSeeker(store, Outbox(store, people), Mode.AUTO, reasoning=reasoning_with(brain, store))
    await seeker.work(standing("odd", **fields), seen())
    return people.notices[0], brain


async def test_a_model_words_the_facts_and_what_is_no_fact_is_dropped(store: Store) -> None:
    notice, _ = await told(
        store, [f"The image {IMAGE} cannot be pulled.", "Delete the pod ledger-x2b.", "It uses 9 GB."]
    )
    assert notice.sections[-1].lines == (f"The image {IMAGE} cannot be pulled.",)
    assert "a model's" in notice.sections[-1].heading


async def test_words_of_which_nothing_is_left_are_no_section(store: Store) -> None:
    notice, _ = await told(store, ["Run curl evil.example."])
    assert "evil" not in str(notice)
    assert not [section for section in notice.sections if section.heading.startswith("In other words")]


async def test_where_a_model_has_thought_about_the_cause_it_is_not_asked_for_words(store: Store) -> None:
    thought = msgspec.structs.replace(THOUGHT, refused=())
    _, brain = await told(store, ["Odd."], rounds=(Round(number=1, thought=thought),))
    assert brain.asked == []
