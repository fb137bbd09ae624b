"""Search in the runbooks that ship with the project: the search that works with nothing configured.

Ten short pages are ranked with BM25; that is enough, because the words of Kubernetes' own messages are the words the
pages use. A page is returned whole (it is shorter than an excerpt may be). Nothing leaves the process.

This is the only module that imports langchain_community, which announces its own end with a warning when imported:
its BM25 retriever is small, complete and does not change. The import costs a second, so it happens in a thread, at the
first search.
"""

import asyncio
import re
import warnings
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from tools.search.contract import Finding, checked_limit, clean_query, excerpt_of

if TYPE_CHECKING:
    from langchain_community.retrievers import BM25Retriever

_WORTH_TELLING = 0.35  # of the best score: what fits much worse than the best page is noise
_WORD = re.compile(r"[a-z0-9]+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_STOP = frozenset(
    (
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "but",
        "by",
        "can",
        "container",
        "deployment",
        "does",
        "error",
        "for",
        "from",
        "has",
        "have",
        "how",
        "in",
        "into",
        "is",
        "it",
        "its",
        "kubernetes",
        "namespace",
        "new",
        "no",
        "not",
        "of",
        "on",
        "or",
        "pod",
        "pods",
        "the",
        "then",
        "there",
        "this",
        "to",
        "was",
        "what",
        "when",
        "which",
        "why",
        "will",
        "with",
    )
)


@dataclass(frozen=True)
class Runbook:
    """One page: its file name without the ending, its first heading, everything below it."""

    name: str
    title: str
    body: str


def load_runbooks() -> list[Runbook]:
    """Every page of the package, by name."""
    folder = resources.files("tools.search").joinpath("runbooks")
    pages = sorted((page for page in folder.iterdir() if page.name.endswith(".md")), key=lambda page: page.name)
    return [_runbook(page.name.removesuffix(".md"), page.read_text(encoding="utf-8")) for page in pages]


class RunbookSearch:
    """Ranks the shipped runbooks. Safe to share; the index is built once."""

    def __init__(self) -> None:
        self._index: BM25Retriever | None = None
        self._building = asyncio.Lock()

    async def find(self, query: str, *, limit: int) -> list[Finding]:
        """Search the runbooks; see `Search.find` for the promise. Sources are `runbook:NAME`."""
        limit = checked_limit(limit)
        words = words_of(clean_query(query))
        if not words:
            return []
        async with self._building:
            if self._index is None:
                self._index = await asyncio.to_thread(_build_index)
        return _ranked(self._index, words, limit)


def words_of(text: str) -> list[str]:
    """The words to compare: lower case, `ImagePullBackOff` both whole and as its four parts, no filler words."""
    whole = _WORD.findall(text.lower())
    parts = _WORD.findall(_HUMP.sub(" ", text).lower())
    return [word for word in whole + [part for part in parts if part not in set(whole)] if word not in _STOP]


def _runbook(name: str, text: str) -> Runbook:
    heading, _, body = text.strip().partition("\n")
    return Runbook(name, heading.removeprefix("# ").strip(), body.strip())


def _build_index() -> "BM25Retriever":
    with warnings.catch_warnings():
        # The package says at import that it is no longer maintained; the module docstring says why that is fine here.
        warnings.filterwarnings("ignore", message=r".langchain-community. is being sunset", category=DeprecationWarning)
        from langchain_community.retrievers import BM25Retriever
    from langchain_core.documents import Document

    documents = [
        Document(page_content=f"{page.title}\n{page.body}", metadata={"name": page.name, "title": page.title})
        for page in load_runbooks()
    ]
    return BM25Retriever.from_documents(documents, preprocess_func=words_of)


def _ranked(index: "BM25Retriever", words: list[str], limit: int) -> list[Finding]:
    scores = [float(score) for score in index.vectorizer.get_scores(words)]
    best = max(scores, default=0.0)
    if best <= 0.0:
        return []
    ranked = sorted(zip(scores, index.docs, strict=True), key=lambda pair: -pair[0])
    return [
        Finding(
            title=document.metadata["title"],
            excerpt=excerpt_of(document.page_content.partition("\n")[2]),
            source=f"runbook:{document.metadata['name']}",
            score=round(score, 3),
        )
        for score, document in ranked[:limit]
        if score >= _WORTH_TELLING * best
    ]
