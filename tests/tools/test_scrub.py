"""Words from the outside, made fit for one line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.scrub import one_line, plain_text, scrub


@given(st.text(max_size=300), st.integers(1, 80))
def test_a_line_is_one_line_within_its_limit(text: str, limit: int) -> None:
    line = one_line(text, limit=limit)
    assert len(line) <= limit
    assert len(line.splitlines()) <= 1
    assert "\x1b" not in line


@given(st.text(max_size=50), st.text(alphabet="abc123-_/", min_size=6, max_size=20), st.text(max_size=50))
def test_a_known_secret_is_never_left(before: str, secret: str, after: str) -> None:
    assert secret not in scrub(before + secret + after, secrets=[secret, None, ""])


@pytest.mark.parametrize(
    "text",
    [
        "header Authorization: Bearer abcdef123456",
        "Basic dXNlcjpwYXNzd29yZA==",
        "https://user:abcdef123456@host/x",
        "key sk-abcdef123456",
        "tvly-abcdef123456",
        "xoxb-abcdef123456",
    ],
)
def test_what_is_shaped_like_a_credential_is_masked(text: str) -> None:
    said = scrub(text)
    assert "***" in said
    assert "abcdef123456" not in said
    assert "dXNl" not in said


def test_ordinary_words_and_chosen_characters_stay() -> None:
    assert scrub("status 503: no bearer of news") == "status 503: no bearer of news"
    assert plain_text("a\tb\nc\u202ed", keep="\n") == "a b\nc d"
