"""What a search promises, and how words of the cluster become a query.

Queries are made of event messages and logs, which strangers write; what comes back is written by strangers as well.
So a query is bounded and cleaned before it goes anywhere, and a finding is bounded text with its source: something to
show and to quote, never an instruction and never a reason for a change.
"""

import re
from dataclasses import dataclass
from typing import Protocol

from tools.scrub import one_line, plain_text

QUERY_CHARACTERS = 300
TITLE_CHARACTERS = 160
EXCERPT_CHARACTERS = 1_800
MOST_FINDINGS = 10

_PRIVATE = re.compile(
    r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"  # a uid
    r"|\b(?:sha256:)?[0-9a-f]{32,}\b"  # a digest, a token
    r"|\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?::[0-9]{1,5})?\b"  # an address
    r"|[\w.+-]+@[\w-]+\.[\w.]+"  # a mail address
    r"|\b\w+://[^\s/]+\.(?:internal|local|svc|corp|lan)\b\S*"  # an address inside
    r"|\b[\w.-]+\.(?:internal|local|svc|corp|lan)(?::[0-9]{1,5})?\b"
)


class SearchError(Exception):
    """A search could not be made. The text is short, single-line and holds no credential."""

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable
        """Whether the same search may succeed a little later."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One answer. Untrusted text, whoever wrote it."""

    title: str
    excerpt: str
    source: str
    """The page's address, or `runbook:NAME`."""
    score: float
    """How well it fits, higher is better; comparable only within one answer."""


class Search(Protocol):
    """Finds text about a failure."""

    async def find(self, query: str, *, limit: int) -> list[Finding]:
        """At most `limit` findings, best first; none is an ordinary answer, and so is an empty query's.

        Raises SearchError when the search could not be made, ValueError if `limit` is less than 1.
        """
        ...


def clean_query(text: str) -> str:
    """`text` as a query: one line, bounded, cut at a word, without control characters."""
    line = one_line(text, limit=QUERY_CHARACTERS + 1)
    if len(line) <= QUERY_CHARACTERS:
        return line
    head, _, _ = line[:QUERY_CHARACTERS].rpartition(" ")
    return head or line[:QUERY_CHARACTERS]


def public_query(text: str) -> str:
    """`clean_query` for a service outside: without uids, digests, addresses and internal host names.

    They find nothing on the web, and they are nobody else's business.
    """
    return clean_query(_PRIVATE.sub(" ", plain_text(text[: 8 * QUERY_CHARACTERS])))


def checked_limit(limit: int) -> int:
    """`limit`, at most `MOST_FINDINGS`. Raises ValueError if it is less than 1."""
    if limit < 1:
        raise ValueError(f"limit is {limit}: ask for at least one finding")
    return min(limit, MOST_FINDINGS)


def excerpt_of(text: str) -> str:
    """`text` as a bounded excerpt: line breaks stay, control characters and runs of blank lines go."""
    lines = [" ".join(line.split()) for line in plain_text(text[: 4 * EXCERPT_CHARACTERS], keep="\n").split("\n")]
    joined = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
    return joined if len(joined) <= EXCERPT_CHARACTERS else joined[: EXCERPT_CHARACTERS - 1].rstrip() + "…"
