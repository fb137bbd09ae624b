"""What was run: the commit, and whether the tree differs from it.

What the proof writes does not count, the README with its table among it: writing it must not make the proof stale.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
UNKNOWN = "unknown"
_WITHOUT_PROOF = (":/", *(f":(exclude,top){name}" for name in ("docs/proof.*", "docs/repair.*", "README.md")))
_GIT_SECONDS = 30.0


@dataclass(frozen=True)
class Revision:
    """``changes`` is a digest of what differs from the commit, empty when nothing does."""

    commit: str
    changes: str = ""

    @property
    def known(self) -> bool:
        """Whether another run could be told to be of the same."""
        return self.commit != UNKNOWN

    def __str__(self) -> str:
        return f"{self.commit}+{self.changes}" if self.changes else self.commit


def commit(folder: Path = REPOSITORY) -> str:
    """The commit that is checked out; empty where there is no git or no commit."""
    return _git(folder, "rev-parse", "--verify", "HEAD").decode().strip()


def revision(folder: Path = REPOSITORY) -> Revision:
    """What is in the tree now."""
    found = commit(folder)
    if not found:
        return Revision(UNKNOWN)
    difference = _git(folder, "diff", "HEAD", "--binary", "--", *_WITHOUT_PROOF)
    listed = _git(folder, "ls-files", "--others", "--exclude-standard", "-z", "--", *_WITHOUT_PROOF)
    new = [name for name in listed.decode().split("\0") if name]
    if not difference and not new:
        return Revision(found)
    digest = hashlib.sha256(difference)
    for path in (folder / name for name in new):
        digest.update(str(path).encode() + (path.read_bytes() if path.is_file() else b""))
    return Revision(found, digest.hexdigest()[:12])


def _git(folder: Path, *arguments: str) -> bytes:
    """What git answers, reading alone: it may take no lock that somebody at work here is waiting for."""
    git = shutil.which("git")
    if git is None:
        return b""
    environ = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    done = subprocess.run(
        [git, "-C", str(folder), *arguments], capture_output=True, check=False, timeout=_GIT_SECONDS, env=environ
    )
    return done.stdout if done.returncode == 0 else b""
