"""Names that are nearly another: the one neighbour that a misspelt name can have meant, or none.

A candidate is meant if it is a slip of the keyboard away, and clearly nearer than any other. A slip swaps two letters,
or one is missing or too many in a word that is not short; another letter in its place is one only in words so long that
few others look like it (``katalog``), for ``car`` is not ``cart``, ``reader`` is not ``leader`` and ``HOST`` is not
``PORT``. Numbers are no slips: ``web-1`` is not ``web-2``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from rapidfuzz.distance import DamerauLevenshtein

NEAR = 2  # edits
SHORTEST = 4  # letters of a name in which one may be wrong
MARGIN = 2  # edits by which the next candidate has to be further off
SHORTEST_SWAPPED = 3  # letters of a word in which two may be swapped
OTHER_LETTER = 7  # letters of a word in which another letter is no other word: a reader is no leader
TWO_SLIPS = 8  # letters of a word in which there may be two slips
LONGEST = 253  # characters of a name in Kubernetes (apimachinery/pkg/util/validation); no name is longer


def nearest(wrong: str, candidates: Iterable[str], *, near: int = NEAR, margin: int = MARGIN) -> str | None:
    """The one candidate that is meant, or None where none is near or two could be meant."""
    if not SHORTEST <= len(wrong) <= LONGEST:
        return None
    distances = sorted(
        (DamerauLevenshtein.distance(wrong, candidate, score_cutoff=near + margin), candidate)
        for candidate in {one for one in candidates if one != wrong and len(one) <= LONGEST}
    )
    if not distances or distances[0][0] > near or not is_slip(wrong, distances[0][1]):
        return None
    if len(distances) > 1 and distances[1][0] - distances[0][0] < margin:
        return None
    return distances[0][1]


def is_slip(wrong: str, meant: str) -> bool:
    """Whether one name can be a slip of the other: word by word, or in what separates them; with the same numbers."""
    if not same_numbers(wrong, meant):
        return False
    words, others = _words(wrong), _words(meant)
    if "".join(words) == "".join(others):
        return True
    if len(words) != len(others):
        return _word_slip("".join(words), "".join(others)) and min(map(len, (*words, *others))) >= SHORTEST
    return all(word == other or _word_slip(word, other) for word, other in zip(words, others, strict=True))


def same_numbers(one: str, other: str) -> bool:
    """Whether two names carry the same numbers in the same order."""
    return re.findall(r"\d+", one) == re.findall(r"\d+", other)


def _words(name: str) -> list[str]:
    """The letters of a name, word by word; digits and what separates are looked at elsewhere."""
    return re.findall(r"[^\W\d_]+", name)


def _word_slip(wrong: str, meant: str) -> bool:
    shorter = min(len(wrong), len(meant))
    edits = DamerauLevenshtein.distance(wrong, meant, score_cutoff=NEAR)
    if edits > (NEAR if shorter >= TWO_SLIPS else 1):
        return False
    if sorted(wrong) == sorted(meant):
        return shorter >= SHORTEST_SWAPPED
    return shorter >= (SHORTEST if len(wrong) != len(meant) else OTHER_LETTER)
