"""Autoscalers that do not scale: a target misspelt, a share of a request that is not there, two of one workload.

Rules: pkg/controller/podautoscaler (``FailedGetScale``, ``missing request for cpu``, ``AmbiguousSelector``). The target
is corrected to the one workload like it that no other autoscaler scales; a missing request is added where its limit
says how much, or what its pods use does (``playbooks/measured.py``); else a person is asked, for a request out of the
air would have the autoscaler run to one of its bounds. What two autoscalers want, and a metric that nobody serves, are
for a person.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from incidents.evidence import Evidence
from incidents.incident import Round
from incidents.objects import AUTOSCALER, Manifest
from incidents.proposals import Diagnosis, Needs, Opinion, SetField, Silent
from incidents.quantities import format_millis
from incidents.symptoms import Symptom
from playbooks.confidence import CERTAIN, LIKELY, ONLY_ONE_FITS, SUGGESTED
from playbooks.edits import named, opinion, wanting
from playbooks.measured import Sizing, share_of, sized, wanting_use
from playbooks.neighbours import nearest

FAMILY = "autoscaling"
SYMPTOMS = (Symptom.AUTOSCALER_INACTIVE,)
SUBJECTS = ("Deployment", "StatefulSet", AUTOSCALER.kind)

_NO_REQUEST = re.compile(r"missing request for (?P<what>cpu|memory)(?: in container (?P<container>[a-z0-9-]+))?")
_NO_TARGET = re.compile(r"not found")
_NO_SERVER = re.compile(r"resource metrics API: the server (could not find the requested resource|is currently unable)")


def consider(evidence: Evidence, rounds: Sequence[Round]) -> Silent | Needs | Opinion:
    """An opinion on the first autoscaler that does not scale."""
    said = [found.detail for found in evidence.health.findings if found.symptom is Symptom.AUTOSCALER_INACTIVE]
    if not said:
        return Silent("no autoscaler is inactive")
    text = said[0]
    if evidence.subject.kind == AUTOSCALER.kind:
        return _target(evidence, text)
    if needs := wanting(evidence, AUTOSCALER.kind):
        return needs
    ours = sorted(item["metadata"]["name"] for item in evidence.listed(AUTOSCALER.kind) or () if _of(item, evidence))
    if len(ours) > 1:
        cause = f"{len(ours)} autoscalers scale {evidence.subject.name}: {', '.join(ours)}"
        return Silent("which of them is meant is for a person to say", _told(cause, text, 0.95))
    if match := _NO_REQUEST.search(text):
        return _request(evidence, match, text, named(evidence.listed(AUTOSCALER.kind), *ours) if ours else None)
    nobody = "the cluster serves no metrics of resources (metrics.k8s.io); " if _NO_SERVER.search(text) else ""
    told = _told(f"{nobody}it gets no metric: {text[:240]}", text, 0.9)
    return Silent("the metric is not the workload's to serve", told)


def _told(cause: str, said: str, confidence: float) -> Diagnosis:
    return Diagnosis(family=FAMILY, cause=cause, confidence=confidence, rests_on=(said[:300],))


def _of(autoscaler: Manifest, evidence: Evidence) -> bool:
    target = autoscaler.get("spec", {}).get("scaleTargetRef") or {}
    return (target.get("kind"), target.get("name")) == (evidence.subject.kind, evidence.subject.name)


def _target(evidence: Evidence, said: str) -> Silent | Needs | Opinion:
    """A target that is not there: the one workload of its kind with a name like it that nobody scales yet."""
    target = evidence.snapshot.workload.get("spec", {}).get("scaleTargetRef") or {}
    kind, wrong = str(target.get("kind")), str(target.get("name"))
    if kind not in ("Deployment", "StatefulSet") or not _NO_TARGET.search(said):
        return Silent("its target is there", _told(f"it does not scale: {said[:240]}", said, 0.8))
    if needs := wanting(evidence, kind, AUTOSCALER.kind):
        return needs
    cause = f"there is no {kind} {wrong} to scale"
    if evidence.listed(kind) is None or evidence.listed(AUTOSCALER.kind) is None:
        return Silent("what could be scaled cannot all be read", _told(cause, said, 0.9))
    there = {item["metadata"]["name"] for item in evidence.listed(kind) or ()}
    scaled = {
        other.get("name")
        for item in evidence.listed(AUTOSCALER.kind) or ()
        if (other := item.get("spec", {}).get("scaleTargetRef") or {}).get("kind") == kind
    }
    meant = nearest(wrong, there) if wrong != evidence.subject.name else None  # said twice, it is no slip
    if meant is None or meant in scaled or wrong in there:
        return Silent(f"there is no one {kind} that can have been meant", _told(cause, said, 0.9))
    return opinion(
        evidence,
        SetField(path="/spec/scaleTargetRef/name", expected=wrong, value=meant),
        family=FAMILY,
        cause=cause,
        rests_on=(said[:240], f"{meant} is the one {kind} with a name like it, and no autoscaler scales it"),
        ends=Symptom.AUTOSCALER_INACTIVE,
        reason=f"scale {meant} in place of {wrong}",
        confidence=ONLY_ONE_FITS,
    )


def _request(
    evidence: Evidence, match: re.Match[str], said: str, autoscaler: Manifest | None
) -> Silent | Needs | Opinion:
    """A request for what the autoscaler measures, in each container that makes none."""
    what, share = match["what"], share_of(autoscaler)
    lacking = [one for one in evidence.containers if what not in ((one.get("resources") or {}).get("requests") or {})]
    cause = f"no request for {what} of which its autoscaler could take a share"
    if (blamed := match["container"]) and all(one.get("name") != blamed for one in lacking):
        cause = f"container {blamed}, which is none of its template, makes no request for {what}"
        return Silent("what somebody adds to its pods is not changed here", _told(cause, said, 0.9))
    limits = {str(one.get("name")): ((one.get("resources") or {}).get("limits") or {}).get(what) for one in lacking}
    unsaid = [name for name, limit in limits.items() if limit is None]
    if not lacking or (what == "memory" and unsaid):
        return Silent(f"nothing says how much {what} it needs", _told(cause, said, 0.9))
    if unsaid and (needs := wanting_use(evidence)):
        return needs
    sizing = sized(evidence, share, unsaid) if unsaid else Sizing(sizes={})
    sizes = {name: str(limit or format_millis(sizing.sizes[name])) for name, limit in limits.items()}
    reason = "let " + ", ".join(f"{name} ask for {size} {what}" for name, size in sizes.items())
    return opinion(
        evidence,
        *(
            SetField(path=f"{evidence.container_path(name)}/resources/requests/{what}", expected=None, value=size)
            for name, size in sizes.items()
        ),
        family=FAMILY,
        cause=cause,
        rests_on=(said[:240], *filter(None, (sizing.rests_on, sizing.doubt))),
        ends=Symptom.AUTOSCALER_INACTIVE,
        reason=f"{reason}; {sizing.doubt}" if sizing.doubt else reason,
        confidence=SUGGESTED if sizing.doubt else LIKELY if unsaid else CERTAIN,
    )
