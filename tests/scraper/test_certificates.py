"""Ingresses and their certificates in a sweep: judged where Secrets may be listed, and at no other kind's cost."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from incidents.incident import Outcome, Status
from incidents.objects import INGRESS, SECRET
from scraper.grace import Advice
from tests.scraper.seeing import seeing, thing
from tests.scraper.test_sweep import BLIND, SERVED, route
from tools.cluster.errors import Busy, ClusterError, Forbidden, ServerFailed
from tools.cluster.transport import Query

Object = dict[str, Any]


def door(name: str, service: str = "front", **spec: Any) -> Object:
    return {**route(service, **spec), "metadata": thing(INGRESS, name)["metadata"]}


@pytest.mark.parametrize("granted", [True, False])
async def test_an_ingress_is_judged_by_its_certificates_only_where_secrets_may_be_listed(
    tmp_path: Path, granted: bool
) -> None:
    doors = [door(name, tls=[{"secretName": secret}]) for name, secret in (("first", "tls"), ("second", "tsl"))]
    secret = thing(SECRET, "tls", type="kubernetes.io/tls", data={"tls.crt": "AAAA", "tls.key": "AAAA"})
    async with seeing(tmp_path, *doors, *SERVED, secret) as found:
        found.reader.secret_keys = granted
        assert await found.sweep() == granted
        listed = [path for _, path in found.cluster.requests if "secrets" in path]
        assert listed == ["/api/v1/namespaces/shop/secrets"] * granted, "once for both"
        assert [str(one.subject) for one in await found.incidents()] == ["ingress/second in shop"] * granted


UNREADABLE = ServerFailed("unable to transform key", code=500)
AWAY = Busy("not now", code=503)


@pytest.mark.parametrize("failure", [UNREADABLE, ClusterError("the list of secrets cannot be read")], ids=str)
async def test_an_ingress_is_judged_by_all_else_where_secrets_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: ClusterError
) -> None:
    one = door("b", "fornt", tls=[{"secretName": "tls"}])
    async with seeing(tmp_path, one, *SERVED, BLIND) as found:
        read = found.cluster.read

        async def refusing(path: str, query: Query | None = None) -> bytes:
            if path.endswith("/secrets"):
                raise failure
            return await read(path, query)

        monkeypatch.setattr(found.cluster, "read", refusing)
        found.reader.secret_keys = True
        assert await found.sweep() == 2
        assert {one.subject.name for one in await found.incidents()} == {"b", "web-scaler"}
        (incident,) = [one for one in await found.incidents() if one.subject.name == "b"]
        found.clock.advance(60)
        assert await found.grace.advise(incident) is Advice.WORK


@pytest.mark.parametrize("handed_over", [False, True])
async def test_what_lacks_a_certificate_is_not_let_go_because_secrets_cannot_be_read_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, handed_over: bool
) -> None:
    one = door("first", tls=[{"secretName": "tls"}])
    async with seeing(tmp_path, one, *SERVED) as found:
        found.reader.secret_keys = True
        await found.sweep()
        (incident,) = await found.incidents()
        if handed_over:
            left = msgspec.structs.replace(incident, status=Status.HANDED_OVER, outcome=Outcome.ESCALATED)
            await found.store.save_incident(left)
        read = found.cluster.read

        async def refusing(path: str, query: Query | None = None) -> bytes:
            if path.endswith("/secrets"):
                raise UNREADABLE
            return await read(path, query)

        monkeypatch.setattr(found.cluster, "read", refusing)
        for _ in range(3):
            found.clock.advance(3600)
            await found.sweep()
            if handed_over:
                await found.handed_over.review()
            else:
                with pytest.raises(ServerFailed):  # and whoever asked comes back
                    await found.grace.advise(incident)
        (present,) = await found.incidents()
        assert present.status is (Status.HANDED_OVER if handed_over else incident.status)


@pytest.mark.parametrize("refusal", [Forbidden("no", code=403), UNREADABLE, AWAY], ids=str)
async def test_secrets_that_cannot_be_listed_cost_the_judgement_of_certificates_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: ClusterError
) -> None:
    doors = [
        door("first", tls=[{"secretName": "tls"}]),
        door("second", tls=[{"secretName": "tls"}]),
        door("b", "fornt"),
    ]
    async with seeing(tmp_path, *doors, *SERVED, BLIND) as found:
        read, asked = found.cluster.read, list[str]()

        async def refusing(path: str, query: Query | None = None) -> bytes:
            if path.endswith("/secrets"):
                asked.append(path)
                raise refusal
            return await read(path, query)

        monkeypatch.setattr(found.cluster, "read", refusing)
        found.reader.secret_keys = True
        with capture_logs() as said:
            assert await found.sweep() == 2
        assert {one.subject.name for one in await found.incidents()} == {"b", "web-scaler"}
        warned = [line for line in said if (line["event"], line["log_level"]) == ("sweep.unread", "warning")]
        told = [["Secret"]] if isinstance(refusal, Forbidden) else []
        assert [line["kinds"] for line in warned] == told, "a server that cannot answer now is no missing right"
        assert len(asked) == 1
