"""The control plane of this test session, and a namespace of its own for each test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from uuid import uuid4

import pytest

from .build import FOLDER_SETTING, find_binaries, kubernetes_version
from .harness import ControlPlane


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Started once a session; its logs stay in pytest's own temporary folder. Builds nothing.

    Where the programs are missing the test is skipped, but fails under CI: there a skip would go unseen.
    """
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


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """A fresh namespace; deleted afterwards, without waiting for its content to be gone."""
    name = f"test-{uuid4().hex[:8]}"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    control_plane.request("POST", "/api/v1/namespaces", body).raise_for_status()
    yield name
    control_plane.request("DELETE", f"/api/v1/namespaces/{name}").raise_for_status()
