"""Slack, through an incoming webhook.

The webhook's address is the credential: whoever has it can post. So it never appears in an error, a repr or a log line
(the library logs the address when its logger listens, hence a logger of our own that never does), and redirects are
refused rather than followed with the incident's text in hand. When Slack asks for patience (429 with Retry-After), a
short wait is waited here; a long one is handed back to the caller, who has an outbox.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

from tools.notify.blocks import blocks_of, fallback_text
from tools.notify.contract import Notice, NotifyError
from tools.scrub import scrub

if TYPE_CHECKING:
    import aiohttp
    from slack_sdk.webhook import WebhookResponse

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_DEFAULT_PATIENCE_SECONDS = 1.0  # a 429 without Retry-After
_STATUS_RATE_LIMITED = 429


@dataclass(frozen=True, kw_only=True)
class SlackSettings:
    """Where to post."""

    webhook_url: str = field(repr=False)
    timeout_seconds: float = 10.0
    """One request."""
    longest_wait_seconds: float = 30.0
    """The longest Retry-After that is waited out here."""
    attempts: int = 3

    def __post_init__(self) -> None:
        parts = urlsplit(self.webhook_url)
        local = parts.scheme == "http" and parts.hostname in _LOOPBACK
        if not parts.hostname or not (parts.scheme == "https" or local):
            raise ValueError("webhook_url must be the https:// address that Slack shows for the incoming webhook")


class SlackWebhook:
    """Posts notices to one channel. Holds no connection between messages."""

    def __init__(self, settings: SlackSettings, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._settings = settings
        self._sleep = sleep

    async def send(self, message: Notice) -> None:
        """Post the notice; see `Notifier.send` for the promise."""
        text, blocks = fallback_text(message), blocks_of(message)
        for attempt in range(1, self._settings.attempts + 1):
            response = await self._post(text, blocks)
            if response.status_code == _STATUS_RATE_LIMITED:
                await self._be_patient(response, last=attempt == self._settings.attempts)
            elif response.status_code != 200:
                raise self._refused(response)
            else:
                return

    async def _post(self, text: str, blocks: list[dict[str, Any]]) -> "WebhookResponse":
        import aiohttp
        from slack_sdk.webhook.async_client import AsyncWebhookClient

        timeout = aiohttp.ClientTimeout(total=self._settings.timeout_seconds)
        try:
            async with aiohttp.ClientSession(timeout=timeout, trace_configs=[_no_redirects()]) as session:
                client = AsyncWebhookClient(
                    self._settings.webhook_url, session=session, retry_handlers=[], logger=_silent_logger()
                )
                return await client.send(text=text, blocks=blocks, unfurl_links=False, unfurl_media=False)
        except TimeoutError:
            raise NotifyError(f"Slack did not answer within {self._settings.timeout_seconds:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            said = f"{type(error).__name__} {self._scrubbed(error)}"
            raise NotifyError(f"Slack is not reachable: {said}") from None  # the cause may quote the address

    async def _be_patient(self, response: "WebhookResponse", *, last: bool) -> None:
        wait = _retry_after(response)
        if last or wait > self._settings.longest_wait_seconds:
            raise NotifyError("Slack limits the rate of messages", retry_after_seconds=wait)
        await self._sleep(wait)

    def _refused(self, response: "WebhookResponse") -> NotifyError:
        status = response.status_code
        said = self._scrubbed(response.body)
        return NotifyError(f"Slack refused the message: status {status} {said}".rstrip(), retryable=status >= 500)

    def _scrubbed(self, words: object) -> str:
        url = self._settings.webhook_url
        path = urlsplit(url).path
        return scrub(words, secrets=[url, path, path.rpartition("/")[2]], limit=160)


def _retry_after(response: "WebhookResponse") -> float:
    for name, value in response.headers.items():
        if name.lower() == "retry-after":
            try:
                return max(0.0, float(value))
            except ValueError:
                break
    return _DEFAULT_PATIENCE_SECONDS


def _no_redirects() -> "aiohttp.TraceConfig":
    import aiohttp

    async def refuse(*_: object) -> NoReturn:
        raise NotifyError("Slack's address answered with a redirect: check webhook_url", retryable=False)

    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(refuse)
    return trace


def _silent_logger() -> logging.Logger:
    logger = logging.Logger("slack-webhook", level=logging.CRITICAL + 1)  # not in the tree: nobody can turn it on
    logger.addHandler(logging.NullHandler())
    return logger
