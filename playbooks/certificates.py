"""Certificates that an Ingress names and that are not there: the one Secret that was meant, or a person who makes it.

Rules: networking.k8s.io/v1 (``spec.tls[].secretName`` is a Secret of the Ingress's own namespace, with ``tls.crt`` and
``tls.key``); what serves the Ingress falls back to a certificate of its own, and no event says so. A Secret is meant if
it is of type kubernetes.io/tls, and the wrong name a slip of its name and of no other. A name that the Ingress says
twice, or that somebody is asked to make a certificate under, is no slip. Nobody here knows what a Secret holds: that it
is to be served with is asked for and never done, and a person is told the command that makes one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

import msgspec

from incidents.evidence import Evidence
from incidents.object_health import certificate_is_made, hosts_of
from incidents.objects import SECRET, TLS_KEYS, Manifest, controller_of
from incidents.proposals import Diagnosis, Needs, Opinion, SetField, Silent
from incidents.symptoms import Symptom
from playbooks.by_hand import all_names, by_hand
from playbooks.confidence import CERTAIN
from playbooks.edits import named, opinion, wanting
from playbooks.neighbours import nearest

TLS = "kubernetes.io/tls"
_KEY = "cert-manager.io/next-private-key"
_HOST = re.compile(r"(\*\.)?[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_COMMANDS, _HOSTS = 3, 3  # told of one Ingress, and of one certificate


def is_missed(evidence: Evidence) -> bool:
    """Whether a certificate is among what the Ingress is not well for; one that is awaited is not, yet."""
    return any(found.lacks in evidence.snapshot.missing for found in evidence.health.findings if found.lacks)


def other_certificate(evidence: Evidence, told: Diagnosis, *, own: Collection[str]) -> Silent | Needs | Opinion:
    """An opinion on the certificates that are not there. ``own``: the names that the Ingress says of itself."""
    missed = [name.partition("/")[2] for name in evidence.snapshot.missing if name.startswith(f"{SECRET.kind}/")]
    absent = [name for name in missed if "/" not in name]
    if certificate_is_made(evidence.snapshot.workload):
        return Silent("whoever is asked by its annotations to make its certificates has not made them", told)
    told = msgspec.structs.replace(told, by_hand=_made_by_hand(evidence, absent))
    if len(absent) < len(missed):
        return Silent("a Secret that it names is there and holds no certificate", told)
    if needs := wanting(evidence, SECRET.kind):
        return needs
    there = evidence.listed(SECRET.kind)
    if there is None:
        return Silent("the Secrets of its namespace cannot be read", told)
    if any(named(there, name) is not None for name in absent):
        return Silent("a Secret that was missed is there by now", told)
    if maker := next((one for name in absent if (one := _at_work(name, there))), ""):
        return Silent(f"{maker} is at work on a certificate of that name", told)
    meant = {name: right for name in absent if name not in own and (right := _meant(name, there)) is not None}
    if not absent or len(meant) < len(absent):
        return Silent("there is no one TLS Secret that can have been meant", told)
    return _corrected(evidence, meant, told)


def _meant(wrong: str, there: Sequence[Manifest]) -> str | None:
    """The one TLS Secret with a name like it; others that would do as certificates may have been meant as well."""
    holding = [str(item["metadata"]["name"]) for item in there if (item.get("data") or {}).keys() >= {*TLS_KEYS}]
    name = nearest(wrong, holding)
    meant = named(there, name) if name is not None else None
    if meant is None or meant.get("type") != TLS or meant["metadata"].get("deletionTimestamp"):
        return None
    return name


def _at_work(wrong: str, there: Sequence[Manifest]) -> str:
    """Who is making a certificate here, or keeps a Secret whose name goes on from the wrong one.

    cert-manager keeps the key of a certificate that is being issued (pkg/controller/certificates/keymanager), under a
    label, and by a name that says nothing of the Secret's.
    """
    issued = next((item["metadata"]["name"] for item in there if _KEY in (item["metadata"].get("labels") or {})), "")
    if issued:
        return f"whoever has put the key {issued} there"
    kept = (item for item in there if str(item["metadata"]["name"]).startswith(f"{wrong}-"))
    owners = (controller_of(item) for item in kept)
    return next((f"{owner.get('kind')} {owner.get('name')}" for owner in owners if owner is not None), "")


def _corrected(evidence: Evidence, meant: dict[str, str], told: Diagnosis) -> Opinion:
    entries = (evidence.snapshot.workload.get("spec") or {}).get("tls") or ()
    named_at = [(index, str(one.get("secretName") or "")) for index, one in enumerate(entries)]
    said = [f"Secret {right} is the one of type {TLS} with a name like {wrong}" for wrong, right in meant.items()]
    return opinion(
        evidence,
        *(
            SetField(path=f"/spec/tls/{index}/secretName", expected=name, value=meant[name])
            for index, name in named_at
            if name in meant
        ),
        family=told.family,
        cause=told.cause,
        rests_on=(*told.rests_on, *said),
        ends=Symptom.SELECTS_NOTHING,
        reason="; ".join(f"serve with Secret {right} in place of {wrong}" for wrong, right in meant.items()),
        confidence=CERTAIN,
    )


def _made_by_hand(evidence: Evidence, absent: Sequence[str]) -> tuple[str, ...]:
    """How a person who has the certificates makes the Secrets; the files are theirs."""
    lines: tuple[str, ...] = ()
    for name in [name for name in absent if all_names((name,))][:_COMMANDS]:
        hosts = [host for host in hosts_of(evidence.snapshot.workload, name) if _HOST.fullmatch(host)][:_HOSTS]
        whose = f" of {', '.join(hosts)}" if hosts else ""
        lines += by_hand(
            f"makes Secret {name} of the certificate{whose} and its key, in the files tls.crt and tls.key",
            *("create", "secret", "tls", name, "--cert=tls.crt", "--key=tls.key"),
            namespace=evidence.subject.namespace,
        )
    return lines
