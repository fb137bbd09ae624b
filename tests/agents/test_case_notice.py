"""The case as a message: its first three lines tell it all, and a model's words in it are marked or checked."""

import json
import shlex
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agents.applying import apply_command
from agents.case_notice import case_notice
from agents.commands import Commands
from agents.help_seeker import HelpSeeker
from agents.standing import Agent, Saying
from incidents.changes import LeafChange
from incidents.incident import Outcome, Round
from incidents.objects import Uid
from incidents.policy import Answer, Mode, Ruling, Verdict
from incidents.proposals import Diagnosis, Drain, Review, Thought
from tests.agents.brains import ScriptedBrain, reasoning_with
from tests.agents.cases import standing, that_says
from tests.builders import proposal
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
    notice = notice_of(Round(number=1))
    what, why, done = notice.sections[0].lines
    assert "image-pull" in what
    assert "deployment/ledger in acme-shop" in what
    assert "Nobody here is certain why" in why
    assert done == "Nothing was changed: nobody is certain."
    assert notice.sections[-1].lines == ("k8s-auto-fixer incidents i",)


def test_a_known_cause_is_told_with_its_family_and_why_nothing_was_done() -> None:
    known = msgspec.structs.replace(DIAGNOSIS, because="two tags are equally near")
    _, why, done = notice_of(Round(number=1, diagnosis=known)).sections[0].lines
    assert why == "image: the tag was removed"
    assert done == "Nothing was changed: two tags are equally near."


def test_a_refused_change_is_told_with_the_rule_and_the_command_that_makes_it_all_the_same() -> None:
    ruling = Ruling("put-back", Answer.REFUSE, "Argo CD would put it back")
    leaf = LeafChange(pointer="/spec/template/spec/containers/0/image", before="web:1.l", after="web:1.1")
    refused = Round(
        number=1, diagnosis=DIAGNOSIS, proposal=that_says("run web:1.1"), verdict=Verdict((ruling,)), diff=(leaf,)
    )
    notice = notice_of(refused)
    assert notice.sections[0].lines[2] == "Proposed: run web:1.1. Not done: put-back: Argo CD would put it back"
    sections = {section.heading: section.lines for section in notice.sections}
    (command,) = sections["To apply it"]
    words = shlex.split(command)
    assert words[:6] == ["kubectl", "-n", proposal().target.namespace, "patch", "deployment", proposal().target.name]
    assert json.loads(words[-1]) == [
        {"op": "test", "path": leaf.pointer, "value": "web:1.l"},
        {"op": "replace", "path": leaf.pointer, "value": "web:1.1"},
    ]


def test_the_exact_change_names_the_object_it_is_made_to_and_every_pod_that_would_leave() -> None:
    leaf = LeafChange(pointer="/spec/unschedulable", before=None, after=True)
    node = msgspec.structs.replace(proposal().target, kind="Node", namespace="", name="n1", uid=Uid("n"))
    pod = msgspec.structs.replace(proposal().target, kind="Pod", namespace="shop", name="web-0")
    drain = Drain(edits=(), owners=(Uid("web"),), pods=(pod,))
    meant = msgspec.structs.replace(that_says("cordon n1"), target=node, action=drain)
    ruling = Ruling("drain", Answer.REFUSE, "no")
    notice = notice_of(Round(number=1, diagnosis=DIAGNOSIS, proposal=meant, verdict=Verdict((ruling,)), diff=(leaf,)))
    sections = {section.heading: section.lines for section in notice.sections}
    assert sections["Exact change of node/n1"] == ("/spec/unschedulable: null -> true", "evict pod/web-0 in shop")


@pytest.mark.parametrize(
    "leaf",
    [
        LeafChange(pointer="/spec/template/spec/containers/0/env/0/value", before="a", after="b"),
        LeafChange(pointer="/spec/template/spec/volumes/0/emptyDir/medium", before=None, after="Memory"),
        LeafChange(pointer="/spec/x", before="[masked]", after="b"),
    ],
    ids=["may be secret", "has nothing above it yet", "is not known"],
)
def test_no_command_is_told_that_would_not_say_all_of_the_change(leaf: LeafChange) -> None:
    assert apply_command(proposal().target, (leaf,)) == ""


def test_each_thing_is_evidence_once_and_a_log_line_of_two_runs_too() -> None:
    known = msgspec.structs.replace(DIAGNOSIS, rests_on=('configmap "a" not found', 'Error: configmap "a" not found'))
    coder = Saying(Agent.CODER, "web:1: 2026-01-02T03:04:05Z no rules\nweb (previous):1: 2026-01-02T03:03:05Z no rules")
    told_of = standing("odd", rounds=(Round(number=1, diagnosis=known),), sayings=(coder,))
    notice = case_notice(told_of, Outcome.ESCALATED, seen(), (), mode=Mode.AUTO, key="k", commands=Commands())
    sections = {section.heading: section.lines for section in notice.sections}
    assert [line for line in sections["Evidence (confidence 0.90)"] if "configmap" in line] == [known.rests_on[0]]
    assert len(sections["Log, the lines that matter"]) == 1


def test_what_only_a_person_may_do_is_told_as_commands() -> None:
    command = "kubectl -n shop create role web-list-pods --verb=list --resource=pods"
    notice = notice_of(Round(number=1, diagnosis=msgspec.structs.replace(DIAGNOSIS, by_hand=(command,))))
    assert [one.lines for one in notice.sections if one.heading == "If you agree, by hand" and one.verbatim] == [
        (command,)
    ]
    assert not any(
        one.heading == "If you agree, by hand" for one in notice_of(Round(number=1, diagnosis=DIAGNOSIS)).sections
    )


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
