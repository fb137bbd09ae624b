"""A notice as Slack's Block Kit: escaped, free of mentions, and within Slack's bounds.

The bounds are Slack's (50 blocks; 150 characters in a header, 3000 in a section's text); a message beyond them is
refused whole, which would lose the one message an incident gets. So everything is cut here, and says that it was.
`&`, `<` and `>` are the only characters Slack's mrkdwn wants escaped; every link, mention and channel is written with
`<`, so escaped text can make none. `verbatim` keeps Slack from linking bare names as well.
"""

import re
from typing import Any

from tools.notify.contract import Notice, Section
from tools.scrub import one_line, plain_text

_HEADER_CHARACTERS = 150
_TEXT_CHARACTERS = 2_900
_LINE_CHARACTERS = 500
_MOST_SECTIONS = 20
_FALLBACK_CHARACTERS = 400
_MARKS = {"info": ":information_source:", "warning": ":warning:", "critical": ":rotating_light:"}
_BROADCAST = re.compile(r"@(?=(?:channel|here|everyone|group)\b)", re.IGNORECASE)
_WORD_JOINER = "\u2060"


def escape(text: str) -> str:
    """`text` as mrkdwn that shows exactly these characters, and notifies nobody."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _BROADCAST.sub("@" + _WORD_JOINER, escaped)


def fallback_text(notice: Notice) -> str:
    """The line that a phone's notification shows."""
    return escape(one_line(notice.title, limit=_FALLBACK_CHARACTERS))


def blocks_of(notice: Notice) -> list[dict[str, Any]]:
    """The whole message as Block Kit blocks."""
    blocks: list[dict[str, Any]] = [_header(notice.title)]
    shown = (_section(section) for section in notice.sections[:_MOST_SECTIONS])
    blocks.extend(_text_block(text) for text in shown if text)
    left_out = len(notice.sections) - _MOST_SECTIONS
    if left_out > 0:
        blocks.append(_text_block(f"… {left_out} more sections: see the incident"))
    return [*blocks, _context(notice)]


def _header(title: str) -> dict[str, Any]:
    limit = _HEADER_CHARACTERS
    text = escape(one_line(title, limit=limit))
    while len(text) > _HEADER_CHARACTERS:  # an escaped character is up to five characters long
        limit -= 5
        text = escape(one_line(title, limit=limit))
    return {"type": "header", "text": {"type": "plain_text", "text": text or "(no title)", "emoji": False}}


def _section(section: Section) -> str:
    heading = f"*{escape(one_line(section.heading, limit=200))}*\n" if section.heading else ""
    fence = "```" if section.verbatim else ""
    body = _bounded_lines(section, _TEXT_CHARACTERS - len(heading) - 2 * len(fence))
    return f"{heading}{fence}{body}{fence}" if body.strip() else heading.rstrip()


def _bounded_lines(section: Section, room: int) -> str:
    kept: list[str] = []
    lines = [_line(line, verbatim=section.verbatim) for line in section.lines]
    for index, line in enumerate(lines):
        more = f"… {len(lines) - index} more lines"
        needed = len(line) + 1 + (len(more) + 1 if index + 1 < len(lines) else 0)
        if needed > room:
            kept.append(more)
            break
        kept.append(line)
        room -= len(line) + 1
    return "\n".join(kept)


def _line(text: str, *, verbatim: bool) -> str:
    if not verbatim:
        return escape(one_line(text, limit=_LINE_CHARACTERS))
    whole = plain_text(text.replace("\t", "    ")).rstrip()  # the indentation of a diff or of YAML means something
    cut = whole if len(whole) <= _LINE_CHARACTERS else whole[: _LINE_CHARACTERS - 1] + "…"
    return escape(cut.replace("```", "'''"))


def _context(notice: Notice) -> dict[str, Any]:
    about = f"incident {one_line(notice.incident, limit=100)}" if notice.incident else "about the program itself"
    element = {
        "type": "mrkdwn",
        "text": f"{_MARKS[notice.severity]} {notice.severity} · {escape(about)}",
        "verbatim": True,
    }
    return {"type": "context", "elements": [element]}


def _text_block(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}
