"""The one control plane of a test session, for whichever tests ask for it; and logging as it was, after each test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import structlog

if TYPE_CHECKING:
    from tests.control_plane.harness import ControlPlane


@pytest.fixture(autouse=True)
def logging_of_its_own() -> Iterator[None]:
    """A command that is called in a test sets up logging for its process: to a stream that is closed with the test."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Started once a session; its logs stay in pytest's own temporary folder. Builds nothing.

    Where the programs are missing the test is skipped, but fails under CI: there a skip would go unseen.
    """
    from tests.control_plane.build import FOLDER_SETTING, find_binaries, kubernetes_version
    from tests.control_plane.harness import ControlPlane  # here: the fast tests need neither it nor what it imports

    binaries = find_binaries(os.environ)
    if binaries is None:
        reason = (
            f"no programs of Kubernetes {kubernetes_version()} here: run `make control-plane` (needs Go), "
            f"or set {FOLDER_SETTING} to a folder that has them"
        )
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with ControlPlane(binaries, folder=tmp_path_factory.mktemp("control-plane")) as running:
        yield running
