"""References to ConfigMaps, Secrets and keys that are not there: the one that was meant, if nothing else can have been.

Rules: pkg/kubelet/kubelet_pods.go (makeEnvironmentVariables: ``configmap "x" not found``, ``couldn't find key k in
ConfigMap ns/x``), pkg/volume/configmap and pkg/volume/secret (``references non-existent config key``).
A candidate has all the keys that are asked of it and a name of which the wrong one is a slip of the keyboard, no other
is as near, and it is not another workload's by its label or name; where the wrong name says what the workload itself is
called and the candidate's does not, a person is asked. All names that are wrong in this way are corrected at once: the
kubelet speaks of the first alone. A reference that came with a change and can have meant nothing here is taken back
with it, but not before a pod has waited for a minute: what makes a Secret of a vault's is often that much later than
what names it, and nothing that is read here says that it is at work. The minute is that of the default grace period:
with a shorter one, or where a person asks, it may be handed over before, with the command that takes the change back.
Contents are never made up; of Secrets only the
names of keys are looked at, and only where the optional role lets them be listed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from incidents.evidence import Evidence, Revision
from incidents.incident import Round
from incidents.objects import TEMPLATED, Manifest
from incidents.ordering import of_present_revision
from incidents.pod_health import timestamp
from incidents.proposals import Diagnosis, Needs, Opinion, RollBack, SetField, Silent
from incidents.snapshot import is_ready
from incidents.symptoms import Symptom
from playbooks.belonging import BESIDE, all_seen, beside, is_ours, own_names, said_twice
from playbooks.confidence import ONLY_ONE_FITS, SEEN_WELL, SUGGESTED
from playbooks.edits import named, opinion, wanting
from playbooks.last_good import basis, may_roll_back
from playbooks.neighbours import nearest
from playbooks.referring import Reference, references

FAMILY = "references"
SYMPTOMS = (Symptom.CONFIG_ERROR, Symptom.MOUNT_FAILING)
SUBJECTS = (*TEMPLATED, "Job", "Pod")

# What is named may be on its way for as long as nobody is told that it is missing (`incidents.patience`), which counts
# from a little after the pod was made: ten seconds less, for clocks differ, and after that nobody looks again. That is
# so with the default grace period of 10 s, of which patience is six; whoever is told before has the command.
COMING_SECONDS = 50.0

_MISSING = re.compile(r'(?P<kind>configmap|secret) "(?P<name>[^"]+)" not found', re.IGNORECASE)
_KEY = re.compile(r"couldn't find key (?P<key>\S+) in (?P<kind>ConfigMap|Secret) \S+/(?P<name>[a-z0-9.-]+)")
# pkg/volume/{configmap,secret,projected}: the volume is named, and not the object.
_VOLUME_KEY = re.compile(
    r'volume "(?P<volume>[^"]{1,63})" : (?:configmap |secret )?references non-existent (?P<kind>config|secret) key: '
    r"(?P<key>\S+)"
)
_KINDS = {"configmap": "ConfigMap", "secret": "Secret", "config": "ConfigMap"}


def consider(evidence: Evidence, rounds: Sequence[Round]) -> Silent | Needs | Opinion:
    """An opinion on the first reference that leads nowhere."""
    answer = Silent("no ConfigMap, Secret or key is missing")
    for kind, name, key in _wrong(evidence):
        places = [one for one in references(evidence) if (one.kind, one.name) == (kind, name)]
        if not places:
            answer = Silent(f"the present template does not name {kind} {name}")
            continue
        if needs := wanting(evidence, kind):
            return needs
        there = evidence.listed(kind)
        if there is not None and _is_there(there, name, key):
            answer = Silent(f"{kind} {name} is there by now, with what was missed of it")
            continue
        if not key and _like(name, there or ()) is not None and (needs := wanting(evidence, *BESIDE)):
            return needs
        return _considered(evidence, places, key=key, there=there)
    return answer


def _considered(
    evidence: Evidence, places: Sequence[Reference], *, key: str, there: Sequence[Manifest] | None
) -> Silent | Opinion:
    kind, name = places[0].kind, places[0].name
    cause = f"{kind} {name} has no key {key}" if key else f"{kind} {name} does not exist"
    diagnosis = Diagnosis(family=FAMILY, cause=cause, confidence=0.9, rests_on=_said(evidence, key or name))
    answer: Opinion | None = None
    why = f"which {kind}s there are could not be read"
    if there is not None and key:
        answer = _other_key(evidence, places, key=key, cause=cause, known=named(there, name))
        why = f"{kind} {name} has no one key that {key} can have meant"
    elif there is not None:
        answer = _other_object(evidence, places, cause=cause, there=there)
        why = f"there is no one {kind} that {name} can have meant"
    if answer is not None and answer.proposal.confidence > SUGGESTED:
        return answer
    return _taken_back(evidence, places, diagnosis, key=key) or answer or Silent(why, diagnosis)


def _is_there(there: Sequence[Manifest], name: str, key: str) -> bool:
    """Whether what was missed has come since: an event tells of the moment at which it was written."""
    found = named(there, name)
    return found is not None and (not key or key in (found.get("data") or {}))


def _taken_back(
    evidence: Evidence, places: Sequence[Reference], diagnosis: Diagnosis, *, key: str
) -> Silent | Opinion | None:
    """The last good revision, where it asked for nothing that is missing now, and that has been missing for a while."""
    good = evidence.last_good
    if good is None or not may_roll_back(evidence):
        return None
    before: dict[tuple[str, str], set[str]] = {}
    for one in references(evidence, good.template.get("spec", {})):
        before.setdefault((one.kind, one.name), set()).update(one.keys)
    if any((one.kind, one.name) in before and one.keys.keys() <= before[one.kind, one.name] for one in places):
        return None  # it would fail there as well
    if _may_be_coming(evidence, key or places[0].name):
        told = msgspec.structs.replace(diagnosis, by_hand=_undo(evidence, good))
        return Silent(f"what is missing of {places[0].kind} {places[0].name} may be on its way", told)
    return opinion(
        evidence,
        family=FAMILY,
        cause=diagnosis.cause,
        rests_on=(*diagnosis.rests_on, f"{basis(good)}, and does not name it"),
        ends=_symptom(evidence),
        reason=f"roll back to revision {good.number}, the last one known to work",
        confidence=SEEN_WELL,
        action=RollBack(replica_set=good.name, digest=good.digest),
    )


def _undo(evidence: Evidence, good: Revision) -> tuple[str, ...]:
    """What a person types who does not wait; nothing where a manager would put it back."""
    subject = evidence.subject
    if subject.manager:
        return ()
    workload = f"{subject.kind.lower()}/{subject.name}"
    return (f"kubectl -n {subject.namespace} rollout undo {workload} --to-revision={good.number}",)


def _may_be_coming(evidence: Evidence, name: str) -> bool:
    """Whether no pod that waits for what is named has waited for so long that it would be there.

    Where none is known to wait for it, any one that is not ready may.
    """
    waiting = {found.pod for found in evidence.health.findings if name in found.detail}
    waiting |= {line.about.removeprefix("Pod/") for line in evidence.events if name in line.message}
    pods = [pod for pod in evidence.snapshot.current_pods if not is_ready(pod)]
    for_it = [pod for pod in pods if pod["metadata"]["name"] in waiting]
    any_one = (pod for pod in of_present_revision(evidence.snapshot) if not is_ready(pod))
    made = [timestamp(pod["metadata"].get("creationTimestamp")) for pod in for_it or any_one]
    longest = max(((evidence.taken_at - one).total_seconds() for one in made if one is not None), default=0.0)
    return longest * evidence.speed < COMING_SECONDS


def _wrong(evidence: Evidence) -> Iterator[tuple[str, str, str]]:
    """What the kubelet says is missing: kind, name, and the key, if it is one. Its states before events of a mount."""
    details = [found.detail for found in evidence.health.findings if found.symptom is Symptom.CONFIG_ERROR]
    mounting = [line.message for line in evidence.events if line.reason == "FailedMount"]
    for text in dict.fromkeys((*details, *mounting)):
        if match := _KEY.search(text):
            yield match["kind"], match["name"], match["key"]
        elif match := _VOLUME_KEY.search(text):
            kind = _KINDS[match["kind"]]
            for one in references(evidence):
                if (one.kind, one.volume) == (kind, match["volume"]) and match["key"] in one.keys:
                    yield kind, one.name, match["key"]
        elif match := _MISSING.search(text):
            yield _KINDS[match["kind"].lower()], match["name"], ""


def _said(evidence: Evidence, name: str) -> tuple[str, ...]:
    texts = [found.detail for found in evidence.health.findings] + [line.message for line in evidence.events]
    return tuple(dict.fromkeys(text[:200] for text in texts if name in text))[:2]


def _other_object(
    evidence: Evidence, places: Sequence[Reference], *, cause: str, there: Sequence[Manifest]
) -> Opinion | None:
    kind, wrong = places[0].kind, places[0].name
    meant = _meant(evidence, places, there)
    if meant is None:
        return None
    corrected = {wrong: (places, meant), **_others_too(evidence, kind, wrong, there)}
    said = [f"{right} is the one {kind} here with a name like {name}" for name, (_, right) in corrected.items()]
    doubts = [doubt for name, (_, right) in corrected.items() if (doubt := _doubt(evidence, name, right))]
    wanted = sorted(_keys(places))
    has_all = (f"{meant} has {', '.join(wanted)}",) if wanted else ()
    return opinion(
        evidence,
        *(
            SetField(path=place.path, expected=name, value=right)
            for name, (named_at, right) in corrected.items()
            for place in named_at
        ),
        family=FAMILY,
        cause=cause,
        rests_on=(*_said(evidence, wrong), *said, *has_all, *doubts),
        ends=_symptom(evidence),
        reason="; ".join(f"use {kind} {right} in place of {name}" for name, (_, right) in corrected.items()),
        confidence=SUGGESTED if doubts else ONLY_ONE_FITS,
    )


def _doubt(evidence: Evidence, wrong: str, right: str) -> str:
    """Why the wrong name may be no slip at all, and what it names only missing; empty where nothing says so."""
    if own := said_twice(wrong, right, own_names(evidence)):
        return f"{wrong} says {own}, as the workload does, and {right} does not: it may be another's"
    return "" if all_seen(evidence) else "not all workloads beside it could be read, of which it may be one's"


def _meant(evidence: Evidence, places: Sequence[Reference], there: Sequence[Manifest]) -> str | None:
    """The one object with a name like the wrong one, if it has every key that is asked of it and is no other's."""
    wanted = _keys(places)
    name = _like(places[0].name, there)
    meant = named(there, name) if name is not None else None
    if meant is None or not wanted <= (meant.get("data") or {}).keys():
        return None
    return None if is_ours(evidence, meant, beside(evidence)) is False else name


def _like(wrong: str, there: Sequence[Manifest]) -> str | None:
    return nearest(wrong, (item["metadata"]["name"] for item in there))


def _keys(places: Sequence[Reference]) -> set[str]:
    return {key for place in places for key in place.keys}


def _others_too(
    evidence: Evidence, kind: str, wrong: str, there: Sequence[Manifest]
) -> dict[str, tuple[list[Reference], str]]:
    """Other names of the kind that lead nowhere, each with its places and what is meant: they would fail next."""
    present = {item["metadata"]["name"] for item in there}
    missing: dict[str, list[Reference]] = {}
    for one in references(evidence):
        if one.kind == kind and one.name not in present | {wrong} and not one.optional:
            missing.setdefault(one.name, []).append(one)
    meant = {name: (places, _meant(evidence, places, there)) for name, places in missing.items()}
    return {name: (places, right) for name, (places, right) in meant.items() if right is not None}


def _other_key(
    evidence: Evidence, places: Sequence[Reference], *, key: str, cause: str, known: Manifest | None
) -> Opinion | None:
    asking = [place.keys[key] for place in places if key in place.keys]
    meant = nearest(key, (known or {}).get("data") or ()) or _same_letters(key, (known or {}).get("data") or ())
    if meant is None or not asking:
        return None
    return opinion(
        evidence,
        *(SetField(path=path, expected=key, value=meant) for path in asking),
        family=FAMILY,
        cause=cause,
        rests_on=(*_said(evidence, key), f"{meant} is the one key there that is like it"),
        ends=_symptom(evidence),
        reason=f"read key {meant} in place of {key}",
        confidence=ONLY_ONE_FITS,
    )


def _same_letters(key: str, keys: Sequence[str]) -> str | None:
    """The one key that differs in case and separators alone: ``LOG_LEVEL`` and ``log-level``."""

    def plain(text: str) -> str:
        return re.sub(r"[^a-z0-9]", "", text.lower())

    same = [other for other in keys if plain(other) == plain(key)]
    return same[0] if len(same) == 1 else None


def _symptom(evidence: Evidence) -> Symptom:
    known = evidence.health.symptoms
    return next((symptom for symptom in SYMPTOMS if symptom in known), next(iter(sorted(known)), Symptom.CONFIG_ERROR))
