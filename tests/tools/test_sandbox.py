"""The sandbox: nothing gets out, everything ends, honest work gets done."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tools.sandbox import MontySandbox, SandboxError, SandboxLimits, SandboxResult, self_test
from tools.sandbox.hostile import HOSTILE

QUICK = SandboxLimits(seconds=0.2, output_bytes=8 << 10, value_bytes=64 << 10)


async def test_nothing_on_the_hostile_list_gets_what_it_asks_for() -> None:
    async with MontySandbox(QUICK) as sandbox:
        assert await self_test(sandbox) == []


async def test_the_hostile_list_holds_under_the_limits_the_program_uses() -> None:
    async with MontySandbox(workers=8) as sandbox:
        assert await self_test(sandbox) == []


async def test_a_sandbox_that_lets_something_through_is_named_without_the_value() -> None:
    class Leaky:
        async def run(self, code: str, inputs: object) -> SandboxResult:
            if code == HOSTILE["reads the environment"]:
                return SandboxResult(ok=True, value={"TOKEN": "s3cret"})
            if code.startswith("numbers"):
                return SandboxResult(ok=True, value=285)
            return SandboxResult(ok=False, error="refused")

    leaks = await self_test(Leaky())
    assert leaks == ["a program that reads the environment was let through, with a value of type dict"]


async def test_a_sandbox_that_runs_nothing_does_not_pass_as_a_safe_one() -> None:
    class Dead:
        async def run(self, code: str, inputs: object) -> SandboxResult:
            return SandboxResult(ok=False, error="broken")

    assert await self_test(Dead()) == ["an honest program does not run: broken"]
    assert "cannot run" in (await self_test(MontySandbox()))[0]


async def test_a_run_that_sees_the_run_before_it_is_a_leak() -> None:
    class Remembering:
        async def run(self, code: str, inputs: object) -> SandboxResult:
            return SandboxResult(ok=True, value=285)

    assert await self_test(Remembering()) == ["a run sees what the run before it left behind"]


async def test_a_program_gives_back_its_last_value_and_what_it_printed() -> None:
    async with MontySandbox(QUICK) as sandbox:
        result = await sandbox.run("print('hello')\n{'sum': sum(xs), 'first': xs[0]}", {"xs": [1, 2, 3]})
    assert (result.ok, result.value, result.output, result.error) == (True, {"sum": 6, "first": 1}, "hello\n", None)


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("def broken(:", "SyntaxError"),
        ("while True:\n    pass", "TimeoutError"),
        ("'x' * (1 << 30)", "MemoryError"),
        ("def f(n):\n    return f(n + 1)\nf(0)", "RecursionError"),
        ("while True:\n    print('x' * 1000)", "MemoryError"),
        ("7 ** 7 ** 9", "TimeoutError"),
        ("'x' * 100_000", "larger than 65536 bytes"),
        ("len", "not JSON"),
        ("float('nan')", "not JSON"),
    ],
)
async def test_a_program_that_fails_is_a_result_that_says_how(code: str, says: str) -> None:
    async with MontySandbox(QUICK) as sandbox:
        result = await sandbox.run(code, {})
        after = await sandbox.run("1 + 1", {})
    assert not result.ok
    assert says in (result.error or "")
    assert "\n" not in (result.error or "")
    assert after.value == 2


async def test_what_was_printed_before_the_limit_is_kept_and_bounded() -> None:
    async with MontySandbox(QUICK) as sandbox:
        result = await sandbox.run("while True:\n    print('x' * 1000)", {})
    assert 0 < len(result.output) <= QUICK.output_bytes


async def test_terminal_escapes_do_not_come_out_of_the_sandbox() -> None:
    async with MontySandbox(QUICK) as sandbox:
        result = await sandbox.run("print('\\x1b[31mred')", {})
    assert "\x1b" not in result.output


async def test_a_cancelled_run_frees_its_worker() -> None:
    async with MontySandbox(SandboxLimits(seconds=30), workers=1, wait_seconds=5) as sandbox:
        run = asyncio.create_task(sandbox.run("while True:\n    pass", {}))
        await asyncio.sleep(0.05)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert (await sandbox.run("'free'", {})).value == "free"


def test_the_process_ends_well_right_after_a_program_that_printed_without_end_was_stopped() -> None:
    program = """
import asyncio
from tools.sandbox import MontySandbox, SandboxLimits

async def main():
    async with MontySandbox(SandboxLimits(seconds=0.1)) as sandbox:
        result = await sandbox.run("while True: print('x' * 10_000)", {})
        print(result.ok)

asyncio.run(main())
"""
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (0, "False\n"), done.stderr


async def test_no_free_worker_in_time_is_an_error_and_not_a_wait_for_ever() -> None:
    async with MontySandbox(SandboxLimits(seconds=0.5), workers=1, wait_seconds=0.05) as sandbox:
        run = asyncio.create_task(sandbox.run("while True:\n    pass", {}))
        await asyncio.sleep(0.05)
        with pytest.raises(SandboxError, match="no sandbox worker was free"):
            await sandbox.run("1", {})
        assert not (await run).ok


async def test_inputs_that_cannot_be_handed_in_are_named() -> None:
    async with MontySandbox(SandboxLimits(input_bytes=100)) as sandbox:
        with pytest.raises(SandboxError, match="'not a name' is not a Python name"):
            await sandbox.run("1", {"not a name": 1})
        with pytest.raises(SandboxError, match="inputs are not JSON"):
            await sandbox.run("1", {"x": {1, 2}})  # type: ignore[dict-item]  # what an untyped caller might do
        with pytest.raises(SandboxError, match="more than 100: shorten them"):
            await sandbox.run("1", {"x": "y" * 200})


async def test_inputs_are_copies_that_the_program_cannot_change() -> None:
    mine = {"kept": [1]}
    async with MontySandbox(QUICK) as sandbox:
        await sandbox.run("given['kept'].append(2)", {"given": mine})
    assert json.dumps(mine) == '{"kept": [1]}'
