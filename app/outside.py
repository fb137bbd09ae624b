"""Which of the outside services are there, and the embedded default of each that is not."""

from __future__ import annotations

from contextlib import AsyncExitStack

from app.settings import PREFIX, Settings, SettingsError
from tools.notify import ConsoleNotifier, Fallback, FileNotifier, Notice, Notifier, SlackSettings, SlackWebhook
from tools.registry import RegistryClient, RegistrySettings, RegistrySettingsError, parse_registry
from tools.search import RunbookSearch, Search, TavilySearch, TavilySettings, WebAndRunbooks


class Both:
    """Every notice goes to all of several notifiers; the file and the console together are one default."""

    def __init__(self, *notifiers: Notifier) -> None:
        self._notifiers = notifiers

    async def send(self, message: Notice) -> None:
        """Deliver to each in turn. Raises NotifyError of the first that fails; a repeat is recognisable by its key."""
        for notifier in self._notifiers:
            await notifier.send(message)


def open_notifier(settings: Settings) -> Notifier:
    """Slack if a webhook is set, with the file as fallback; else the file and the console."""
    file = FileNotifier(settings.notices_file)
    if settings.slack_webhook_url is None:
        return Both(file, ConsoleNotifier())
    try:
        slack = SlackWebhook(SlackSettings(webhook_url=settings.slack_webhook_url.get_secret_value()))
    except ValueError as error:
        raise SettingsError(f"SLACK_WEBHOOK_URL: {error}") from error
    return Fallback(slack, file)


async def open_search(stack: AsyncExitStack, settings: Settings) -> Search:
    """The shipped runbooks; Tavily before them if a key is set."""
    if settings.tavily_api_key is None:
        return RunbookSearch()
    try:
        tavily = TavilySettings(
            api_key=settings.tavily_api_key.get_secret_value(), api_base_url=settings.tavily_base_url
        )
    except ValueError as error:
        raise SettingsError(f"TAVILY_API_KEY or {PREFIX}TAVILY_BASE_URL: {error}") from error
    return WebAndRunbooks(await stack.enter_async_context(TavilySearch(tavily)), RunbookSearch())


async def open_registry(stack: AsyncExitStack, settings: Settings) -> RegistryClient | None:
    """A client for the registries that may be asked; None when none may."""
    if not settings.registries:
        return None
    try:
        registries = tuple(parse_registry(text) for text in settings.registries)
    except RegistrySettingsError as error:
        raise SettingsError(str(error)) from error
    return await stack.enter_async_context(RegistryClient(RegistrySettings(registries=registries)))
