"""Stores for the conformance suite."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.builders import signal, subject
from tests.store.places import PLACES, Place
from tools.store import Store


@pytest.fixture(params=sorted(PLACES))
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return PLACES[request.param](tmp_path)


@pytest.fixture
async def store(place: Place) -> AsyncIterator[Store]:
    async with place.open() as opened:
        yield opened


@pytest.fixture
async def other(place: Place, store: Store) -> AsyncIterator[Store]:
    """The same store, as another process has it."""
    async with place.open() as opened:
        yield opened


@pytest.fixture
async def incident(store: Store) -> str:
    """The id of an incident that is open."""
    opened, _ = await store.open_or_join(subject(), signal())
    return opened.id
