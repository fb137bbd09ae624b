"""Looking failures up: in the shipped runbooks, and on the web through Tavily's real client."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loopback_servers import Scripted, TavilyServer

from tools.search import RunbookSearch, SearchError, TavilySearch, TavilySettings
from tools.search.contract import EXCERPT_CHARACTERS, QUERY_CHARACTERS, clean_query, public_query
from tools.search.local import load_runbooks

KEY = "tvly-not-a-real-key-0123456789"


def settings(server: TavilyServer, **changes: object) -> TavilySettings:
    given = {"api_base_url": server.origin, "timeout_seconds": 2.0, "deadline_seconds": 10.0} | changes
    return TavilySettings(api_key=KEY, **given)  # type: ignore[arg-type]  # changes are checked by the dataclass's users


@pytest.fixture(scope="module")
def runbooks() -> RunbookSearch:
    return RunbookSearch()


@pytest.mark.parametrize(
    ("words", "page"),
    [
        ('Failed to pull image "nginx:1.72": not found; ImagePullBackOff', "image-pull"),
        ("Back-off restarting failed container web in pod web-5d9 exit code 1", "crash-loop"),
        ("CrashLoopBackOff", "crash-loop"),
        ("lastState terminated reason OOMKilled exit code 137", "out-of-memory"),
        ('Error: configmap "app-config" not found CreateContainerConfigError', "missing-config"),
        ("Readiness probe failed: HTTP probe failed with statuscode: 503", "probes"),
        ("0/3 nodes are available: 3 Insufficient cpu. FailedScheduling", "scheduling"),
        ('Error creating: pods "x" is forbidden: exceeded quota: compute, requested: cpu=2', "quota-and-limits"),
        ('storageclass.storage.k8s.io "standard-v2" not found ProvisioningFailed', "storage"),
        ("service has no endpoints, ingress answers 503", "service-routing"),
        ("Job has reached the specified backoff limit BackoffLimitExceeded", "jobs"),
    ],
)
async def test_the_words_of_a_failure_find_its_runbook(runbooks: RunbookSearch, words: str, page: str) -> None:
    found = await runbooks.find(words, limit=3)
    assert found[0].source == f"runbook:{page}"
    assert [finding.score for finding in found] == sorted((finding.score for finding in found), reverse=True)
    assert len(found) <= 3


async def test_a_query_that_fits_nothing_finds_nothing(runbooks: RunbookSearch) -> None:
    assert await runbooks.find("zebra qqqqq", limit=3) == []
    assert await runbooks.find(" \x00\n ", limit=3) == []
    assert await runbooks.find("the of and", limit=3) == []


async def test_a_limit_below_one_is_refused(runbooks: RunbookSearch) -> None:
    with pytest.raises(ValueError, match="limit is 0"):
        await runbooks.find("oom", limit=0)


def test_every_runbook_has_a_title_and_fits_an_excerpt_whole() -> None:
    pages = load_runbooks()
    assert len(pages) == 10
    for page in pages:
        assert page.title
        assert not page.title.startswith("#")
        assert 600 < len(page.body) <= EXCERPT_CHARACTERS, page.name


@given(st.text(max_size=2_000))
def test_a_query_is_one_bounded_line_whatever_it_was_made_of(text: str) -> None:
    query = clean_query(text)
    assert len(query) <= QUERY_CHARACTERS
    assert query.isprintable()
    assert query == query.strip()


def test_a_query_for_the_outside_leaves_out_what_is_nobody_elses_business() -> None:
    text = (
        "dial tcp 10.96.0.10:53: lookup db.shop.svc.cluster.local on 10.0.0.1: no such host "
        "pod 3f2b7a10-1111-2222-3333-444455556666 token deadbeefdeadbeefdeadbeefdeadbeef "
        "at https://vault.corp/v1/secret by ops@example.com"
    )
    query = public_query(text)
    for private in ("10.96", "cluster.local", "3f2b7a10", "deadbeef", "vault", "ops@"):
        assert private not in query
    assert query.startswith("dial tcp : lookup on")
    assert "no such host" in query


async def test_tavily_is_asked_with_the_key_and_its_answer_becomes_findings(tavily_server: TavilyServer) -> None:
    tavily_server.results = [
        {"title": "Second", "url": "https://example.com/2", "content": "b", "score": 0.4},
        {"title": "First\x1b[31m", "url": "https://example.com/1", "content": "a\x07" + "x" * 9_000, "score": 0.8},
        {"title": "Script", "url": "javascript:alert(1)", "content": "c", "score": 0.9},
        "not an object",
        {"url": "https://example.com/3"},
    ]
    async with TavilySearch(settings(tavily_server)) as search:
        found = await search.find("ImagePullBackOff\n10.0.0.1 nginx", limit=5)
    request = tavily_server.requests[0]
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert (request.body["query"], request.body["max_results"]) == ("ImagePullBackOff nginx", 5)
    assert [finding.source for finding in found] == [f"https://example.com/{n}" for n in (1, 2, 3)]
    assert "\x1b" not in found[0].title
    assert len(found[0].excerpt) == EXCERPT_CHARACTERS
    assert found[2].title == "https://example.com/3"


async def test_no_more_findings_than_asked_for_come_back(tavily_server: TavilyServer) -> None:
    tavily_server.results = [
        {"title": "t", "url": f"https://e.example/{n}", "content": "", "score": n} for n in range(9)
    ]
    async with TavilySearch(settings(tavily_server)) as search:
        assert len(await search.find("oom", limit=2)) == 2


async def test_an_empty_query_asks_nobody(tavily_server: TavilyServer) -> None:
    async with TavilySearch(settings(tavily_server)) as search:
        assert await search.find("10.0.0.1", limit=2) == []
    assert tavily_server.requests == []


@pytest.mark.usefixtures("no_retry_waits")
@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_passing_failure_is_tried_again(tavily_server: TavilyServer, status: int) -> None:
    tavily_server.script(Scripted(status, {"detail": {"error": "slow down"}}))
    async with TavilySearch(settings(tavily_server)) as search:
        assert len(await search.find("oom", limit=2)) == 1
    assert len(tavily_server.requests) == 2


@pytest.mark.usefixtures("no_retry_waits")
async def test_a_failure_that_lasts_ends_after_three_attempts(tavily_server: TavilyServer) -> None:
    tavily_server.script(*[Scripted(503, "down")] * 9)
    async with TavilySearch(settings(tavily_server)) as search:
        with pytest.raises(SearchError, match="status 503") as caught:
            await search.find("oom", limit=2)
    assert caught.value.retryable
    assert len(tavily_server.requests) == 3


@pytest.mark.parametrize(
    ("status", "says"),
    [(401, "refused the key: check TAVILY_API_KEY"), (432, "plan's limit"), (403, "not permitted"), (400, "failed")],
)
async def test_a_lasting_failure_is_not_tried_again_and_never_tells_the_key(
    tavily_server: TavilyServer, caplog: pytest.LogCaptureFixture, status: int, says: str
) -> None:
    caplog.set_level(logging.DEBUG)
    tavily_server.script(Scripted(status, {"detail": {"error": f"key {KEY} is no good, Bearer {KEY}"}}))
    async with TavilySearch(settings(tavily_server)) as search:
        with pytest.raises(SearchError, match=says) as caught:
            await search.find("oom", limit=2)
    assert KEY not in str(caught.value) + repr(settings(tavily_server)) + caplog.text
    assert caught.value.__cause__ is None
    assert len(tavily_server.requests) == 1


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Scripted(200, "<html>"), "search failed"),
        (Scripted(200, {"results": "none"}), "no list of results"),
        (Scripted(200, ["x"]), "search failed"),
        (Scripted(200, b"x" * 5_000), "longer than 4000 bytes"),
        (Scripted(302, "", {"Location": "https://elsewhere.example/"}), "status 302"),
    ],
)
async def test_an_answer_that_is_none_is_an_error(tavily_server: TavilyServer, answer: Scripted, says: str) -> None:
    tavily_server.script(answer)
    async with TavilySearch(settings(tavily_server, most_bytes=4_000)) as search:
        with pytest.raises(SearchError, match=says):
            await search.find("oom", limit=2)


async def test_a_server_that_says_nothing_is_given_up_in_time(tavily_server: TavilyServer) -> None:
    tavily_server.script(Scripted(silent=True))
    async with TavilySearch(settings(tavily_server, timeout_seconds=0.05, attempts=1)) as search:
        with pytest.raises(SearchError, match=r"did not answer within 0\.05 s"):
            await search.find("oom", limit=2)
    tavily_server.script(Scripted(silent=True))
    async with TavilySearch(settings(tavily_server, deadline_seconds=0.1)) as search:
        with pytest.raises(SearchError, match=r"did not answer within 0\.1 s"):
            await search.find("oom", limit=2)


async def test_a_server_that_is_not_there_is_an_error(tavily_server: TavilyServer) -> None:
    gone = TavilySettings(api_key=KEY, api_base_url="http://127.0.0.1:9", attempts=1)
    async with TavilySearch(gone) as search:
        with pytest.raises(SearchError, match="not reachable"):
            await search.find("oom", limit=2)


def test_without_a_key_there_is_no_web_search() -> None:
    with pytest.raises(ValueError, match="api_key is empty: set TAVILY_API_KEY"):
        TavilySettings(api_key=" ")
    with pytest.raises(ValueError, match="api_base_url must start with https"):
        TavilySettings(api_key=KEY, api_base_url="http://search.example")
