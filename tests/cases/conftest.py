"""The recordings of one embedded cluster, made once for all tests of this folder, whichever process runs them."""

import asyncio
import fcntl
import os
from pathlib import Path

import pytest

from tests.cases.recordings import NAMES, Recordings, record
from tests.world import OUTSIDE


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Recordings:
    """Made by the first that asks, while the others wait: what a test does with one, it does with a copy."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "recordings"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "made").exists():
            _make(folder)
            (folder / "made").touch()
    return Recordings({name: (folder / f"{name}.json").read_bytes() for name in NAMES}, folder / "store.sqlite")


def _make(folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name in OUTSIDE:
            patch.delenv(name, raising=False)
        for name, content in asyncio.run(record(folder)).items():
            (folder / f"{name}.json").write_bytes(content)
