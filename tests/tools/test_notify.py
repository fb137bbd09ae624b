"""Telling people: through Slack's real client, on the console, in a file, and one after the other."""

import io
import json
import logging
import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loopback_servers import Scripted, SlackServer
from rich.console import Console

from tools.notify import (
    ConsoleNotifier,
    Fallback,
    FileNotifier,
    Notice,
    NotifyError,
    Section,
    SlackSettings,
    SlackWebhook,
)
from tools.notify.blocks import blocks_of, escape

NOTICE = Notice(
    key="incident-1/handed-over",
    title="web in shop needs a decision",
    sections=(
        Section(("Tried: raise the memory limit",), heading="What happened"),
        Section(("- memory: 64Mi", "+ memory: 128Mi"), verbatim=True),
    ),
    severity="critical",
    incident="0c0ffee0-0000-0000-0000-000000000001",
)
HOSTILE = "<!channel> <@U1> <https://evil.example|click> @here & ``` [red]x[/red] \x1b[31m \u202e"


class Sleeps:
    def __init__(self) -> None:
        self.waited: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.waited.append(seconds)


def slack(server: SlackServer, sleeps: Sleeps | None = None, **changes: float) -> SlackWebhook:
    return SlackWebhook(SlackSettings(webhook_url=server.webhook_url, **changes), sleep=sleeps or Sleeps())


def texts(blocks: list[dict]) -> list[str]:  # type: ignore[type-arg]  # blocks are Slack's JSON
    found = [block["text"]["text"] for block in blocks if "text" in block]
    return found + [element["text"] for block in blocks for element in block.get("elements", [])]


async def test_a_notice_arrives_whole(slack_server: SlackServer) -> None:
    await slack(slack_server).send(NOTICE)
    (message,) = slack_server.messages
    assert message["text"] == "web in shop needs a decision"
    said = "\n".join(texts(message["blocks"]))
    assert "*What happened*\nTried: raise the memory limit" in said
    assert "```- memory: 64Mi\n+ memory: 128Mi```" in said
    assert "critical · incident 0c0ffee0" in said


async def test_text_from_the_cluster_makes_no_mention_no_link_and_no_markup(slack_server: SlackServer) -> None:
    hostile = Notice(
        key="k",
        title=HOSTILE,
        incident=HOSTILE,
        sections=(Section((HOSTILE,), heading=HOSTILE), Section((HOSTILE,), verbatim=True)),
    )
    await slack(slack_server).send(hostile)
    (message,) = slack_server.messages
    for text in [message["text"], *texts(message["blocks"])]:
        assert "<" not in text
        assert ">" not in text
        assert "@here" not in text
        assert "\x1b" not in text
        assert "\u202e" not in text
    verbatim = message["blocks"][2]["text"]["text"]
    assert verbatim.count("```") == 2
    sections = [block for block in message["blocks"] if block["type"] == "section"]
    assert all(block["text"]["verbatim"] for block in sections)
    assert escape("a & b") == "a &amp; b"


LINES = st.lists(st.text(max_size=700), max_size=30).map(tuple)
SECTIONS = st.lists(st.builds(Section, LINES, heading=st.text(max_size=300), verbatim=st.booleans()), max_size=25)


@given(title=st.text(max_size=400), sections=SECTIONS)
def test_a_message_is_within_slacks_bounds_whatever_is_in_it(title: str, sections: list[Section]) -> None:
    blocks = blocks_of(Notice(key="k", title=title, sections=tuple(sections)))
    assert len(blocks) <= 50
    assert 1 <= len(blocks[0]["text"]["text"]) <= 150
    assert all(1 <= len(text) <= 3_000 for text in texts(blocks))


def test_lines_and_sections_that_do_not_fit_are_counted() -> None:
    many = blocks_of(Notice(key="k", title="t", sections=(Section(("x" * 400,) * 20),)))
    assert many[1]["text"]["text"].endswith("… 13 more lines")
    more = blocks_of(Notice(key="k", title="t", sections=(Section(("x",)),) * 23))
    assert "3 more sections" in more[-2]["text"]["text"]


async def test_a_429_is_waited_out_as_long_as_slack_asks(slack_server: SlackServer) -> None:
    slack_server.script(Scripted(429, "rate_limited", {"Retry-After": "7"}), Scripted(429, "rate_limited"))
    sleeps = Sleeps()
    await slack(slack_server, sleeps).send(NOTICE)
    assert sleeps.waited == [7.0, 1.0]
    assert len(slack_server.requests) == 3


async def test_a_long_retry_after_is_handed_back_instead_of_waited(slack_server: SlackServer) -> None:
    slack_server.script(Scripted(429, "rate_limited", {"retry-after": "3600"}))
    sleeps = Sleeps()
    with pytest.raises(NotifyError) as caught:
        await slack(slack_server, sleeps).send(NOTICE)
    assert (caught.value.retryable, caught.value.retry_after_seconds, sleeps.waited) == (True, 3600.0, [])


async def test_rate_limits_without_end_are_given_up(slack_server: SlackServer) -> None:
    slack_server.script(*[Scripted(429, "rate_limited", {"Retry-After": "1"})] * 9)
    with pytest.raises(NotifyError, match="rate of messages"):
        await slack(slack_server).send(NOTICE)
    assert len(slack_server.requests) == 3


@pytest.mark.parametrize(("status", "retryable"), [(400, False), (403, False), (404, False), (500, True), (503, True)])
async def test_a_refusal_says_whether_trying_again_helps(
    slack_server: SlackServer, status: int, retryable: bool
) -> None:
    slack_server.script(Scripted(status, "invalid_blocks"))
    with pytest.raises(NotifyError, match=f"status {status} invalid_blocks") as caught:
        await slack(slack_server).send(NOTICE)
    assert caught.value.retryable is retryable
    assert len(slack_server.requests) == 1


async def test_the_webhooks_address_is_in_no_error_no_repr_and_no_log(
    slack_server: SlackServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    slack_server.script(
        Scripted(500, f"cannot serve {slack_server.webhook_url}"),
        Scripted(silent=True),
        Scripted(302, "", {"Location": "https://elsewhere.example/"}),
    )
    said = repr(SlackSettings(webhook_url=slack_server.webhook_url))
    for _ in range(3):
        with pytest.raises(NotifyError) as caught:
            await slack(slack_server, timeout_seconds=0.1).send(NOTICE)
        said += str(caught.value) + repr(caught.value)
        assert caught.value.__cause__ is None
    gone = SlackWebhook(SlackSettings(webhook_url="http://127.0.0.1:9" + SlackServer.PATH))
    with pytest.raises(NotifyError, match="not reachable") as caught:
        await gone.send(NOTICE)
    said += str(caught.value)
    assert "verysecretpart" not in said + caplog.text


async def test_a_redirect_is_not_followed(slack_server: SlackServer) -> None:
    slack_server.script(Scripted(307, "", {"Location": "/elsewhere"}))
    with pytest.raises(NotifyError, match="redirect: check webhook_url") as caught:
        await slack(slack_server).send(NOTICE)
    assert not caught.value.retryable
    assert [request.path for request in slack_server.requests] == [SlackServer.PATH]


@pytest.mark.parametrize("url", ["", "hooks.slack.com/x", "http://hooks.slack.com/services/x", "file:///etc/passwd"])
def test_a_webhook_that_is_not_https_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match="webhook_url must be the https") as caught:
        SlackSettings(webhook_url=url)
    assert not url or url not in str(caught.value)


async def test_the_console_shows_text_as_text() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=200, no_color=True)
    await ConsoleNotifier(console).send(
        Notice(key="k", title="[bold]t[/bold]", sections=(Section((HOSTILE,), heading="why"),), incident="i-1")
    )
    said = out.getvalue()
    assert "[bold]t[/bold]" in said
    assert "[red]x[/red]" in said
    assert "\x1b[31m" not in said
    assert "why" in said
    assert "incident i-1" in said


async def test_the_console_writes_to_stderr_so_that_stdout_stays_clean(capsys: pytest.CaptureFixture[str]) -> None:
    await ConsoleNotifier().send(NOTICE)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "web in shop needs a decision" in captured.err


def at_nine() -> datetime:
    return datetime(2026, 11, 21, 9, tzinfo=UTC)


async def test_the_file_keeps_one_line_a_notice_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "notices.jsonl"
    before = os.umask(0)
    try:
        notifier = FileNotifier(path, now=at_nine)
        await notifier.send(NOTICE)
        await notifier.send(Notice(key="2", title="line\nbreak\u2028here"))
    finally:
        os.umask(before)
    first, second = [json.loads(line) for line in path.read_text().splitlines()]
    assert first["at"] == "2026-11-21T09:00:00+00:00"
    assert (first["key"], first["severity"]) == ("incident-1/handed-over", "critical")
    assert first["sections"][1]["lines"] == ["- memory: 64Mi", "+ memory: 128Mi"]
    assert second["title"] == "line\nbreak\u2028here"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "notices.jsonl"
    path.touch(mode=0o644)
    path.chmod(0o644)
    await FileNotifier(path).send(NOTICE)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_line_torn_by_a_crash_does_not_swallow_the_next(tmp_path: Path) -> None:
    path = tmp_path / "notices.jsonl"
    path.write_text('{"at": "2026')
    await FileNotifier(path).send(NOTICE)
    assert json.loads(path.read_text().splitlines()[1])["key"] == NOTICE.key


async def test_a_file_that_cannot_be_written_is_an_error_and_a_link_is_not_followed(tmp_path: Path) -> None:
    with pytest.raises(NotifyError, match="cannot write"):
        await FileNotifier(tmp_path).send(NOTICE)
    link = tmp_path / "link.jsonl"
    link.symlink_to(tmp_path / "victim")
    with pytest.raises(NotifyError, match="cannot write"):
        await FileNotifier(link).send(NOTICE)
    assert not (tmp_path / "victim").exists()


class Taking:
    def __init__(self, *errors: NotifyError) -> None:
        self.taken: list[Notice] = []
        self._errors = list(errors)

    async def send(self, message: Notice) -> None:
        if self._errors:
            raise self._errors.pop(0)
        self.taken.append(message)


async def test_the_first_way_that_takes_a_notice_is_the_only_one() -> None:
    first, second = Taking(), Taking()
    await Fallback(first, second).send(NOTICE)
    assert (first.taken, second.taken) == ([NOTICE], [])


async def test_the_next_way_is_tried_when_one_fails(slack_server: SlackServer) -> None:
    slack_server.script(Scripted(500, "down"))
    last = Taking()
    await Fallback(slack(slack_server), last).send(NOTICE)
    assert last.taken == [NOTICE]


async def test_when_every_way_fails_the_error_names_them_all() -> None:
    first = Taking(NotifyError("one", retryable=False))
    second = Taking(NotifyError("two", retry_after_seconds=5))
    with pytest.raises(NotifyError, match="one; two") as caught:
        await Fallback(first, second).send(NOTICE)
    assert (caught.value.retryable, caught.value.retry_after_seconds) == (True, 5)


async def test_a_mistake_in_the_program_is_not_mistaken_for_a_failed_delivery() -> None:
    class Broken:
        async def send(self, message: Notice) -> None:
            raise TypeError("a bug")

    with pytest.raises(TypeError):
        await Fallback(Broken(), Taking()).send(NOTICE)
