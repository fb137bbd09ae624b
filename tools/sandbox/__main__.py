"""``python -m tools.sandbox``: does the sandbox hold where this runs? Exit code 0 if so; the image's build asks."""

from __future__ import annotations

import asyncio
import sys

from tools.sandbox.checked import CheckedSandbox
from tools.sandbox.contract import SandboxError


async def _holds() -> str:
    """Why nothing would be run in it; empty if it holds."""
    try:
        async with CheckedSandbox() as sandbox:
            await sandbox.run("1 + 1", {})
    except (SandboxError, OSError) as error:
        return str(error)
    return ""


def main() -> int:
    """Say how it is; 1 if it does not hold."""
    because = asyncio.run(_holds())
    print(f"the sandbox does not hold: {because}" if because else "the sandbox holds")
    return 1 if because else 0


if __name__ == "__main__":
    sys.exit(main())
