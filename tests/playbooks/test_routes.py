"""Ingresses that lead nowhere: the one Service or class that is meant, or a person."""

from typing import Any

import msgspec
import pytest

from incidents.evidence import Evidence
from incidents.proposals import Needs, Opinion, SetField, Silent
from incidents.snapshot import Snapshot
from playbooks.service import consider
from tests.builders import NOW, evidence, stamp

Object = dict[str, Any]
NAME = "/spec/rules/0/http/paths/0/backend/service/name"


def service(name: str, port: int = 80, **fields: Any) -> Object:
    return {"kind": "Service", "metadata": {"name": name}, "spec": {"ports": [{"port": port}], **fields}}


def ingress(
    *backends: str, port: Object | None = None, name: str = "front", host: str = "", path: str = "/", **spec: Any
) -> Object:
    paths = [{"path": path, "backend": {"service": {"name": one, "port": port or {"number": 80}}}} for one in backends]
    metadata = {"name": name, "namespace": "shop", "uid": "uid-in", "creationTimestamp": stamp(9000)}
    rules = [{"host": host, "http": {"paths": paths}}] if paths else []
    kind = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress"}
    return {**kind, "metadata": metadata, "spec": {"rules": rules, **spec}}


def lost(found: Object, *services: Object, missing: str = "Service/katalog", classes: tuple[str, ...] = ()) -> Evidence:
    taken = Snapshot(workload=found, missing=(missing,), read_at=NOW)
    listed = {"Service": services, "IngressClass": [{"metadata": {"name": one}} for one in classes]}
    return evidence(taken, objects=listed)


def edits(taken: Evidence) -> Any:
    answer = consider(taken, ())
    assert isinstance(answer, Opinion), answer
    return answer.proposal.action


def told(taken: Evidence) -> str:
    answer = consider(taken, ())
    assert isinstance(answer, Silent), answer
    assert answer.diagnosis is not None
    return answer.diagnosis.cause


def test_the_services_have_to_be_listed_first() -> None:
    taken = Snapshot(workload=ingress("katalog"), missing=("Service/katalog",), read_at=NOW)
    assert isinstance(consider(evidence(taken), ()), Needs)


def test_every_use_of_a_misspelt_service_is_corrected() -> None:
    taken = lost(ingress("katalog", "orders", "katalog"), service("catalog"), service("orders"))
    assert edits(taken) == (
        SetField(path=NAME, expected="katalog", value="catalog"),
        SetField(path=NAME.replace("paths/0", "paths/2"), expected="katalog", value="catalog"),
    )


@pytest.mark.parametrize(
    ("found", "services"),
    [
        (ingress("katalog"), [service("orders")]),
        (ingress("katalog"), [service("catalog", 8080)]),  # it does not have the port
        (ingress("katalog", port={"name": "http"}), [service("catalog")]),
        (ingress("katalog"), [service("catalog", type="ExternalName")]),
        (ingress("katalog", name="katalog"), [service("catalog")]),  # said twice
        (ingress("katalog-api", name="katalog"), [service("catalog-api")]),
        (ingress("katalog", host="katalog.example"), [service("catalog")]),
        (ingress("katalog", host="shop-katalog.example"), [service("catalog")]),
        (ingress("katalog-api", path="/v1/katalog"), [service("catalog-api")]),
        (ingress("katalog", "odrers"), [service("catalog"), service("orders")]),
        (ingress(defaultBackend={"service": {"name": "katalog", "port": {"number": 80}}}), [service("catalog")]),
        (ingress("katalog"), [service("catalog"), service("katalogs")]),
    ],
    ids=[
        "nothing like it",
        "port",
        "port name",
        "external",
        "twice",
        "longer name",
        "host",
        "host's part",
        "path",
        "two lost",
        "default",
        "two near",
    ],
)
def test_what_an_ingress_is_not_certain_to_mean_is_for_a_person(found: Object, services: list[Object]) -> None:
    assert "Service katalog" in told(lost(found, *services))


def test_services_that_cannot_be_read_are_not_missing() -> None:
    taken = lost(ingress("katalog"), service("catalog"))
    assert "katalog" in told(msgspec.structs.replace(taken, objects={"IngressClass": ()}))


def test_a_misspelt_class_is_the_one_like_it() -> None:
    found = ingress("web", ingressClassName="interanl")
    taken = lost(found, service("web"), missing="IngressClass/interanl", classes=("internal", "outside"))
    assert edits(taken) == (SetField(path="/spec/ingressClassName", expected="interanl", value="internal"),)
    nobody = lost(found, service("web"), missing="IngressClass/interanl", classes=("outside",))
    assert "IngressClass interanl" in told(nobody)
