"""Which tag a mistyped one can have meant, and that another version, stage or place is never meant."""

import pytest

from playbooks.near_tags import meant_tags


@pytest.mark.parametrize(
    ("wrong", "exists"),
    [
        ("1.27", "1.28"),
        ("1.27", "1.2.7"),
        ("1.27", "12.7"),
        ("1.10", "1.1"),
        ("1.2.7", "1.2-7"),
        ("1.27-alpnie", "1.28-alpine"),
        ("1.1.1k", "1.1.1l"),
        ("1.1.1k", "1.1.1"),
        ("v2", "rc2"),
        ("2.0-rc", "2.0"),
        ("a3f9c1e", "a3f9c1d"),
        ("sha-abcdef1", "sha-abcdeg1"),
        ("build-1a2bcdef", "build-1a2bcdee"),
        ("latest", "oldest-of-all"),
        ("test", "latest"),
        ("stage", "stable"),
        ("east", "west"),
        ("1.27-slim", "1.27-slip"),
    ],
)
def test_another_version_stage_or_place_is_no_slip_of_the_keyboard(wrong: str, exists: str) -> None:
    assert meant_tags(wrong, {exists}) == []


@pytest.mark.parametrize(
    ("wrong", "exists"),
    [
        ("latess", "latest"),
        ("1.27-alpnie", "1.27-alpine"),
        ("1.27alpine", "1.27-alpine"),
        ("1.27-Alpine", "1.27-alpine"),
        ("stabel", "stable"),
        ("v1.27.3", "1.27.3"),
        ("1.27.3", "v1.27.3"),
    ],
)
def test_a_slip_inside_a_word_or_a_leading_v_is_one(wrong: str, exists: str) -> None:
    assert meant_tags(wrong, {exists, "1.0"}) == [exists]


def test_every_tag_that_could_be_meant_is_told() -> None:
    assert meant_tags("1.27-alpin", {"1.27-alpine", "1.27-alpina", "1.27"}) == ["1.27-alpina", "1.27-alpine"]
