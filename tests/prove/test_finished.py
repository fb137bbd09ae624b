"""Going on where an interrupted proof stopped, and never with results of something else."""

from pathlib import Path

import pytest

from .finished import Finished
from .killing import Killed, Killing
from .results import Side
from .revision import UNKNOWN, Revision
from .test_agreement import TYPO, result

HERE = Revision("abc", "")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of results of one revision."""
    path = tmp_path / "prove" / "results.json"
    Finished(HERE, path=path).add([result(), result("real", seconds=70.0)])
    return path


def ran(finished: Finished) -> set[Side]:
    sides: tuple[Side, ...] = ("embedded", "real")
    return {side for side in sides if finished.get(TYPO.name, side)}


def test_what_has_been_run_is_there_again(path: Path) -> None:
    finished = Finished(HERE, path=path)
    assert finished.get(TYPO.name, "real") == result("real", seconds=70.0)
    assert ran(finished) == {"embedded", "real"}


@pytest.mark.parametrize("other", [Revision("abd"), Revision("abc", "1f"), Revision(UNKNOWN)])
def test_another_commit_or_another_tree_begins_anew(path: Path, other: Revision) -> None:
    assert ran(Finished(other, path=path)) == set()


def test_without_a_known_revision_nothing_is_taken_up_again(tmp_path: Path) -> None:
    Finished(Revision(UNKNOWN), path=tmp_path / "results.json").add([result()])
    assert ran(Finished(Revision(UNKNOWN), path=tmp_path / "results.json")) == set()


def test_what_is_to_be_run_again_is_forgotten_side_by_side(path: Path) -> None:
    finished = Finished(HERE, path=path)
    finished.forget([TYPO.name], ["real"])
    assert ran(finished) == {"embedded"}


def test_a_file_that_cannot_be_read_is_as_none(path: Path) -> None:
    path.write_text('{"revision": "abc", "results": [{"scen')
    assert ran(Finished(HERE, path=path)) == set()
    path.write_text('{"revision": "abc", "results": [{"an": "older shape"}]}')
    assert ran(Finished(HERE, path=path)) == set()


def test_where_the_daemon_was_killed_is_there_again_until_it_is_to_be_killed_anew(path: Path) -> None:
    commits = Killing(side="real", story="repaired", at="commit", before=True)
    killed = Killed(killing=commits, places=31, wrong={}, seconds=9)
    Finished(HERE, path=path).add_killed(killed)
    again = Finished(HERE, path=path)
    assert again.killed == [killed]
    assert ran(again) == {"embedded", "real"}
    again.forget_killed()
    assert again.killed == []
    assert Finished(Revision("abd"), path=path).killed == []
