"""Embedded clusters as pytest fixtures, for tests of anything that talks to a Kubernetes API.

`embedded_cluster` is one for each test (it starts in well under a second), `embedded_cluster_session` one for the
whole run: share that one only if each test keeps to a namespace of its own. What a test asks of its cluster stands in
its marker, what all of them ask in the ini file:

    @pytest.mark.embedded_cluster(nodes=5, rbac=True)
    def test_spreads_over_five_nodes(embedded_cluster): ...

    [pytest]
    embedded_cluster_speed = 50

This module is loaded by every pytest run in whose environment it is installed, so it imports nothing but pytest; the
cluster is imported by the first test that asks for one.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from simulator.cluster import EmbeddedCluster

_MARKER = "embedded_cluster"
_OPTIONS = {"nodes": int, "speed": float, "seed": int, "rbac": bool}
_NODES, _SPEED = "1", "20"  # one node starts soonest; at 20 times real speed an image is pulled in no time


def pytest_addoption(parser: pytest.Parser) -> None:
    """The two settings that a whole suite shares."""
    parser.addini("embedded_cluster_nodes", "nodes of an embedded cluster, if its marker does not say", default=_NODES)
    parser.addini("embedded_cluster_speed", "how many times faster than real time it runs", default=_SPEED)


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, for those who run with strict markers."""
    names = ", ".join(_OPTIONS)
    config.addinivalue_line("markers", f"{_MARKER}({names}): what a test asks of its embedded cluster")


@pytest.fixture
def embedded_cluster(request: pytest.FixtureRequest) -> Iterator["EmbeddedCluster"]:
    """A running cluster that nobody else has seen, gone with the test."""
    marker = request.node.get_closest_marker(_MARKER)
    options = _defaults(request.config) | (_stated(marker) if marker is not None else {})
    yield from _running(options)


@pytest.fixture(scope="session")
def embedded_cluster_session(request: pytest.FixtureRequest) -> Iterator["EmbeddedCluster"]:
    """One running cluster for the whole run; markers do not change it."""
    yield from _running(_defaults(request.config))


def _running(options: dict[str, Any]) -> Iterator["EmbeddedCluster"]:
    from simulator.cluster import EmbeddedCluster

    with EmbeddedCluster(**options) as cluster:
        yield cluster


def _defaults(config: pytest.Config) -> dict[str, Any]:
    return {name: _number(config, name) for name in ("nodes", "speed")}


def _number(config: pytest.Config, name: str) -> Any:
    field = f"{_MARKER}_{name}"
    text = config.getini(field)
    try:
        return _OPTIONS[name](text)
    except ValueError:
        raise pytest.UsageError(f"{field} = {text} in the ini file must be a number") from None


def _stated(marker: pytest.Mark) -> dict[str, Any]:
    if marker.args:
        raise pytest.UsageError(f"@pytest.mark.{_MARKER} takes options by name only, such as nodes=3")
    for name in marker.kwargs:
        if name not in _OPTIONS:
            raise pytest.UsageError(f"@pytest.mark.{_MARKER} has no option {name!r}; there are {', '.join(_OPTIONS)}")
    return dict(marker.kwargs)
