"""Logging: one structured line an event, to stderr, readable on a terminal and JSON elsewhere."""

from __future__ import annotations

import logging
import sys

import structlog
from stamina.instrumentation import RetryDetails, set_on_retry_hooks


def configure_logging(*, verbose: bool = False, quiet: bool = False, form: str = "auto") -> None:
    """Set up structlog. ``quiet`` shows errors only, ``verbose`` debug lines too; ``form``: auto, json or pretty."""
    level = logging.ERROR if quiet else logging.DEBUG if verbose else logging.INFO
    terminal = form == "pretty" or (form == "auto" and sys.stderr.isatty())
    set_on_retry_hooks([_tell_retry])
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info if not terminal else _keep,
            structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _tell_retry(details: RetryDetails) -> None:
    """Among the debug lines alone: what fails in the end is said in words, once; arguments are nobody's."""
    structlog.get_logger(__name__).debug(
        "request.repeated", cause=str(details.caused_by)[:200], times=details.retry_num, waits=details.wait_for
    )


def _keep(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return event
