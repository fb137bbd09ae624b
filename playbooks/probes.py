"""Probes that ask the wrong thing of a container that works: wrong port, path, scheme or name, or too little patience.

Rules: pkg/kubelet/prober, pkg/probe/http (``HTTP probe failed with statuscode: %d``), pkg/util/intstr and pkg/probe for
named ports. A probe is corrected, never removed, and only in a template that has never been well: what asked the right
thing before has found something out. What the last good revision asked is the first choice; else the port that two
independent places name. Where nothing listens at all, or the program says itself that it is unwell, a person is told.
A program that is held at its CPU limit is not waited for any longer: its limit is what is wrong (``starved``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from incidents.evidence import Evidence, Want, WantKind
from incidents.incident import Round
from incidents.masking import is_masked
from incidents.objects import TEMPLATED
from incidents.patch import leaf_diff
from incidents.pointers import parts_of
from incidents.proposals import Diagnosis, Needs, Opinion, SetField, Silent
from playbooks.confidence import CERTAIN, SEEN_WELL, SUGGESTED
from playbooks.edits import opinion, wanting
from playbooks.failing_probes import REFUSED, SHOWN_BY, Failure, cause_of, failures, shown_by
from playbooks.last_good import basis, good_container, never_well
from playbooks.listening import certain_port, handler, named_by_two
from playbooks.neighbours import nearest
from playbooks.probe_paths import another_path
from playbooks.probe_times import Correction, longer_answer, longer_start, more_time
from playbooks.starved import held_at_limit, may_be_held

FAMILY = "probes"
SYMPTOMS = SHOWN_BY
SUBJECTS = TEMPLATED

_TLS = re.compile(r"client sent an HTTP request to an HTTPS server|malformed HTTP response \"\\x15\\x03")
_BAD_REQUEST = re.compile(r"statuscode: 400")
_PLAIN = re.compile(r"server gave HTTP response to HTTPS client|first record does not look like a TLS handshake")
_TLS_PORTS = frozenset({443, 8443, 6443, 9443})
_TOLD = 0.7


def consider(evidence: Evidence, rounds: Sequence[Round]) -> Silent | Needs | Opinion:
    """An opinion on the first probe that fails where the container itself does not."""
    failing = failures(evidence)
    if not failing:
        return Silent("no probe fails")
    failure = failing[0]
    told = Diagnosis(family=FAMILY, cause=cause_of(evidence, failure), confidence=_TOLD, rests_on=(failure.said[:200],))
    if not never_well(evidence):
        return Silent("it asked the same of a program that was well before", told)
    if failure.says_unwell:
        return Silent("the probe finds out what it is there for", told)
    if (before := _as_before(evidence, failure)) is not None:
        return _opinion(evidence, failure, before)
    if needs := wanting(evidence, "Service"):
        return needs
    at = evidence.container_path(failure.name)
    in_question = frozenset(one.probe for one in failing)
    found = (
        _another_scheme(evidence, failure, at)
        or _another_name(evidence, failure, at)
        or another_path(evidence, failure, at, in_question)
        or _another_port(evidence, failure, at, in_question)
        or _more_patience(evidence, failure, at)
    )
    if found is not None:
        return _opinion(evidence, failure, found)
    image = Want(WantKind.IMAGE_CONFIG, str(failure.container.get("image")))
    if REFUSED.search(failure.said) and not evidence.asked(image):
        return Needs((image,))  # what the image exposes is a place that names a port
    return Silent("nothing says for certain what the probe should ask", told)


def _more_patience(evidence: Evidence, failure: Failure, at: str) -> Correction | None:
    if held_at_limit(evidence, failure):
        return None
    found = (
        longer_answer(evidence, failure, at) or more_time(evidence, failure, at) or longer_start(evidence, failure, at)
    )
    if found is None or not may_be_held(evidence, failure):
        return found
    unknown = "it has a CPU limit, and what it uses of that is not known: the limit may be why"
    return msgspec.structs.replace(found, confidence=SUGGESTED, rests_on=(*found.rests_on, unknown))


def _opinion(evidence: Evidence, failure: Failure, found: Correction) -> Opinion:
    return opinion(
        evidence,
        found.edit,
        family=FAMILY,
        cause=cause_of(evidence, failure),
        rests_on=(failure.said[:200], *found.rests_on),
        ends=shown_by(evidence),
        reason=found.reason,
        confidence=found.confidence,
    )


def _as_before(evidence: Evidence, failure: Failure) -> Correction | None:
    """What the last good revision asked, where nothing but the probe can have broken it.

    A probe that ran a command is no better than one that asks the program itself.
    """
    before = good_container(evidence, failure.name)
    if before is None or evidence.last_good is None:
        return None
    old, now = before.get(failure.probe), failure.container.get(failure.probe)
    same_program = all(
        before.get(key) == failure.container.get(key) for key in ("image", "command", "args", "env", "envFrom")
    )
    if not old or old == now or not same_program or (old.get("exec") and failure.asks):
        return None
    if (edit := _put_back(f"{evidence.container_path(failure.name)}/{failure.probe}", now, old)) is None:
        return None
    return Correction(
        edit=edit,
        reason=f"ask again what the {failure.probe} of {failure.name} asked before",
        confidence=SEEN_WELL if edit.value is old else CERTAIN,
        rests_on=(f"{basis(evidence.last_good)}, with the same program and another {failure.probe}",),
    )


def _put_back(path: str, now: Any, old: Any) -> SetField | None:
    """The edit that puts a probe back; where something in it is masked, of the one field that differs and is not.

    What is masked may differ where it looks alike. That is for verification to find out: it is not written.
    """
    if not is_masked(now) and not is_masked(old):
        return SetField(path=path, expected=now, value=old)
    leaves = leaf_diff(now or {}, old)
    if len(leaves) != 1 or is_masked((leaves[0].before, leaves[0].after)):
        return None
    if any(part.isdecimal() for part in parts_of(leaves[0].pointer)):
        return None  # a word of a command, or a header: with what stands around it, it is masked or may be
    return SetField(path=path + leaves[0].pointer, expected=leaves[0].before, value=leaves[0].after)


def _another_scheme(evidence: Evidence, failure: Failure, at: str) -> Correction | None:
    asks = failure.present.get("httpGet")
    if not asks:
        return None
    now = asks.get("scheme") or "HTTP"
    if now == "HTTPS" and _PLAIN.search(failure.said):
        wanted, why = "HTTP", "the server itself says that it speaks HTTP"
    elif now == "HTTP" and _TLS.search(failure.said):
        wanted, why = "HTTPS", "the server itself answers with TLS"
    elif now == "HTTP" and _BAD_REQUEST.search(failure.said) and _named_for_tls(failure):
        wanted, why = "HTTPS", "it refuses every plain request, and its port is one for TLS"
    else:
        return None
    return Correction(
        edit=SetField(path=f"{at}/{failure.probe}/httpGet/scheme", expected=asks.get("scheme"), value=wanted),
        reason=f"ask over {wanted}",
        confidence=CERTAIN,
        rests_on=(why,),
    )


def _named_for_tls(failure: Failure) -> bool:
    """Whether the container's port is called https or tls, or is one that nobody uses for anything else."""
    names = [
        item.get("name") for item in failure.container.get("ports") or () if item.get("containerPort") == failure.port
    ]
    return failure.port in _TLS_PORTS or any(re.search(r"https|tls|ssl", str(name)) for name in names)


def _another_name(evidence: Evidence, failure: Failure, at: str) -> Correction | None:
    """A port by a name that the container does not have: the one like it, or its only one if another place has it."""
    asked = failure.asks.get("port")
    ports = {
        str(item["name"]): item.get("containerPort")
        for item in failure.container.get("ports") or ()
        if item.get("name")
    }
    if not isinstance(asked, str) or asked.isdecimal() or asked in ports:
        return None
    meant, places = nearest(asked, ports), ["the container names its ports", ", ".join(ports)]
    if meant is None and len(ports) == 1:
        (only,) = ports
        meant, places = only, named_by_two(evidence, failure.container, ports[only])
    return _port(failure, at, meant, places) if meant is not None and places else None


def _another_port(evidence: Evidence, failure: Failure, at: str, in_question: frozenset[str]) -> Correction | None:
    if failure.port is None or not REFUSED.search(failure.said):
        return None
    found = certain_port(evidence, failure.container, but=in_question, wrong=failure.port)
    return _port(failure, at, found[0], found[1]) if found is not None else None


def _port(failure: Failure, at: str, port: int | str, places: Sequence[str]) -> Correction | None:
    asked = next((key for key in ("httpGet", "tcpSocket", "grpc") if failure.present.get(key)), None)
    if asked is None or handler(failure.present).get("port") is None:
        return None
    return Correction(
        edit=SetField(path=f"{at}/{failure.probe}/{asked}/port", expected=failure.asks.get("port"), value=port),
        reason=f"ask port {port} in place of {failure.asks.get('port')}",
        confidence=CERTAIN,
        rests_on=tuple(places),
    )
