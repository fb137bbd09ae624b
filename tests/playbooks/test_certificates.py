"""Certificates that an Ingress names and does not find: the one Secret that is meant, or a person who makes it."""

from typing import Any

import msgspec
import pytest

from evidence.redaction import mask_text
from incidents.allowed import ALLOWED, WITH_APPROVAL
from incidents.evidence import Evidence
from incidents.health import Finding, State
from incidents.pointers import matches
from incidents.proposals import Needs, Opinion, SetField, Silent
from incidents.symptoms import Symptom
from playbooks.certificates import TLS
from playbooks.service import consider
from tests.builders import NOW, evidence
from tests.playbooks.test_routes import NAME, edits, ingress, lost, service

Object = dict[str, Any]
PAIR = ("tls.crt", "tls.key")


def secret(name: str, kind: str = TLS, *, keys: tuple[str, ...] = PAIR, **metadata: Any) -> Object:
    return {"kind": "Secret", "metadata": {"name": name, **metadata}, "type": kind, "data": dict.fromkeys(keys, "")}


def serving(*names: str, name: str = "front", annotations: dict[str, str] | None = None) -> Object:
    tls = [{"hosts": [f"{number}.example"], "secretName": one} for number, one in enumerate(names)]
    found = ingress("web", name=name, tls=tls)
    return {**found, "metadata": {**found["metadata"], "annotations": annotations or {}}}


def without(found: Object, *secrets: Object, missing: tuple[str, ...] = ("Secret/katalog",)) -> Evidence:
    taken = lost(found, service("web"))
    snapshot = msgspec.structs.replace(taken.snapshot, missing=missing)
    return evidence(snapshot, objects={**taken.objects, "Secret": secrets})


def handed_over(taken: Evidence) -> Silent:
    answer = consider(taken, ())
    assert isinstance(answer, Silent), answer
    return answer


def test_every_entry_with_the_misspelt_name_is_corrected_and_no_other() -> None:
    taken = without(serving("katalog", "orders", "katalog"), secret("catalog"), secret("orders"))
    assert edits(taken) == (
        SetField(path="/spec/tls/0/secretName", expected="katalog", value="catalog"),
        SetField(path="/spec/tls/2/secretName", expected="katalog", value="catalog"),
    )


def test_two_slips_are_corrected_together() -> None:
    both = ("Secret/katalog", "Secret/odrers")
    taken = without(serving("katalog", "odrers"), secret("catalog"), secret("orders"), missing=both)
    assert [edit.value for edit in edits(taken)] == ["catalog", "orders"]
    half = without(serving("katalog", "odrers"), secret("catalog"), missing=both)
    assert "no one TLS Secret" in handed_over(half).because


def test_a_service_and_a_certificate_are_corrected_in_one_change_or_not_at_all() -> None:
    both, tls = ("Service/wbe-shop", "Secret/katalog"), [{"hosts": ["a.example"], "secretName": "katalog"}]
    taken = lost(ingress("wbe-shop", tls=tls), service("web-shop"))
    snapshot = msgspec.structs.replace(taken.snapshot, missing=both)
    whole = evidence(snapshot, objects={**taken.objects, "Secret": [secret("catalog")]})
    assert [edit.path for edit in edits(whole)] == ["/spec/tls/0/secretName", NAME]
    handed_over(evidence(snapshot, objects={**taken.objects, "Secret": []}))


@pytest.mark.parametrize(
    ("found", "secrets"),
    [
        (serving("katalog"), [secret("orders")]),
        (serving("katalog"), [secret("catalog"), secret("katalogs")]),
        (serving("katalog"), [secret("catalog"), secret("katalogs", "Opaque")]),
        (serving("katalog"), [secret("catalog", "Opaque")]),
        (serving("katalog"), [secret("catalog", keys=("tls.crt",))]),
        (serving("katalog"), [secret("catalog", deletionTimestamp="2026-01-01T00:00:00Z")]),
        (serving("katalog", name="katalog"), [secret("catalog")]),
    ],
    ids=["nothing like it", "two near", "another that would do", "opaque", "half", "leaving", "said twice"],
)
def test_what_is_not_certain_to_be_meant_is_told_with_the_command(found: Object, secrets: list[Object]) -> None:
    told = handed_over(without(found, *secrets)).diagnosis
    assert told is not None
    assert "there is no Secret katalog, with which it is to serve 0.example" in told.cause
    command = "kubectl -n shop create secret tls katalog --cert=tls.crt --key=tls.key"
    assert told.by_hand[1:] == (command,)
    assert "0.example" in told.by_hand[0]


@pytest.mark.parametrize(
    "annotations",
    [{"cert-manager.io/cluster-issuer": "le"}, {"acme.cert-manager.io/x": "y"}, {"kubernetes.io/tls-acme": "true"}],
    ids=str,
)
def test_a_certificate_that_somebody_is_asked_to_make_is_left_to_them(annotations: dict[str, str]) -> None:
    answer = handed_over(without(serving("katalog", annotations=annotations), secret("catalog")))
    assert "asked by its annotations" in answer.because
    assert answer.diagnosis is not None
    assert answer.diagnosis.by_hand == ()


def test_a_certificate_that_a_controller_is_at_work_on_is_left_to_it() -> None:
    owner = {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "name": "katalog",
        "uid": "u",
        "controller": True,
    }
    key = secret("katalog-x7k2p", "Opaque", keys=("tls.key",), ownerReferences=[owner])
    assert "Certificate katalog is at work" in handed_over(without(serving("katalog"), secret("catalog"), key)).because
    other = secret("shop-x7k2p", "Opaque", keys=("tls.key",), labels={"cert-manager.io/next-private-key": "true"})
    assert "is at work" in handed_over(without(serving("katalog"), secret("catalog"), other)).because


def test_a_service_is_corrected_while_a_certificate_is_awaited() -> None:
    both, tls = ("Service/wbe-shop", "Secret/katalog"), [{"hosts": ["a.example"], "secretName": "katalog"}]
    asked = ingress("wbe-shop", tls=tls)
    metadata = {**asked["metadata"], "annotations": {"cert-manager.io/cluster-issuer": "le"}}
    taken = lost({**asked, "metadata": {**metadata, "creationTimestamp": NOW.isoformat()}}, service("web-shop"))
    snapshot = msgspec.structs.replace(taken.snapshot, missing=both)
    waiting = Finding(Symptom.SELECTS_NOTHING, "it sends to Service wbe-shop: there is none")
    whole = evidence(snapshot, objects={**taken.objects, "Secret": []})
    health = msgspec.structs.replace(whole.health, state=State.FAILING, findings=(waiting,))
    assert [edit.path for edit in edits(msgspec.structs.replace(whole, health=health))] == [NAME]


def test_a_certificate_whose_name_reads_like_a_secret_is_missed_as_any_other() -> None:
    taken = without(serving("sk-webshpo-tls"), secret("sk-webshop-tls"), missing=("Secret/sk-webshpo-tls",))
    masked = [msgspec.structs.replace(one, detail=mask_text(one.detail)) for one in taken.health.findings]
    assert not any("sk-webshpo-tls" in one.detail for one in masked)
    health = msgspec.structs.replace(taken.health, findings=tuple(masked))
    assert [edit.value for edit in edits(msgspec.structs.replace(taken, health=health))] == ["sk-webshop-tls"]


def test_a_secret_that_lacks_a_key_or_has_come_meanwhile_is_no_slip() -> None:
    half = without(serving("katalog"), secret("catalog"), secret("katalog"), missing=("Secret/katalog/tls.key",))
    assert "holds no certificate" in handed_over(half).because
    come = without(serving("katalog"), secret("catalog"), secret("katalog"))
    assert "there by now" in handed_over(come).because


def test_the_secrets_have_to_be_listed_first_and_what_cannot_be_read_is_told() -> None:
    taken = without(serving("katalog"))
    unasked = {kind: items for kind, items in taken.objects.items() if kind != "Secret"}
    assert isinstance(consider(evidence(taken.snapshot, objects=unasked), ()), Needs)
    assert "cannot be read" in handed_over(msgspec.structs.replace(taken, objects=unasked)).because


def test_the_change_ends_what_the_sweep_has_found() -> None:
    answer = consider(without(serving("katalog"), secret("catalog")), ())
    assert isinstance(answer, Opinion)
    assert answer.proposal.ends == "selects-nothing"
    assert answer.proposal.reason == "serve with Secret catalog in place of katalog"


@pytest.mark.parametrize("pointer", ["/spec/tls/0/secretName", "/spec/tls/0/hosts/0", "/spec/tls/0", "/spec/tls"])
def test_nothing_of_its_certificates_is_changed_without_a_person(pointer: str) -> None:
    assert not any(matches(pointer, pattern) for pattern in ALLOWED["Ingress"])
    assert pointer == "/spec/tls" or any(matches(pointer, pattern) for pattern in WITH_APPROVAL["Ingress"])
