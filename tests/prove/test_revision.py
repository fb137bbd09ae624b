"""What a result is of: a commit, and what differs from it; the proof's own files do not count."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from .revision import UNKNOWN, Revision, commit, revision

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git here")


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.com", "-c", "commit.gpgsign=false"]
    environ = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True, env=environ)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository with one commit."""
    tree = tmp_path / "tree"
    (tree / "docs").mkdir(parents=True)
    (tree / "code.py").write_text("a = 1\n")
    (tree / "docs" / "proof.md").write_text("old\n")
    git(tree, "init", "--quiet")
    git(tree, "add", ".")
    git(tree, "commit", "--quiet", "--message", "one")
    return tree


def test_a_clean_tree_is_its_commit(tree: Path) -> None:
    found = revision(tree)
    assert found == Revision(commit(tree))
    assert found.known
    assert str(found) == commit(tree)


def test_every_change_and_every_new_file_makes_it_another(tree: Path) -> None:
    seen = {str(revision(tree))}
    (tree / "code.py").write_text("a = 2\n")
    seen.add(str(revision(tree)))
    (tree / "new.py").write_text("")
    seen.add(str(revision(tree)))
    (tree / "new.py").write_text("b = 1\n")
    seen.add(str(revision(tree)))
    assert len(seen) == 4
    assert all(item.startswith(commit(tree)) for item in seen)


def test_writing_the_proof_does_not_make_it_stale(tree: Path) -> None:
    (tree / "docs" / "proof.md").write_text("new\n")
    for name in ("docs/proof.json", "docs/repair.json", "docs/repair.md", "docs/repair.svg", "README.md"):
        (tree / name).write_text("{}\n")
    assert revision(tree) == Revision(commit(tree))


def test_where_there_is_no_repository_nothing_is_known(tmp_path: Path) -> None:
    assert revision(tmp_path) == Revision(UNKNOWN)
    assert not revision(tmp_path).known
