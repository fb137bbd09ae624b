"""What must be true of what the daemon deletes, whether to make it anew or to clear the way for a controller.

Told by what the API server had there before each deletion and was sent afterwards, and by what stands at the end. At
the end there is always one of two: the corrected object, or the original as it was.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from incidents.changes import Change, ChangeState
from simulator.api_client import ApiClient, ApiError
from simulator.pointers import differences, matches
from simulator.scenario import Scenario
from tests.kill.proxy import Seen

_ASSIGNED = ("nodeName",)  # of a Pod's spec: by the scheduler, to each one anew
_TOKEN = re.compile(r"\bkube-api-access-\w+")  # the volume that admission gives each Pod, of another name each time


def put_back_before_it_was_made(changes: Sequence[Change], seen: Sequence[Seen]) -> set[str]:
    """The changes of which nothing but the deletion came about, and the original after it: a way back all the same."""
    return {
        change.id
        for change in changes
        if change.state is ChangeState.UNDONE
        and any(one.landed and one.change == change.id and one.removes == change.target.uid for one in seen)
        and any(one.landed and one.change == change.id and one.takes_back for one in seen)
    }


def wrongly_deleted(changes: Sequence[Change], seen: Sequence[Seen], *, fewest: int) -> Iterator[str]:
    """What was deleted twice, was at work when it was, or for a change that is said to have done nothing.

    ``fewest``: how many deletions there are at least, in a story that is about them.
    """
    deletions = [one for one in seen if one.landed and one.removes]
    if len(deletions) < fewest:
        yield f"{len(deletions)} objects were deleted, not {fewest} or more"
    for uid, times in Counter(one.removes for one in deletions).items():
        if times > 1:
            yield f"{uid} was deleted {times} times"
    states = {str(change.id): change.state for change in changes}
    for one in deletions:
        if one.stood is not None and _is_ready(one.stood):
            yield f"{one.path} was ready when it was deleted"
        if states.get(one.change) in (None, ChangeState.ABANDONED):
            yield f"{one.path} was deleted for change {one.change}, which is {states.get(one.change)}"


async def wrongly_there(admin: ApiClient, scenario: Scenario, promised: ChangeState, seen: Sequence[Seen]) -> list[str]:
    """What is not there at the end of all that was created, or is not what it has to be.

    Where the change has ended well that is the original but for what the scenario allows, else the original itself.
    """
    wrong = []
    for path, original in _created_again(seen).items():
        try:
            live = await admin.request("GET", path)
        except ApiError as error:
            wrong.append(f"{path}: neither the original nor the corrected one is there: {error}")
            continue
        wrong += [f"{path} {fault}" for fault in _differing(original, live, scenario, promised)]
    return wrong


def _differing(
    original: Mapping[str, Any], live: Mapping[str, Any], scenario: Scenario, promised: ChangeState
) -> Iterator[str]:
    meant = [where for item in scenario.allow if item.kind == original["kind"] for where in item.paths]
    allowed = [] if promised is ChangeState.UNDONE else meant
    others = sorted(set(differences(_spec(original), _spec(live), "/spec")))
    corrected = [one for one in others if any(matches(one, pattern) for pattern in allowed)]
    if allowed and not corrected:
        yield "is the original, and was not corrected"
    yield from (f"has another {one} than it had" for one in others if one not in corrected)


def _created_again(seen: Sequence[Seen]) -> Mapping[str, Mapping[str, Any]]:
    """By path, the first that was deleted there of what the daemon has created since."""
    created = {one.path for one in seen if one.landed and one.method == "POST"}
    first: dict[str, Mapping[str, Any]] = {}
    for one in seen:
        if one.landed and one.removes and one.stood is not None and one.path.rpartition("/")[0] in created:
            first.setdefault(one.path, one.stood)
    return first


def _spec(manifest: Mapping[str, Any]) -> dict[str, Any]:
    text = _TOKEN.sub("kube-api-access", json.dumps(manifest["spec"]))
    return {key: value for key, value in json.loads(text).items() if key not in _ASSIGNED}


def _is_ready(manifest: Mapping[str, Any]) -> bool:
    conditions = (manifest.get("status") or {}).get("conditions") or ()
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)
