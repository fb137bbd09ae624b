"""Digesting logs inside the sandbox into the lines that matter."""

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.sandbox import MontySandbox, Sandbox, SandboxError, SandboxResult, digest_logs
from tools.sandbox.contract import SandboxLimits
from tools.sandbox.log_program import digest

PYTHON_CRASH = """\
2026-11-21T09:00:00Z INFO starting worker pid=7
2026-11-21T09:00:00Z INFO errors=0 warnings=0
2026-11-21T09:00:01Z INFO connecting
Traceback (most recent call last):
  File "/app/main.py", line 12, in <module>
    main()
  File "/app/main.py", line 8, in main
    url = os.environ["DATABASE_URL"]
KeyError: 'DATABASE_URL'
"""


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with MontySandbox(SandboxLimits(seconds=60.0)) as running:  # a busy machine is no part of these promises
        yield running


async def test_the_cause_of_a_crash_survives_ten_thousand_ordinary_lines(sandbox: Sandbox) -> None:
    noise = "\n".join(f"2026-11-21T08:00:00Z INFO request {i} served in {i % 90} ms" for i in range(10_000))
    told = await digest_logs(sandbox, {"web": noise + "\n" + PYTHON_CRASH}, max_lines=12)
    assert len(told) <= 12
    assert told[-1] == "web:10009: KeyError: 'DATABASE_URL'"
    assert any("Traceback" in line for line in told)
    assert any('File "/app/main.py", line 8' in line for line in told)


async def test_repeats_are_told_once_with_their_count_whatever_their_numbers(sandbox: Sandbox) -> None:
    log = "\n".join(f"2026-11-21T09:00:{i % 60:02d}Z ERROR dial 10.0.0.{i % 250}:5432: refused" for i in range(400))
    told = await digest_logs(sandbox, {"api": log})
    assert len(told) == 1
    assert told[0].endswith("(x400)")


async def test_the_first_bad_line_stays_when_later_ones_fill_the_room(sandbox: Sandbox) -> None:
    words = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"]
    log = "INFO up\nERROR certificate expired\nINFO on\n" + "\n".join(f"panic: {word} is lost" for word in words)
    told = await digest_logs(sandbox, {"api": log}, max_lines=4)
    assert len(told) == 4
    assert told[0] == "api:2: ERROR certificate expired"
    assert told[-1] == "api:11: panic: theta is lost"


@pytest.mark.parametrize(
    "line", ["sync done, 0 errors", "error=nil", '{"level":"info","error":null}', "no errors found"]
)
async def test_a_line_that_says_there_was_no_error_is_none(sandbox: Sandbox, line: str) -> None:
    filler = [f"INFO step {word}" for word in ["one", "two", "three", "four", "five", "six", "seven", "eight"]]
    log = "\n".join([*filler[:4], line, *filler[4:]])
    assert not any(line in told for told in await digest_logs(sandbox, {"job": log}))


async def test_room_is_shared_and_what_a_short_log_leaves_goes_to_the_long_one(sandbox: Sandbox) -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    long = "\n".join(f"ERROR cause {a}{b} failed" for a in letters for b in "xyz")
    told = await digest_logs(sandbox, {"side": "started\nready", "main": long}, max_lines=10)
    assert [line.split(":")[0] for line in told].count("side") == 2
    assert len(told) == 10


async def test_a_log_without_a_bad_line_shows_where_it_began_and_where_it_stopped(sandbox: Sandbox) -> None:
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    told = await digest_logs(sandbox, {"job": "\n".join(words)})
    assert told == ["job:1: one", "job:2: two", "job:8: eight", "job:9: nine", "job:10: ten"]


async def test_a_log_cannot_bring_escapes_or_broken_characters_through(sandbox: Sandbox) -> None:
    told = await digest_logs(sandbox, {"x": "\x1b[31mERROR\x1b[0m \x07half \ud83d of a character\u202e"})
    assert told == ["x:1: ERROR  half ? of a character"]


async def test_a_log_of_several_megabytes_is_digested_from_its_end(sandbox: Sandbox) -> None:
    log = "x" * 5_000_000 + "\nFATAL: the end"
    told = await digest_logs(sandbox, {"big": log})
    assert told[-1].endswith("FATAL: the end")
    assert all(len(line) < 300 for line in told)


async def test_empty_logs_say_nothing_and_no_room_is_refused(sandbox: Sandbox) -> None:
    assert await digest_logs(sandbox, {}) == []
    assert await digest_logs(sandbox, {"a": "  \n\n"}) == []
    with pytest.raises(ValueError, match="max_lines is 0"):
        await digest_logs(sandbox, {"a": "b"}, max_lines=0)


async def test_a_digest_that_could_not_be_made_is_an_error_with_its_reason() -> None:
    class Answering:
        def __init__(self, result: SandboxResult) -> None:
            self._result = result

        async def run(self, code: str, inputs: object) -> SandboxResult:
            return self._result

    with pytest.raises(SandboxError, match="could not be digested: TimeoutError"):
        await digest_logs(Answering(SandboxResult(ok=False, error="TimeoutError")), {"a": "b"})
    with pytest.raises(SandboxError, match="not a list of lines"):
        await digest_logs(Answering(SandboxResult(ok=True, value={"a": 1})), {"a": "b"})


async def test_the_sandbox_and_cpython_digest_alike(sandbox: Sandbox) -> None:
    logs = {
        "crash": PYTHON_CRASH,
        "go": "panic: runtime error\n\ngoroutine 1 [running]:\n\tmain.go:12 +0x1d\nexit status 2",
    }
    assert await digest_logs(sandbox, logs, max_lines=9) == digest(logs, 9)


@given(st.dictionaries(st.text(min_size=1, max_size=5), st.text(max_size=400), max_size=4), st.integers(1, 30))
def test_a_digest_never_exceeds_its_room_and_names_lines_that_exist(logs: dict[str, str], room: int) -> None:
    told = digest(logs, room)
    assert len(told) <= room
    for line in told:
        assert any(line.startswith(f"{name}:") for name in logs)


@given(st.text(alphabet="ERO :rpanic0\n", max_size=600))
def test_a_bad_line_is_never_lost_while_there_is_room(text: str) -> None:
    told = digest({"log": text + "\nFATAL zz qq\nok\nok then\nfine now\nall well"}, 200)
    assert any("FATAL zz qq" in line for line in told)
