"""The self-test of a sandbox: a list of programs that must not get what they ask for.

It runs at start-up against the sandbox that will really be used, with its real limits, because a sandbox is
only as good as this machine, this kernel and this release of its library let it be. Anything that leaks is
a reason not to start. A control program that must succeed keeps a sandbox that runs nothing from passing as
a safe one.
"""

import asyncio

from tools.sandbox.contract import Sandbox, SandboxError

HOSTILE: dict[str, str] = {
    "reads a file": "open('/etc/passwd').read()",
    "reads a file through pathlib": "from pathlib import Path\nPath('/etc/passwd').read_text()",
    "reads the service account token": "open('/var/run/secrets/kubernetes.io/serviceaccount/token').read()",
    "reads another process's environment": "open('/proc/self/environ').read()",
    "writes a file": "open('/tmp/written-by-the-sandbox', 'w').write('x')",
    "lists a folder": "import os\nos.listdir('/')",
    "reads the environment": "import os\ndict(os.environ)",
    "reads one variable": "import os\nos.getenv('PATH', 'unset')",
    "starts a process": "import subprocess\nsubprocess.run(['id'])",
    "starts a shell": "import os\nos.system('id')",
    "forks": "import os\nos.fork()",
    "opens a socket": "import socket\nsocket.create_connection(('127.0.0.1', 80), 1)",
    "fetches a page": "import urllib.request\nurllib.request.urlopen('http://127.0.0.1/')",
    "loads native code": "import ctypes\nctypes.CDLL(None)",
    "starts threads": "import threading\nthreading.Thread(target=print).start()",
    "imports at will": "__import__('os').listdir('/')",
    "imports through eval": "eval(\"__import__('os').listdir('/')\")",
    "walks the object graph": "().__class__.__base__.__subclasses__()",
    "looks at host frames": "import sys\nsys._getframe().f_back.f_globals",
    "loops for ever": "while True:\n    pass",
    "takes all memory": "'x' * (8 << 30)",
    "grows without end": "kept = []\nwhile True:\n    kept.append('x' * 100_000 + str(len(kept)))",
    "raises a number no timer interrupts": "7 ** 7 ** 9",
    "recurses without end": "def fall(n):\n    return fall(n + 1) + 1\nfall(0)",
    "prints without end": "while True:\n    print('x' * 10_000)",
    "returns more than it may": "'x' * (16 << 20)",
    "sleeps its time away": "import time\nwhile True:\n    time.sleep(60)",
}
"""What it tries → the program. Every one of them must end with `ok` False."""

_CONTROL = "numbers = [n * n for n in range(10)]\nsum(numbers)"
_CONTROL_VALUE = 285
_LEAVE_BEHIND = "left_behind = 'a secret of the run before'\nlen(left_behind)"
_FIND = "left_behind"


async def self_test(sandbox: Sandbox) -> list[str]:
    """Run the hostile list; one line for everything that leaked. Empty means good.

    Takes about as long as the sandbox's time limit allows its longest runs. Raises nothing: a sandbox that
    cannot run is a finding too.
    """
    try:
        return await _control(sandbox) or await _hostile(sandbox)
    except SandboxError as error:
        return [f"the sandbox cannot run: {error}"]


async def _control(sandbox: Sandbox) -> list[str]:
    result = await sandbox.run(_CONTROL, {})
    if not result.ok or result.value != _CONTROL_VALUE:
        return [f"an honest program does not run: {result.error or result.value}"]
    await sandbox.run(_LEAVE_BEHIND, {})
    left = await sandbox.run(_FIND, {})
    return ["a run sees what the run before it left behind"] if left.ok else []


async def _hostile(sandbox: Sandbox) -> list[str]:
    async with asyncio.TaskGroup() as group:
        attempts = [group.create_task(_attempt(sandbox, name, code)) for name, code in HOSTILE.items()]
    return [leak for attempt in attempts if (leak := attempt.result()) is not None]


async def _attempt(sandbox: Sandbox, name: str, code: str) -> str | None:
    try:
        result = await sandbox.run(code, {})
    except SandboxError as error:
        return f"a program that {name} could not be tried: {error}"
    if not result.ok:
        return None
    # Never the value itself: it may be the very secret that leaked.
    return f"a program that {name} was let through, with a value of type {type(result.value).__name__}"
