"""The one tag that a mistyped one can have meant: of the same version, and a slip of the keyboard away.

Numbers are versions, and so are short words such as the letter of ``1.1.1k`` and anything that looks like a commit:
they have to be the same. A leading ``v`` is none. A word for a stage or a place that is not there (``test``, ``east``)
is not another one that is (``latest``, ``west``). Two that could be meant are none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from rapidfuzz.distance import DamerauLevenshtein

from playbooks.neighbours import is_slip

NEAR = 2  # edits; a slip of the keyboard, not another version
SHORTEST_WORD = 4  # letters; "rc", "v" and a patch letter are versions, "alpnie" is a word
OTHER_LETTER = 6  # letters of a word in which another letter is no other word: "latess"
_COMMIT = re.compile(r"(?<![0-9a-zA-Z])(?=[0-9a-f]*[a-f])[0-9a-f]{7,}(?![0-9a-zA-Z])")
_BETWEEN_NUMBERS = re.compile(r"(?<=\d)[._-]+(?=\d)")


def meant_tags(wrong: str, tags: Iterable[str]) -> list[str]:
    """Every tag that the wrong one can have meant, in order; more than one is as good as none."""
    return sorted(tag for tag in set(tags) if tag != wrong and _near(wrong, tag) and _same_version(wrong, tag))


def _near(one: str, other: str) -> bool:
    return DamerauLevenshtein.distance(one, other, score_cutoff=NEAR) <= NEAR


def _same_version(one: str, other: str) -> bool:
    """Whether two tags can differ by a slip of the keyboard alone."""
    if one.removeprefix("v") == other.removeprefix("v"):
        return one.lstrip("v")[:1].isdecimal()
    for kept in (re.compile(r"\d+"), _BETWEEN_NUMBERS, _COMMIT):
        if kept.findall(one) != kept.findall(other):
            return False
    words, others = re.findall(r"[A-Za-z]+", one), re.findall(r"[A-Za-z]+", other)
    if len(words) != len(others):
        return False
    return all(word == meant or _word_slip(word, meant) for word, meant in zip(words, others, strict=True))


def _word_slip(word: str, meant: str) -> bool:
    if word.lower() == meant.lower():
        return True
    if min(len(word), len(meant)) < SHORTEST_WORD:
        return False
    one_letter = len(word) == len(meant) and DamerauLevenshtein.distance(word, meant) == 1
    return is_slip(word, meant) or (one_letter and len(word) >= OTHER_LETTER)
