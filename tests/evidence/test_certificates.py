"""The Secrets that Ingresses name: listed with the optional role alone, once a namespace, and by key names alone."""

from typing import Any

import pytest

from evidence.certificates import Certificates
from evidence.sight import looking_through
from evidence.surroundings import read_ingress
from incidents.objects import INGRESS, SECRET, SERVICE, reference
from tests.builders import NOW
from tests.clocks import FakeClock
from tests.remediation.scripted import ScriptedCluster
from tests.scraper.seeing import thing
from tools.cluster.errors import Busy, ClusterError, Forbidden, ServerFailed
from tools.cluster.reader import Reader
from tools.cluster.transport import Query

Object = dict[str, Any]
VALUE = "c2hoaCE="


def secret(name: str, *keys: str) -> Object:
    return thing(SECRET, name, type="kubernetes.io/tls", data=dict.fromkeys(keys or ("tls.crt", "tls.key"), VALUE))


def door(*names: str) -> Object:
    return thing(INGRESS, "door", spec={"tls": [{"hosts": ["a.example"], "secretName": name} for name in names]})


class Asked(ScriptedCluster):
    """Tells what was asked of Secrets, and refuses that if it is to."""

    def __init__(self, *objects: Object, refuses: ClusterError | None = None) -> None:
        super().__init__(*objects)
        self.refuses = refuses
        self.lists: list[tuple[str, str]] = []

    async def send(self, method: str, path: str, *, query: Query | None = None, **rest: Any) -> bytes:
        if "/secrets" in path:
            self.lists.append((path, str((query or {}).get("fieldSelector"))))
            if self.refuses is not None:
                raise self.refuses
        return await super().send(method, path, query=query, **rest)


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        (["web"], ()),
        (["wbe", "web", "wbe"], ("Secret/wbe",)),
        (["half"], ("Secret/half/tls.key",)),
        (["neither"], ("Secret/neither/tls.crt", "Secret/neither/tls.key")),
        ([], ()),
    ],
)
async def test_what_is_not_there_is_named_with_the_keys_that_a_secret_lacks(
    names: list[str], missing: tuple[str, ...]
) -> None:
    cluster = Asked(secret("web"), secret("half", "tls.crt"), secret("neither", "password"))
    taken = await read_ingress(Reader(cluster, secret_keys=True), door(*names), now=NOW)
    assert taken.missing == missing
    assert VALUE not in repr(taken)
    assert len(cluster.lists) == bool(names), "nothing is listed for an Ingress that names no Secret"


async def test_without_the_optional_role_no_secret_is_asked_for_and_none_is_missed() -> None:
    cluster = Asked()
    taken = await read_ingress(Reader(cluster), door("web"), now=NOW)
    assert (taken.missing, cluster.lists) == ((), [])


async def test_a_namespace_is_listed_once_for_all_its_ingresses_and_without_the_releases_of_helm() -> None:
    cluster = Asked(secret("web"))
    certificates = Certificates(Reader(cluster, secret_keys=True))
    assert await certificates.missing(door("wbe")) == ("Secret/wbe",)
    assert await certificates.missing(door("web")) == ()
    ((path, fields),) = cluster.lists
    assert path == "/api/v1/namespaces/shop/secrets"
    assert "type!=helm.sh/release.v1" in fields
    assert not certificates.refused


async def test_what_may_not_be_listed_is_not_missing_and_is_asked_for_once() -> None:
    cluster = Asked(refuses=Forbidden("no", code=403))
    certificates = Certificates(Reader(cluster, secret_keys=True))
    assert [await certificates.missing(door("web")) for _ in range(2)] == [(), ()]
    assert certificates.refused
    assert len(cluster.lists) == 1


async def test_a_server_that_cannot_answer_now_is_not_asked_for_the_next_namespace() -> None:
    cluster = Asked(refuses=Busy("not now", code=503))
    certificates = Certificates(Reader(cluster, secret_keys=True))
    with pytest.raises(Busy):
        await certificates.missing(door("web"))
    elsewhere = door("web")
    elsewhere["metadata"]["namespace"] = "another"
    assert await certificates.missing(elsewhere) == ()
    assert (len(cluster.lists), certificates.refused) == (1, False)


UNREADABLE = ServerFailed("Internal error occurred: unable to transform key", code=500)


async def test_secrets_that_the_server_cannot_decrypt_are_unknown_and_stop_no_other_namespace() -> None:
    cluster = Asked(refuses=UNREADABLE)
    certificates = Certificates(Reader(cluster, secret_keys=True))
    elsewhere = door("web")
    elsewhere["metadata"]["namespace"] = "another"
    for one in (door("web"), elsewhere):
        with pytest.raises(ServerFailed):
            await certificates.missing(one)
    assert await certificates.missing(door("web")) == ()
    assert (len(cluster.lists), certificates.refused) == (2, False)


async def test_an_ingress_whose_certificates_cannot_be_read_is_not_well_and_what_else_it_lacks_is_told() -> None:
    reader, lost = Reader(Asked(thing(SERVICE, "front"), refuses=UNREADABLE), secret_keys=True), door("web")
    with pytest.raises(ServerFailed):
        await read_ingress(reader, door("web"), now=NOW)
    backend = {"service": {"name": "fornt", "port": {"number": 80}}}
    lost["spec"]["rules"] = [{"http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}]
    assert (await read_ingress(reader, lost, now=NOW)).missing == ("Service/fornt",)


@pytest.mark.parametrize("key", ["projectcontour.io/tls-cert-namespace", "alb.ingress.kubernetes.io/certificate-arn"])
async def test_a_certificate_that_is_served_from_elsewhere_is_not_missed(key: str) -> None:
    cluster, found = Asked(), door("web")
    found["metadata"]["annotations"] = {key: "x"}
    assert await Certificates(Reader(cluster, secret_keys=True)).missing(found) == ()
    assert cluster.lists == []


async def test_what_is_watched_after_a_change_is_judged_by_its_certificates_as_well() -> None:
    cluster = Asked(secret("web"), door("wbe"))
    async with looking_through(Reader(cluster, secret_keys=True), FakeClock())(reference(door("wbe"))) as sight:
        before = await sight.snapshot()
        cluster.serve(secret("web"), door("web"))
        after = await sight.snapshot()
    assert before is not None
    assert after is not None
    assert (before.missing, after.missing) == (("Secret/wbe",), ())
