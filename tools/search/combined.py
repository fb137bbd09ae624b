"""The web and the shipped runbooks as one search: a web that fails is said, and the runbooks answer all the same."""

import asyncio

from tools.search.contract import Finding, Search, SearchError, checked_limit

PAGES = 1  # of the runbooks, beside what the web has
FAILED = "search"  # the source of the finding that says why the web has nothing
RUNBOOK = "runbook:"  # how the source of a runbook begins


class WebAndRunbooks:
    """What the web has, then the runbook that fits best."""

    def __init__(self, web: Search, runbooks: Search) -> None:
        self._web = web
        self._runbooks = runbooks

    async def find(self, query: str, *, limit: int) -> list[Finding]:
        """At most `limit` of the web and one page of the runbooks. Raises SearchError when the runbooks fail too."""
        limit = checked_limit(limit)
        pages, found = await asyncio.gather(self._runbooks.find(query, limit=PAGES), self._said(query, limit))
        return [*found, *pages]

    async def _said(self, query: str, limit: int) -> list[Finding]:
        try:
            return await self._web.find(query, limit=limit)
        except SearchError as error:
            return [Finding(title="The search failed", excerpt=str(error), source=FAILED, score=0.0)]
