"""Pods that are refused when they are made: a name that is not there, or a number outside of what the namespace allows.

Rules: plugin/pkg/admission (limitranger, resourcequota, serviceaccount, priority, runtimeclass, podsecurity) and the
webhook's error. A ServiceAccount, PriorityClass or RuntimeClass is corrected to the one that is meant; that a workload
is to run as an account that is not its own by label or name, and that the last good revision did not run as, is asked.
A ServiceAccount like no other is to be created by its name, if a person agrees; requests and limits are moved just
inside of a LimitRange. What would need more quota, a looser rule or another webhook is for a person: those were set to
say no. Of these only the least that a quota would have to admit is worded as a command. Pod security and webhooks
protect others than whoever is refused: a command that lets something past them is never handed out, not even where
nobody is left to be asked, because it would let everything past.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from incidents.causes import EXPLAINS
from incidents.evidence import Evidence
from incidents.incident import Round
from incidents.objects import (
    DAEMON_SET,
    DEPLOYMENT,
    MUTATING_WEBHOOK,
    POD,
    QUOTA,
    SERVICE_ACCOUNT,
    STATEFUL_SET,
    TEMPLATED,
    VALIDATING_WEBHOOK,
    Manifest,
    named,
)
from incidents.proposals import Diagnosis, Needs, Opinion, RollBack, SetField, Silent
from incidents.symptoms import Symptom
from playbooks.belonging import BESIDE, all_seen, beside, is_only_ours, own_names, said_twice
from playbooks.confidence import ONLY_ONE_FITS, SEEN_WELL, SUGGESTED
from playbooks.edits import created, opinion, wanting
from playbooks.last_good import basis, good_value, may_roll_back, never_well
from playbooks.neighbours import nearest
from playbooks.quota import into_quota
from playbooks.raising import raise_quota
from playbooks.ranges import into_range
from playbooks.stepping_aside import one_fewer, within_a_quota

FAMILY = "admission"
SYMPTOMS = (Symptom.CREATE_FORBIDDEN, Symptom.QUOTA_EXHAUSTED, Symptom.WEBHOOK_FAILING)
_WEBHOOKS = (VALIDATING_WEBHOOK.kind, MUTATING_WEBHOOK.kind)
SUBJECTS = (*TEMPLATED, QUOTA.kind, *_WEBHOOKS)
_COUNTED = (DEPLOYMENT.kind, STATEFUL_SET.kind, DAEMON_SET.kind)  # of which it is known how many pods they lack

_ACCOUNT = re.compile(r'service account [^/\s]+/(?P<name>[a-z0-9.-]+): serviceaccount "[^"]+" not found')
_PRIORITY = re.compile(r"no PriorityClass with name (?P<name>\S+) was found")
_RUNTIME = re.compile(r'RuntimeClass "(?P<name>[^"]+)" not found', re.IGNORECASE)
_UNSAID = re.compile(r"failed quota: [^\n]+ must specify ")
_FOR_A_PERSON: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"exceeded quota: [^\n]+"), "the quota of the namespace is used up"),
    (re.compile(r"failed quota: [^\n]+"), "a quota demands that every container says what it needs"),
    (re.compile(r"violates PodSecurity [^\n]+"), "the namespace's pod security level forbids it"),
    (re.compile(r"failed calling webhook [^\n]+"), "an admission webhook cannot be called"),
    (re.compile(r"admission webhook \S+ denied the request[^\n]*"), "an admission webhook has refused it"),
    (re.compile(r"(maximum|minimum|max limit to request ratio)[^\n]+ usage per [^\n]+"), "a LimitRange forbids it"),
)


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """A field that names an object of a kind, and what the API server says when there is none."""

    kind: str
    field: str
    said: re.Pattern[str]
    also: str = ""  # a field that has to say the same


_NAMED = (
    Named(kind="ServiceAccount", field="serviceAccountName", said=_ACCOUNT, also="serviceAccount"),
    Named(kind="PriorityClass", field="priorityClassName", said=_PRIORITY),
    Named(kind="RuntimeClass", field="runtimeClassName", said=_RUNTIME),
)


def consider(evidence: Evidence, rounds: Sequence[Round]) -> Silent | Needs | Opinion:
    """An opinion on the first reason for which pods are not made."""
    if evidence.subject.kind == QUOTA.kind:
        return _quota(evidence)
    if evidence.subject.kind in _WEBHOOKS:
        return _webhook(evidence)
    said = "\n".join(f.detail for f in evidence.health.findings if f.symptom is Symptom.CREATE_FORBIDDEN)
    if not said:
        return Silent("its pods are made")
    heard = "\n".join((said, *_heard(evidence)))
    for field in _NAMED:
        if match := field.said.search(heard):
            return _other_name(evidence, field, wrong=match["name"], said=heard)
    if (ranged := into_range(evidence, said, FAMILY)) is not None:
        return ranged
    if _UNSAID.search(said):
        return into_quota(evidence, said, FAMILY)
    for pattern, cause in _FOR_A_PERSON:
        if match := pattern.search(heard):
            told = Diagnosis(
                family=FAMILY, cause=f"{cause}: {match.group(0)[:200]}", confidence=0.95, rests_on=(heard[:300],)
            )
            return Silent(f"{cause}; that is for a person to decide", told)
    return Silent("nobody here knows why", _told(heard[:200], heard))


def _heard(evidence: Evidence) -> list[str]:
    """What the controllers of StatefulSets, DaemonSets and Jobs say in events alone; whoever may write events can too.

    So it names what to look for among the objects that were listed, and moves no number.
    """
    about = f"{evidence.subject.kind}/{evidence.subject.name}"
    return [one.message for one in evidence.events if one.reason == "FailedCreate" and one.about == about]


def _quota(evidence: Evidence) -> Silent | Needs:
    """A quota that refuses pods: what of it is used up, by how much, and whether a rollout can do with less."""
    said = [found.detail for found in evidence.health.findings if found.symptom is Symptom.QUOTA_EXHAUSTED]
    if not said:
        return Silent("the quota refuses nothing")
    status = evidence.snapshot.workload.get("status", {})
    hard, used = status.get("hard") or {}, status.get("used") or {}
    state = ", ".join(f"{name} {used.get(name, '0')} of {most}" for name, most in sorted(hard.items()))
    cause = f"quota {evidence.subject.name} refuses pods; used: {state or 'unknown'}"
    if needs := wanting(evidence, *_COUNTED):
        return needs
    refused = _refused(evidence, said)
    if len(refused) == 1 and one_fewer(refused[0]) is not None and (needs := wanting(evidence, POD.kind)):
        return needs
    ways = (*raise_quota(evidence.snapshot.workload, refused), *within_a_quota(evidence, refused))
    told = msgspec.structs.replace(_told(cause, "; ".join(said)), by_hand=ways)
    return Silent("what a namespace may use is for a person to decide", told)


def _refused(evidence: Evidence, said: Sequence[str]) -> list[Manifest]:
    """All workloads that the quota keeps from their pods; none where one of them cannot be found."""
    namespace, known = evidence.subject.namespace, {}
    for kind in _COUNTED:
        for one in evidence.listed(kind) or ():
            known[EXPLAINS + named(kind, str(one["metadata"]["name"]), namespace)] = one
    explained = [line for line in said if line.startswith(EXPLAINS)]
    return [known[line] for line in explained] if all(line in known for line in explained) else []


def _webhook(evidence: Evidence) -> Silent:
    """A configuration of webhooks that keeps what is written from being stored: who is asked, and where."""
    said = [found.detail for found in evidence.health.findings if found.symptom is Symptom.WEBHOOK_FAILING]
    if not said:
        return Silent("no webhook of it fails anything")
    asked = [
        f"{one.get('name')} at Service {place.get('namespace')}/{place.get('name')}"
        if (place := (one.get("clientConfig") or {}).get("service"))
        else f"{one.get('name')}, which is no Service of the cluster"
        for one in evidence.snapshot.workload.get("webhooks") or ()
        if one.get("failurePolicy") != "Ignore"
    ]
    cause = f"what {evidence.subject.name} has to be asked about is refused; it asks {', '.join(asked[:5]) or 'nobody'}"
    return Silent("whether anything may go unasked is for a person to decide", _told(cause, "; ".join(said)))


def _told(cause: str, said: str) -> Diagnosis:
    return Diagnosis(family=FAMILY, cause=cause, confidence=0.95, rests_on=(said[:300],))


def _other_name(evidence: Evidence, named: Named, *, wrong: str, said: str) -> Silent | Needs | Opinion:
    if evidence.pod_spec.get(named.field) != wrong:
        return Silent(f"the present template does not name {named.kind} {wrong}")
    if needs := wanting(evidence, named.kind):
        return needs
    if evidence.listed(named.kind) is None:
        return Silent(f"what {named.kind}s there are cannot be read", _told(f"{named.kind} {wrong} is missing", said))
    there = {item["metadata"]["name"] for item in evidence.listed(named.kind) or ()}
    if wrong in there:
        return Silent(f"{named.kind} {wrong} is there by now")
    before = good_value(evidence, f"/{named.field}") if never_well(evidence) else None
    meant = before if before in there else nearest(wrong, there)
    whose = meant is not None and meant != before and named.kind == SERVICE_ACCOUNT.kind
    if whose and (needs := wanting(evidence, *BESIDE)):
        return needs
    cause = f"{named.kind} {wrong} does not exist"
    good = evidence.last_good
    if meant is None and good is not None and not before and may_roll_back(evidence):
        return opinion(
            evidence,
            action=RollBack(replica_set=good.name, digest=good.digest),
            family=FAMILY,
            cause=cause,
            rests_on=(said[:300], f"{basis(good)}, and names no {named.kind}"),
            ends=Symptom.CREATE_FORBIDDEN,
            reason=f"roll back to revision {good.number}, the last one known to work",
            confidence=SEEN_WELL,
        )
    like_it = any(nearest(wrong, [name]) for name in there)
    if meant is None and named.kind == SERVICE_ACCOUNT.kind and not like_it:
        return _account_made(evidence, wrong, cause=cause, said=said)
    if meant is None:
        return Silent(
            f"there is no one {named.kind} that {wrong} can have meant",
            _told(cause, said),
        )
    certain = SEEN_WELL if meant == before else _certain(evidence, named.kind, wrong=wrong, meant=meant)
    fields = [named.field] + ([named.also] if evidence.pod_spec.get(named.also) == wrong else [])
    source = basis(evidence.last_good) if meant == before and evidence.last_good else f"{meant} is the one like it"
    if certain == SUGGESTED:
        source = f"{source}, which nothing says is what this workload is to have"
    return opinion(
        evidence,
        *(SetField(path=f"{evidence.pod_path}/{field}", expected=wrong, value=meant) for field in fields),
        family=FAMILY,
        cause=cause,
        rests_on=(said[:300], source),
        ends=Symptom.CREATE_FORBIDDEN,
        reason=f"use {named.kind} {meant} in place of {wrong}",
        confidence=certain,
    )


def _account_made(evidence: Evidence, name: str, *, cause: str, said: str) -> Opinion:
    target, action = created(SERVICE_ACCOUNT, evidence.subject.namespace, name)
    return opinion(
        evidence,
        target=target,
        action=action,
        family=FAMILY,
        cause=cause,
        rests_on=(said[:300], "no ServiceAccount here has a name like it"),
        ends=Symptom.CREATE_FORBIDDEN,
        reason=f"create ServiceAccount {name}, with no rights but those that are bound to its name already",
        confidence=SUGGESTED,
    )


def _certain(evidence: Evidence, kind: str, *, wrong: str, meant: str) -> float:
    """How certain it is that one name is a slip of the other. Classes are everybody's; an account is somebody's."""
    if said_twice(wrong, meant, own_names(evidence)):
        return SUGGESTED
    if kind != SERVICE_ACCOUNT.kind:
        return ONLY_ONE_FITS
    account = next(one for one in evidence.listed(kind) or () if one["metadata"]["name"] == meant)
    ours = all_seen(evidence) and is_only_ours(evidence, account, beside(evidence))
    return ONLY_ONE_FITS if ours else SUGGESTED
