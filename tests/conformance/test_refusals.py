"""What a wrong patch or a typing error is told, and what is stored all the same: every case of `refusals/`."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from .client import MERGE, STRATEGIC, Answer, Api
from .expectations import REASONS, causes
from .refused import Refusal, refusals
from .sides import Side

CASES = refusals()
NEW = {name: case for name, case in CASES.items() if case.patch is None}
CHANGED = {name: case for name, case in CASES.items() if case.patch is not None}


@pytest.fixture(scope="module")
def dry(side: Side) -> Iterator[Api]:
    """A namespace for all dry runs: they leave nothing behind."""
    found, path = Api(side, "checks"), "/api/v1/namespaces"
    found.request("POST", path, {"metadata": {"name": found.namespace}}).ok()
    found.eventually(lambda: found.get("serviceaccounts", "default").code == 200)
    yield found
    found.request("DELETE", f"{path}/{found.namespace}")


def _path(api: Api, case: Refusal, name: str = "") -> str:
    if not case.root:
        return api.at(case.resource, name)
    return "/".join([case.root, case.resource, *([name] if name else [])])


def _expect(answer: Answer, case: Refusal) -> None:
    if case.code == 200:
        assert answer.code in (200, 201), answer.body
        assert re.findall(r'299 - "((?:[^"\\]|\\.)*)"', answer.warnings) == [
            text.replace('"', '\\"') for text in case.warns
        ]
        return
    assert answer.code == case.code, answer.body
    assert answer.body["message"] == case.message
    assert answer.body["reason"] == REASONS[case.code]
    assert list(dict.fromkeys(causes(answer))) == list(dict.fromkeys(case.causes))


@pytest.mark.parametrize("case", NEW.values(), ids=NEW)
def test_a_new_object_is_told_what_is_wrong(dry: Api, case: Refusal) -> None:
    _expect(dry.request("POST", _path(dry, case), case.body, query={"dryRun": "All"}), case)


@pytest.mark.parametrize("case", CHANGED.values(), ids=CHANGED)
def test_a_change_is_told_what_is_wrong(api: Api, case: Refusal) -> None:
    api.request("POST", _path(api, case), case.body).ok()
    path = _path(api, case, case.body["metadata"]["name"])
    kind = STRATEGIC if case.strategic else MERGE
    answer = api.request("PATCH", path, case.patch, content_type=kind, query={"dryRun": "All"})
    api.request("DELETE", path, {"propagationPolicy": "Background"})
    _expect(answer, case)
