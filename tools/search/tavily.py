"""Web search through Tavily, when a key is configured.

The library's own exceptions, and whatever the service wrote into them, stop here: callers see `SearchError` with text
that never holds the key. Answers are bounded while they are read, so that a service gone wrong costs a fixed amount of
memory and time. Without a key this class refuses to exist: the library would silently turn to its keyless mode and
tell a stranger's service about this cluster's failures although nobody asked for it.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from tools.scrub import one_line, scrub
from tools.search.contract import (
    TITLE_CHARACTERS,
    Finding,
    SearchError,
    checked_limit,
    excerpt_of,
    public_query,
)

if TYPE_CHECKING:
    import httpx

_URL_CHARACTERS = 500


@dataclass(frozen=True, kw_only=True)
class TavilySettings:
    """How to reach Tavily."""

    api_key: str = field(repr=False)
    api_base_url: str = "https://api.tavily.com"
    timeout_seconds: float = 15.0
    """One request."""
    deadline_seconds: float = 45.0
    """One search, all attempts and the waits between them included."""
    attempts: int = 3
    retry_wait_seconds: float = 0.5
    """The first wait between attempts; it grows, with jitter, up to five seconds."""
    most_bytes: int = 2 << 20
    """A longer answer is refused."""

    def __post_init__(self) -> None:
        if not self.api_key.strip():
            raise ValueError("api_key is empty: set TAVILY_API_KEY, or leave Tavily out to search the runbooks")
        if not self.api_base_url.startswith(("https://", "http://127.0.0.1", "http://localhost")):
            raise ValueError("api_base_url must start with https:// (the key is sent there)")


class TavilySearch:
    """Searches the web; an async context manager that owns its connections."""

    def __init__(self, settings: TavilySettings) -> None:
        self._settings = settings
        self._http: httpx.AsyncClient | None = None
        self._client: Any = None  # tavily ships no types

    async def __aenter__(self) -> Self:
        import httpx
        from tavily import AsyncTavilyClient

        settings = self._settings
        self._http = httpx.AsyncClient(
            base_url=settings.api_base_url,
            timeout=settings.timeout_seconds,
            headers={"Accept-Encoding": "identity"},  # so that the bytes counted are the bytes decoded
            event_hooks={"response": [self._bound]},
        )
        self._client = AsyncTavilyClient(
            settings.api_key, api_base_url=settings.api_base_url, client=self._http, client_source="k8s-auto-fixer"
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        http, self._http, self._client = self._http, None, None
        if http is not None:
            await http.aclose()

    async def find(self, query: str, *, limit: int) -> list[Finding]:
        """Search the web; see `Search.find` for the promise."""
        limit = checked_limit(limit)
        words = public_query(query)
        if not words:
            return []
        try:
            # httpx times each read, not the whole answer: one that drips would never end without this.
            async with asyncio.timeout(self._settings.deadline_seconds):
                return await self._persist(words, limit)
        except TimeoutError:
            seconds = self._settings.deadline_seconds
            raise SearchError(f"Tavily did not answer within {seconds:g} s", retryable=True) from None

    async def _persist(self, words: str, limit: int) -> list[Finding]:
        import stamina

        attempts = stamina.retry_context(
            on=lambda error: isinstance(error, SearchError) and error.retryable,
            attempts=self._settings.attempts,
            timeout=self._settings.deadline_seconds,
            wait_initial=self._settings.retry_wait_seconds,
        )
        async for attempt in attempts:
            with attempt:
                return _findings(await self._ask(words, limit), limit)
        raise SearchError("Tavily was not asked: no attempt was made")  # unreachable: the last attempt raises

    async def _ask(self, words: str, limit: int) -> object:
        if self._client is None:
            raise SearchError("Tavily search is not started: enter it with `async with`")
        timeout = self._settings.timeout_seconds
        try:
            return await self._client.search(words, max_results=limit, search_depth="basic", timeout=timeout)
        except SearchError:
            raise
        except Exception as error:  # noqa: BLE001  the library raises bare Exceptions; here they become ours
            raise self._translated(error) from None  # the cause may quote the key

    def _translated(self, error: Exception) -> SearchError:
        import httpx
        from tavily import errors

        said = scrub(error, secrets=[self._settings.api_key], limit=200)
        if isinstance(error, errors.InvalidAPIKeyError):
            return SearchError("Tavily refused the key: check TAVILY_API_KEY")
        if isinstance(error, errors.UsageLimitExceededError):
            return SearchError(f"Tavily limits the rate of requests: {said}", retryable=True)
        if isinstance(error, errors.ForbiddenError):
            return SearchError(f"Tavily refused the request (the plan's limit, or not permitted): {said}")
        if isinstance(error, errors.TimeoutError):
            return SearchError(f"Tavily did not answer within {self._settings.timeout_seconds:g} s", retryable=True)
        if isinstance(error, httpx.HTTPStatusError):
            status = error.response.status_code
            return SearchError(f"Tavily answered with status {status}", retryable=status >= 500)
        if isinstance(error, httpx.TransportError):
            return SearchError(f"Tavily is not reachable: {type(error).__name__} {said}", retryable=True)
        return SearchError(f"Tavily search failed: {type(error).__name__} {said}")

    async def _bound(self, response: "httpx.Response") -> None:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise SearchError("Tavily answered in an encoding that was not asked for")
        response.stream = _bounded(response.stream, self._settings.most_bytes)


def _bounded(stream: Any, most_bytes: int) -> Any:
    import httpx

    class Bounded(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            left = most_bytes
            async for chunk in stream:
                left -= len(chunk)
                if left < 0:
                    raise SearchError(f"Tavily's answer is longer than {most_bytes} bytes")
                yield chunk

        async def aclose(self) -> None:
            await stream.aclose()

    return Bounded()


def _findings(answer: object, limit: int) -> list[Finding]:
    results = answer.get("results") if isinstance(answer, Mapping) else None
    if not isinstance(results, list):
        raise SearchError("Tavily's answer has no list of results")
    found = [finding for result in results[:limit] if (finding := _finding(result)) is not None]
    return sorted(found, key=lambda finding: -finding.score)


def _finding(result: object) -> Finding | None:
    if not isinstance(result, Mapping):
        return None
    url, title, content, score = (result.get(key) for key in ("url", "title", "content", "score"))
    if not isinstance(url, str) or not url.startswith(("https://", "http://")):
        return None
    return Finding(
        title=one_line(title if isinstance(title, str) and title else url, limit=TITLE_CHARACTERS),
        excerpt=excerpt_of(content if isinstance(content, str) else ""),
        source=one_line(url, limit=_URL_CHARACTERS),
        score=float(score) if isinstance(score, int | float) else 0.0,
    )
