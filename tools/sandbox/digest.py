"""Long logs, digested inside the sandbox into the lines that matter.

This is the Coder's job when nobody asks for another one, and the proof that the sandbox does useful work:
the program is `log_program.py`, sent as text. What comes back is as untrusted as the logs were, so its
shape is checked here before anybody relies on it.
"""

from collections.abc import Mapping
from importlib import resources

from tools.sandbox.contract import Sandbox, SandboxError

_CALL = "\ndigest(logs, max_lines)\n"
_LONGEST_LOG = 1_000_000  # characters; the end of a log is what explains an exit, so the end is kept
_LONGEST_NAME = 120
_LONGEST_LINE = 600


async def digest_logs(sandbox: Sandbox, logs: Mapping[str, str], *, max_lines: int = 40) -> list[str]:
    """The at most `max_lines` lines of `logs` (source → text) that matter, as `source:line number: text
    (xN)`.

    Errors, panics and their context, repeats told once with their count, first and last lines; the order is
    that of the log, shortest log first. Of a log longer than a million characters only the end is read. An
    empty log adds nothing. Raises ValueError if `max_lines` is less than 1, SandboxError if the digest
    could not be made.
    """
    if max_lines < 1:
        raise ValueError(f"max_lines is {max_lines}: ask for at least one line")
    wanted = {name[:_LONGEST_NAME]: _encodable(text[-_LONGEST_LOG:]) for name, text in logs.items() if text.strip()}
    if not wanted:
        return []
    result = await sandbox.run(_program() + _CALL, {"logs": wanted, "max_lines": max_lines})
    if not result.ok:
        raise SandboxError(f"the logs could not be digested: {result.error}")
    return _checked(result.value, max_lines)


def _program() -> str:
    return resources.files("tools.sandbox").joinpath("log_program.py").read_text(encoding="utf-8")


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")  # a log may hold half a character; a sandbox takes none


def _checked(value: object, max_lines: int) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(line, str) for line in value):
        raise SandboxError("the digest is not a list of lines")
    return [line[:_LONGEST_LINE] for line in value[:max_lines]]
