"""Several ways to reach people, tried in order until one takes the message.

The last one should be one that works with nothing (a file, the console). A notice that a later way took counts as
delivered: it is not kept back for the first one, because nobody should be told the same thing twice an hour apart.
"""

from tools.notify.contract import Notice, Notifier, NotifyError


class Fallback:
    """Tries `primary`, then each of `others`."""

    def __init__(self, primary: Notifier, *others: Notifier) -> None:
        self._notifiers = (primary, *others)

    async def send(self, message: Notice) -> None:
        """Deliver through the first that takes it. Raises NotifyError, naming every failure, if none does."""
        failures: list[NotifyError] = []
        for notifier in self._notifiers:
            try:
                await notifier.send(message)
            except NotifyError as error:
                failures.append(error)
                self._log(notifier, message, error)
            else:
                return
        waits = [error.retry_after_seconds for error in failures if error.retry_after_seconds is not None]
        raise NotifyError(
            "; ".join(str(error) for error in failures),
            retryable=any(error.retryable for error in failures),
            retry_after_seconds=min(waits, default=None),
        )

    def _log(self, notifier: Notifier, message: Notice, error: NotifyError) -> None:
        import structlog  # a quarter of a second, and only when something failed

        log = structlog.get_logger(__name__)
        way = type(notifier).__name__
        log.warning("notice not delivered", way=way, key=message.key, incident=message.incident, reason=str(error))
