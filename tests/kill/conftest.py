"""An embedded cluster to play on, with nothing in it yet; and the shared world."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import pytest

from tests.kill.stages import embedded_stage
from tests.kill.stories import Stage
from tests.world import clean_environment, world

__all__ = ["clean_environment", "staging", "world"]

Staging = Callable[..., AbstractAsyncContextManager[Stage]]


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    """Opens the stage, at the speed that is asked for."""
    return partial(embedded_stage, tmp_path)
