"""Becomes another program that dies when the process that started it does.

Owns: the parent-death signal. The components of the control plane run in process groups of their own, so that
Ctrl-C reaches the tests and not them; what stops them when the tests are killed outright is the kernel.
Setting the signal here, before `exec`, rather than in a `preexec_fn`: that one runs Python between fork and
exec, which a threaded parent must not.

The signal follows the *thread* that started the program (prctl(2)): start components from one that stays.

Used as `python tether.py PARENT_PID PROGRAM [ARGUMENT ...]`; Linux only (prctl(2), PR_SET_PDEATHSIG).
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, program = int(sys.argv[1]), sys.argv[2]
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:  # it died before the line above: nobody is left to be outlived
        raise SystemExit(f"{program}: the process that wanted it is gone")
    os.execv(program, sys.argv[2:])  # noqa: S606 - no shell is what is wanted


if __name__ == "__main__":
    main()
