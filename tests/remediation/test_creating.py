"""A ServiceAccount that is named and missing: created by its name, once a person has agreed."""

from typing import Any

import msgspec
import pytest

from incidents.changes import ChangeState
from incidents.objects import SERVICE_ACCOUNT
from incidents.policy import Answer
from playbooks.edits import created
from remediation import Attempt
from remediation.undo import UndoRefused
from tests.builders import proposal
from tests.remediation.conftest import NAMESPACE, Bench
from tests.remediation.scene import Scene, job, scene
from tests.remediation.test_approval import approve
from tools.cluster.transport import Transport

Object = dict[str, Any]


def stored(bench: Bench, method: str) -> int:
    return sum(1 for sent, dry, _ in bench.transport.sent if sent == method and not dry)


class TestCreating:
    """A ServiceAccount that is named and missing."""

    async def test_it_is_created_once_a_person_has_agreed_and_taken_back_while_it_is_as_it_was(
        self, bench: Bench
    ) -> None:
        at = await scene(bench, job())
        request = (await account(at)).request
        assert request is not None
        assert await bench.reader.list(SERVICE_ACCOUNT, NAMESPACE) == []
        assert await approve(bench, request)
        made = (await account(at)).change
        assert made is not None
        (there,) = await bench.reader.list(SERVICE_ACCOUNT, NAMESPACE)
        assert (there["metadata"]["name"], there["metadata"]["uid"]) == ("clerk", made.made)
        assert (await at.incident()).subject.uid == (await at.live())["metadata"]["uid"]
        assert (await at.road().undo(made)).state is ChangeState.UNDONE
        assert await bench.reader.list(SERVICE_ACCOUNT, NAMESPACE) == []

    async def test_what_is_there_by_now_is_not_created(self, bench: Bench) -> None:
        at = await scene(bench, job())
        await Transport.send(bench.transport, "POST", SERVICE_ACCOUNT.path(NAMESPACE), body=ACCOUNT)
        attempt = await account(at)
        assert (attempt.change, attempt.request, stored(bench, "POST")) == (None, None, 0)

    async def test_nobody_creates_what_the_evidence_does_not_show_to_be_missing(self, bench: Bench) -> None:
        at = await scene(bench, job())
        attempt = await account(at, listed=None)
        assert (attempt.verdict.answer, attempt.request) == (Answer.REFUSE, None)

    async def test_one_that_is_used_by_somebody_by_now_stays(self, bench: Bench) -> None:
        at = await scene(bench, job())
        request = (await account(at)).request
        assert request is not None
        assert await approve(bench, request)
        made = (await account(at)).change
        assert made is not None
        path = SERVICE_ACCOUNT.path(NAMESPACE, "clerk")
        body = {"imagePullSecrets": [{"name": "registry"}]}
        await Transport.send(bench.transport, "PATCH", path, body=body, content_type="application/merge-patch+json")
        with pytest.raises(UndoRefused, match="somebody else has changed it"):
            await at.road().undo(made)


ACCOUNT = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "clerk", "namespace": NAMESPACE}}


async def account(at: Scene, listed: tuple[Object, ...] | None = ()) -> Attempt:
    """Propose to create the ServiceAccount ``clerk``; ``listed``: those that the evidence shows."""
    target, action = created(SERVICE_ACCOUNT, NAMESPACE, "clerk")
    made = msgspec.structs.replace(proposal(target=target), action=action)
    objects = {} if listed is None else {SERVICE_ACCOUNT.kind: listed}
    evidence = msgspec.structs.replace(await at.evidence(), objects=objects)
    return await at.road().attempt(await at.incident(), made, evidence, round_number=1)
