"""Telling people: Slack, the console, a file, or one after the other."""

from tools.notify.console import ConsoleNotifier
from tools.notify.contract import Notice, Notifier, NotifyError, Section, Severity
from tools.notify.fallback import Fallback
from tools.notify.file import FileNotifier
from tools.notify.slack import SlackSettings, SlackWebhook

__all__ = [
    "ConsoleNotifier",
    "Fallback",
    "FileNotifier",
    "Notice",
    "Notifier",
    "NotifyError",
    "Section",
    "Severity",
    "SlackSettings",
    "SlackWebhook",
]
