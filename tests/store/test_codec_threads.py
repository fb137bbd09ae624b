"""Threads that decode a type for the first time at one moment, in a process of its own: a failure would end it."""

import subprocess
import sys

_PROGRAM = '''
import sys, threading, types
from incidents.codec import decode, from_json

sys.setswitchinterval(1e-6)
SOURCE = """
from __future__ import annotations
import msgspec

class Inner(msgspec.Struct, frozen=True):
    a: int
    b: str | None = None
    c: tuple[str, ...] = ()

class Outer(msgspec.Struct, frozen=True):
    one: Inner
    many: tuple[Inner, ...] = ()
    other: dict[str, Inner] | None = None
"""

def first_use(barrier, module):
    barrier.wait()
    decode('{"one": {"a": 1}, "many": [{"a": 2}]}', module.Outer)
    from_json({"a": 1}, module.Inner)

for number in range(100):
    module = types.ModuleType(f"words{number}")
    sys.modules[module.__name__] = module
    exec(SOURCE, module.__dict__)
    barrier = threading.Barrier(4)
    threads = [threading.Thread(target=first_use, args=(barrier, module)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
'''


def test_threads_that_meet_at_the_first_use_of_a_type_all_get_their_value() -> None:
    ended = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, "")
