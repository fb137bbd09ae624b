"""Which side a check runs on, the client it gets, and the two ways in which a check may differ by side."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import pytest

from tests.control_plane.build import find_binaries

from .client import Api
from .differences import KNOWN_DIFFERENCES
from .kubectl import Kubectl
from .sides import Side, embedded_side, real_side

_HERE = Path(__file__).resolve().parent


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "only(side, reason): the check makes sense on that side alone, for that reason")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks what cannot run on a side and what is known to fail there."""
    mine = [item for item in items if isinstance(item, pytest.Function) and "side" in item.fixturenames]
    mine = [item for item in mine if _HERE in item.path.parents]
    for item in mine:
        _mark(item)
    if not any("::" in argument for argument in config.args):
        _refuse_stale_differences(mine)


def _mark(item: pytest.Function) -> None:
    side = item.callspec.params["side"]
    only = item.get_closest_marker("only")
    if only is not None and only.args[0] != side:
        item.add_marker(pytest.mark.skip(reason=f"{only.args[0]} side only: {only.kwargs['reason']}"))
    if side == "embedded" and (reason := KNOWN_DIFFERENCES.get(_key(item))):
        item.add_marker(pytest.mark.xfail(reason=reason, strict=True))


def _refuse_stale_differences(items: list[pytest.Function]) -> None:
    files = {item.path.stem for item in items}
    listed = {name for name in KNOWN_DIFFERENCES if name.partition("::")[0] in files}
    if stale := listed - {_key(item) for item in items}:
        raise pytest.UsageError(f"tests/conformance/differences.py names no check: {', '.join(sorted(stale))}")


def _key(item: pytest.Function) -> str:
    """`test_file::test_name[case]`, without the side."""
    name = item.name
    for side in ("embedded", "real"):
        name = name.replace(f"[{side}]", "").replace(f"[{side}-", "[").replace(f"-{side}]", "]")
    return f"{item.path.stem}::{name}"


@pytest.fixture(
    scope="session",
    params=[
        pytest.param("embedded", marks=pytest.mark.conformance),
        pytest.param("real", marks=pytest.mark.control_plane),
    ],
)
def side(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Side]:
    """A running cluster, one of either kind a session."""
    folder = tmp_path_factory.mktemp(request.param)
    with ExitStack() as stack:
        if request.param == "embedded":
            yield stack.enter_context(embedded_side(folder))
        else:
            yield stack.enter_context(real_side(request.getfixturevalue("control_plane"), folder))


@pytest.fixture
def api(side: Side) -> Iterator[Api]:
    """The client, in a namespace of its own that pods can be made in; deleted afterwards without waiting."""
    found = Api(side, f"check-{uuid4().hex[:8]}")
    path = "/api/v1/namespaces"
    found.request("POST", path, {"metadata": {"name": found.namespace}}).ok()
    found.eventually(lambda: found.get("serviceaccounts", "default").code == 200)
    yield found
    found.request("DELETE", f"{path}/{found.namespace}")


@pytest.fixture(params=["of this release", "of another release"])
def kubectl(request: pytest.FixtureRequest, api: Api) -> Kubectl:
    """kubectl of the control plane's release, and whichever is on the PATH."""
    if request.param == "of this release":
        folder = find_binaries(os.environ)
        binary = None if folder is None else folder / "kubectl"
        reason = "no programs of a control plane here: run `make control-plane`"
    else:
        found = shutil.which("kubectl")
        binary = None if found is None else Path(found)
        reason = "no kubectl on the PATH"
    if binary is None:
        pytest.skip(reason)
    return Kubectl(api, binary)
