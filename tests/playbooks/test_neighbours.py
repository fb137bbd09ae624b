"""The one name that a misspelt name can have meant: slips of the keyboard, and never another word."""

import pytest

from playbooks.neighbours import nearest


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("katalog", "catalog"),
        ("linxu", "linux"),
        ("web-dtaa", "web-data"),
        ("wbe-shop", "web-shop"),
        ("settngs", "settings"),
        ("workerr-pool", "worker-pool"),
        ("web_shop", "web-shop"),
        ("PAGE_SZIE", "PAGE_SIZE"),
        ("badges-runenr-2", "badges-runner-2"),
    ],
)
def test_a_slip_of_the_keyboard_is_the_name_that_was_meant(wrong: str, right: str) -> None:
    assert nearest(wrong, [right, "something-else"]) == right


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("east", "west"),
        ("eu-west-1", "us-west-1"),
        ("us-east-1a", "us-east-1b"),
        ("arm64", "amd64"),
        ("prod", "prep"),
        ("web-reader", "web-leader"),
        ("mail", "main"),
        ("shop-dev", "shop-dec"),
        ("app-1-1", "app-11"),
        ("node-a", "node-b"),
    ],
)
def test_another_word_or_number_is_never_meant(one: str, other: str) -> None:
    assert nearest(one, [other]) is None
    assert nearest(other, [one]) is None


def test_two_that_are_equally_near_are_none() -> None:
    assert nearest("web-dtaa", ["web-data", "web-dtas"]) is None
