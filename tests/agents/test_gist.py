"""The three lines of a case: whatever the cluster is full of, they hold the object, the family and the cause."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.gist import LINE, gist, gist_of_request, one_line, short
from incidents.incident import Outcome, Result, Round, Verification
from incidents.proposals import Diagnosis
from tests.agents.cases import SUBJECT, standing, that_says
from tests.builders import proposal
from tests.store.values import request_for

FAMILIES = st.from_regex(r"[a-z]{3,12}", fullmatch=True)
WORDS = st.from_regex(r"[a-zA-Z][a-zA-Z0-9 .:/_<>&*`@\n-]{2,400}", fullmatch=True)


@settings(max_examples=60, deadline=None)
@given(FAMILIES, WORDS, WORDS)
def test_any_diagnosis_is_told_in_three_lines_that_name_object_family_and_cause(
    family: str, cause: str, because: str
) -> None:
    found = Diagnosis(family=family, cause=cause, confidence=0.9, because=because)
    lines = gist(standing("odd", rounds=(Round(number=1, diagnosis=found),)), Outcome.ESCALATED, None, ())
    assert len(lines) == 3
    assert not [line for line in lines if "\n" in line or len(line) > LINE]
    assert str(SUBJECT) in lines[0]
    assert lines[1].startswith(f"{family}: ")
    assert one_line(cause, 100).rstrip("…") in lines[1]


def test_what_was_tried_and_undone_is_told_with_its_result() -> None:
    rounds = tuple(
        Round(
            number=n,
            proposal=that_says(f"raise it to {n}Gi"),
            verification=Verification(result=Result.NO_BETTER, detail="again"),
        )
        for n in (1, 2)
    )
    done = gist(standing("odd", rounds=rounds), Outcome.ROLLED_BACK, None, ())[2]
    assert done == "Tried and undone: raise it to 2Gi: no-better, the last of 2."


def test_a_request_names_the_cause_and_ends_with_the_command_that_approves_it() -> None:
    found = Diagnosis(family="image", cause="the tag is misspelt", confidence=0.9)
    asked = standing("odd", rounds=(Round(number=1, diagnosis=found, proposal=proposal()),))
    request = msgspec.structs.replace(request_for(asked.incident.id), proposal=that_says("run web:1.1"))
    what, why, decide = gist_of_request(asked, request, None, "k8s-auto-fixer approve r --store /a/b")
    assert str(SUBJECT) in what
    assert why == "image: the tag is misspelt"
    assert decide == "Proposed: run web:1.1. To approve it: k8s-auto-fixer approve r --store /a/b"


def test_secrets_are_masked_and_what_nobody_reads_is_left_out() -> None:
    uid = "0f6d4c80-58c7-4be3-9f65-0a3b5f9f0f11"
    said = f"back-off 40s restarting failed container=web pod=web-1_shop({uid})"
    assert short(said) == "back-off 40s restarting failed container"
    assert "hunter2" not in short("password=hunter2 is refused")
    assert short("no node fits. preemption: 0/3 nodes are available: 3 No preemption victims found.") == "no node fits."
    assert short("a" * 400 + " not found").endswith("not found")
