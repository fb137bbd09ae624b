"""What a container said, however much that is: bounded before any pattern looks at it."""

from playbooks.last_words import digest, lines_of
from tests.builders import deployment, evidence, pod, replica_set, snapshot

KILOBYTES = 16_000  # as much as the collector keeps of a log


def saying(log: str) -> list[str]:
    return lines_of(evidence(snapshot(deployment(), [replica_set()], [pod()]), log=log), "web")


def test_a_line_is_cut_where_no_person_would_read_on() -> None:
    assert [len(line) for line in saying("a" * KILOBYTES)] == [2_000]


def test_only_the_last_lines_say_why_it_ended() -> None:
    assert saying("\n".join(f"line {number}" for number in range(100)))[0] == "line 70"


def test_a_line_made_to_keep_a_pattern_busy_is_quoted_like_any_other() -> None:
    log = f"fatal: {'a.b/' * 4_000}\n{'./' * 8_000}"
    taken = evidence(snapshot(deployment(), [replica_set()], [pod()]), log=log)
    assert digest(taken, "web")[0].startswith("fatal: a.b/")
