"""Fixtures for the adapters: each neighbour as a loopback server that records what it was asked."""

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import stamina

sys.path.insert(0, str(Path(__file__).parent))  # whatever pytest's import mode, the servers beside this file are found

from loopback_servers import OpenAIServer, RegistryServer, SlackServer, TavilyServer


@pytest.fixture
async def tavily_server() -> AsyncIterator[TavilyServer]:
    async with TavilyServer() as server:
        yield server


@pytest.fixture
async def slack_server() -> AsyncIterator[SlackServer]:
    async with SlackServer() as server:
        yield server


@pytest.fixture
async def openai_server() -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer() as server:
        yield server


@pytest.fixture
async def registry_server() -> AsyncIterator[RegistryServer]:
    async with RegistryServer() as server:
        yield server


@pytest.fixture
def no_retry_waits() -> Iterator[None]:
    """Retries happen, their waits do not."""
    with stamina.set_testing(True, attempts=3, cap=True):
        yield
