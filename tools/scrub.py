"""Words from the outside, made fit for one line of a log or of an error.

Every adapter here quotes somebody else's words when something fails: a server's answer, a library's
exception. Those words may carry a credential (a webhook's address is one), terminal escapes, or a megabyte
of HTML. This module makes them short, single-line and free of the secrets the adapter knows it holds. It
does not look for secrets in evidence: that is the collector's work, with patterns of its own.
"""

import re
import unicodedata
from collections.abc import Iterable

_MASK = "***"
_SHORTEST_SECRET = 4  # masking shorter strings would shred ordinary words
_CREDENTIALS = (
    re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}"),
    re.compile(r"\b(?:sk|tvly|xox[abprs])-[\w*-]{4,}"),
    re.compile(r"(?<=://)[^/\s@]+@"),
)


def plain_text(text: str, *, keep: str = "") -> str:
    """`text` without control, format, private-use and lone surrogate characters; those in `keep` stay.

    Each becomes a space, so that words it separated stay apart. Format characters include the bidirectional
    overrides that make a line read differently from what it says.
    """
    return "".join(c if c in keep or unicodedata.category(c)[0] != "C" else " " for c in text)


def one_line(text: str, *, limit: int) -> str:
    """`text` as one line of at most `limit` characters; what was cut off is marked with an ellipsis."""
    joined = " ".join(plain_text(text[: 8 * limit + 64]).split())
    return joined if len(joined) <= limit else joined[: max(limit - 1, 0)].rstrip() + "…"


def scrub(words: object, *, secrets: Iterable[str | None] = (), limit: int = 300) -> str:
    """`str(words)` as one short line in which none of `secrets`, nor anything shaped like a credential, is
    left.
    """
    text = str(words)
    for secret in sorted((s for s in secrets if s and len(s) >= _SHORTEST_SECRET), key=len, reverse=True):
        text = text.replace(secret, _MASK)
    text = text[: 16 * limit + 1024]  # patterns run over a bounded text only, and after the whole secrets are gone
    for pattern in _CREDENTIALS:
        text = pattern.sub(_MASK, text)
    return one_line(text, limit=limit)
