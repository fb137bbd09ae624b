"""What a JSON Patch looks like on the wire: as the API server itself would have spelled it."""

import json

import pytest
from aiohttp import web

from incidents.objects import ChangeId, ObjectRef, Uid
from tests.cluster.api_script import ApiScript
from tools.cluster.spelling import as_the_server_spells
from tools.cluster.transport import connect
from tools.cluster.writer import Writer

TARGET = ObjectRef(api_version="apps/v1", kind="Deployment", namespace="shop", name="web", uid=Uid("u"))


@pytest.mark.parametrize(
    ("value", "spelled"),
    [
        ("a && b > c < d", rb'"a \u0026\u0026 b \u003e c \u003c d"'),
        ("f\u00fcr \U0001f600", '"f\u00fcr \U0001f600"'.encode()),
        ("one\u2028two", rb'"one\u2028two"'),
        ('a\n\t"\\\x1b', rb'"a\n\t\"\\\u001b"'),
        ([1, True, None, {"a": 0.5}], b'[1,true,null,{"a":0.5}]'),
    ],
)
def test_json_is_spelled_as_go_spells_it(value: object, spelled: bytes) -> None:
    assert as_the_server_spells(json.dumps(value)) == spelled
    assert json.loads(spelled) == value


async def test_every_json_patch_goes_out_so() -> None:
    patch = [{"op": "test", "path": "/spec/command", "value": ["sh", "-c", "migrate && f\u00fcr"]}]
    bodies: list[bytes] = []

    async def heard(request: web.Request) -> web.StreamResponse:
        bodies.append(await request.read())
        return web.json_response({"kind": "Deployment"})

    async with ApiScript() as api:
        api.lists.append(heard)
        transport = await connect(user_agent="tests", kubeconfig=api.kubeconfig)
        try:
            await Writer(transport).apply(TARGET, patch, change=ChangeId("0000-change"))
        finally:
            await transport.aclose()
    assert bodies == [as_the_server_spells(json.dumps(patch))]
