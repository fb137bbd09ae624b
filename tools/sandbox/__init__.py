"""A place to run Python that nobody has read, and the job the Coder has for it by default."""

from tools.sandbox.contract import JSON, Sandbox, SandboxError, SandboxLimits, SandboxResult
from tools.sandbox.digest import digest_logs
from tools.sandbox.hostile import self_test
from tools.sandbox.monty import MontySandbox

__all__ = [
    "JSON",
    "MontySandbox",
    "Sandbox",
    "SandboxError",
    "SandboxLimits",
    "SandboxResult",
    "digest_logs",
    "self_test",
]
