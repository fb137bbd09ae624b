"""The console: the way to reach whoever started the program, and the default when nothing else is configured.

It writes to stderr, so that stdout stays what a command promised. Text is shown as text: neither Rich's markup nor a
terminal's escape sequences in it take effect.
"""

from typing import TYPE_CHECKING

from tools.notify.contract import Notice, Section
from tools.scrub import one_line, plain_text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_STYLES = {"info": "cyan", "warning": "yellow", "critical": "bold red"}
_LINE_CHARACTERS = 500


class ConsoleNotifier:
    """Prints notices as panels."""

    def __init__(self, console: "Console | None" = None) -> None:
        """Print on `console`; by default on one for stderr, made when the first notice comes."""
        self._console = console

    async def send(self, message: Notice) -> None:
        """Print the notice. Never raises: a closed terminal is nobody to be told."""
        from rich.console import Console
        from rich.panel import Panel
        from rich.text import Text

        if self._console is None:
            self._console = Console(stderr=True)
        style = _STYLES[message.severity]
        title = Text(one_line(message.title, limit=160), style=style)
        footer = Text(f"incident {one_line(message.incident, limit=100)}" if message.incident else "")
        self._console.print(Panel(_body(message), title=title, subtitle=footer, border_style=style, expand=False))


def _body(message: Notice) -> "Text":
    from rich.text import Text

    body = Text()
    for section in message.sections:
        if body:
            body.append("\n\n")
        _append(body, section)
    return body


def _append(body: "Text", section: Section) -> None:
    if section.heading:
        body.append(one_line(section.heading, limit=200), style="bold")
        body.append("\n" if section.lines else "")
    lines = [plain_text(line.replace("\t", "    "))[:_LINE_CHARACTERS].rstrip() for line in section.lines]
    body.append("\n".join(lines), style="dim" if section.verbatim else "")
