"""A namespace of its own for each test on the session's control plane, and which scenarios this session plays."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest

from simulator.scenario import load_scenarios
from tests.prove.sample import SEED_SETTING, one_per_family, seed

from .harness import ControlPlane


def pytest_report_header() -> str:
    """How to repeat this session's draw."""
    drawn = one_per_family(load_scenarios(), seed=seed())
    return f"scenarios: {SEED_SETTING}={seed()} draws {', '.join(item.name for item in drawn)}"


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """A fresh namespace; deleted afterwards, without waiting for its content to be gone."""
    name = f"test-{uuid4().hex[:8]}"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    control_plane.request("POST", "/api/v1/namespaces", body).raise_for_status()
    yield name
    control_plane.request("DELETE", f"/api/v1/namespaces/{name}").raise_for_status()
