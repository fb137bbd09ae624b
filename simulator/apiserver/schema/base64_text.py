"""Base64 as Go's `encoding/base64` reads it: line ends do not count, and what is wrong is told by its place."""

from base64 import b64decode, b64encode

_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
_LINE_ENDS = "\r\n"


class Base64Problem(ValueError):
    """The message is the real decoder's."""


def canonical_base64(text: str) -> str:
    """The text as the same bytes are written again. Raises Base64Problem."""
    place = _corrupt_at(text)
    if place is not None:
        raise Base64Problem(f"illegal base64 data at input byte {place}")
    return b64encode(b64decode(text.replace("\n", "").replace("\r", ""))).decode()


def _corrupt_at(text: str) -> int | None:
    """Where the first four letters that cannot be read are wrong, counted as `decodeQuantum` does."""
    letters = 0  # of the four that are being read
    for at, letter in enumerate(text):
        if letter in _LETTERS:
            letters = (letters + 1) % 4
        elif letter == "=":
            return _wrong_padding(text, at, letters)
        elif letter not in _LINE_ENDS:
            return at
    return len(text) - letters if letters else None


def _wrong_padding(text: str, at: int, letters: int) -> int | None:
    if letters < 2:
        return at
    end = _next(text, at + 1)
    if letters == 2:
        if end == len(text):
            return end
        if text[end] != "=":
            return end - 1
        end = _next(text, end + 1)
    return end if end < len(text) else None


def _next(text: str, at: int) -> int:
    """The place of the next character that is no line end."""
    while at < len(text) and text[at] in _LINE_ENDS:
        at += 1
    return at
