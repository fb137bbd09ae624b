"""A claim's volume that is full, by what the program itself says of it: told, or grown where its class allows that.

Rules: ENOSPC (errno 28, POSIX) is said in nearly the same words everywhere, by strerror and by Go, Java, Node and Rust;
the same number stands for other things that run out (watches of files, shared memory, semaphores), and lines that speak
of those are left out, as is what is merely called full. The path in the line says whose volume it is: one on no claim,
as ``/tmp`` or an emptyDir, is none of this. Without a path it is the one claim that the container may write to, if
nothing else is mounted to be written to: of its own file system a node runs out as a whole, and the kubelet evicts its
pods before that is told to any (pkg/kubelet/eviction). How a claim grows: ``playbooks.growing``.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence

import msgspec

from incidents.evidence import Evidence, LogExcerpt
from incidents.incident import Round
from incidents.objects import CLAIM, QUOTA, STORAGE_CLASS, VOLUME, Manifest
from incidents.pod_health import container_statuses
from incidents.proposals import Diagnosis, Needs, Opinion, Silent
from incidents.quantities import UnreadableQuantity
from incidents.symptoms import Symptom
from playbooks.edits import named, wanting
from playbooks.growing import commands, grown, sizes

ENDS = (Symptom.CRASH_LOOP, Symptom.PROBE_FAILING, Symptom.NOT_READY, Symptom.ROLLOUT_STUCK)

_FULL = re.compile(r"no space left on device|\bENOSPC\b|\berrno:? 28\b|\bos error 28\b", re.IGNORECASE)
_OTHER_ENDS = re.compile(r"inotify|\bwatch(?:er|ers|es|ing)?\b|\bshm|shared memory|semaphore|semget", re.IGNORECASE)
_ALONG = re.compile(r"\b(?:ignor\w+|skip\w+|optional|falling back)\b", re.IGNORECASE)
_PLACE = re.compile(r"(?<![\w.:/@-])/[\w.@+~-]+(?:/[\w.@+~-]+)*")
_ASKED_FOR = re.compile(r"\b(?:GET|HEAD|PUT|POST|PATCH|DELETE)\s+\S*/|\bHTTP/\d")  # a path that a client has chosen
_LINES, _LONGEST, _QUOTED = 30, 2_000, 200
_NEVER_WRITTEN = {"configMap", "secret", "downwardAPI", "projected", "image"}
_KNOWN = 0.92


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """Which claim is full, by the line of which container; ``sure``: the line names a path on it."""

    claim: str
    pod: str
    container: str
    line: str
    sure: bool
    ends: Symptom


def considered(evidence: Evidence, rounds: Sequence[Round], family: str) -> Silent | Needs | Opinion | None:
    """An opinion on the claim that is full; None where no container says that one is."""
    said = {one.claim: one for one in _said(evidence)}
    if not said:
        return None
    if needs := wanting(evidence, CLAIM.kind, STORAGE_CLASS.kind, QUOTA.kind, VOLUME.kind):
        sure = any(one.sure for one in said.values())
        return msgspec.structs.replace(needs, first=sure)  # a roll back would find the same volume full
    claims = {name: named(evidence.listed(CLAIM.kind), name) for name in said}
    told = Diagnosis(
        family=family,
        cause="; ".join(_in_words(one, claims[one.claim]) for one in said.values())[:500],
        confidence=_KNOWN,
        rests_on=tuple(one.line for one in said.values()),
    )
    found, one = next(iter(claims.values())), next(iter(said.values()))
    if len(said) > 1 or found is None:
        by_hand = [line for one in claims.values() if one is not None for line in commands(evidence, one)]
        told = msgspec.structs.replace(told, by_hand=tuple(by_hand))
        return Silent("which of them is to grow, and how far, is for a person", told)
    if any(_has_grown(entry, found) for entry in rounds):  # once: the line may be older than the room there is now
        told = msgspec.structs.replace(told, by_hand=commands(evidence, found))
        return Silent("it has been made larger once, and whether it is to grow further is for a person", told)
    try:
        return grown(evidence, found, told, ends=one.ends, sure=one.sure)
    except UnreadableQuantity as error:
        return Silent(f"how large it is cannot be read: {error}", told)


def _has_grown(entry: Round, claim: Manifest) -> bool:
    target = entry.proposal.target if entry.proposal is not None and entry.change is not None else None
    return target is not None and (target.kind, target.name) == (CLAIM.kind, claim["metadata"]["name"])


def _said(evidence: Evidence) -> Iterator[Said]:
    """What the containers that fail say of volumes that are full."""
    pods = {pod["metadata"]["name"]: pod for pod in evidence.snapshot.current_pods}
    for excerpt in evidence.logs:
        pod = pods.get(excerpt.pod)
        ends = None if pod is None else _fails(evidence, pod, excerpt.container)
        if pod is None or ends is None:
            continue
        for line in _full_lines(excerpt):
            claim, sure = _claim_of(pod, excerpt.container, line)
            if claim:
                shown, name = line[:_QUOTED], str(pod["metadata"]["name"])
                yield Said(claim=claim, pod=name, container=excerpt.container, line=shown, sure=sure, ends=ends)


def _fails(evidence: Evidence, pod: Manifest, container: str) -> Symptom | None:
    """By which symptom a container ends again and again, or is not ready; None where it does neither."""
    name = pod["metadata"]["name"]
    found = [one for one in evidence.health.findings if one.symptom in ENDS and one.pod in ("", name)]
    its_own = [one for one in found if one.pod and one.container == container]
    unready = any(one.get("name") == container and not one.get("ready") for one in container_statuses(pod))
    return next((one.symptom for one in (*its_own, *(found if unready else ()))), None)


def _full_lines(excerpt: LogExcerpt) -> Iterator[str]:
    for text in excerpt.text.splitlines()[-_LINES:]:
        line = text[:_LONGEST].strip()
        if _FULL.search(line) and not _OTHER_ENDS.search(line) and not _ALONG.search(line):
            yield line


def _claim_of(pod: Manifest, container: str, line: str) -> tuple[str, bool]:
    """The claim that a line is about, and whether it names a path on it; empty where it is about none."""
    spec = pod.get("spec", {})
    everybody = (*(spec.get("containers") or ()), *(spec.get("initContainers") or ()))
    mounts = next((one.get("volumeMounts") or () for one in everybody if one.get("name") == container), ())
    volumes = {str(one["name"]): one for one in spec.get("volumes") or ()}
    paths = _paths(line)
    if paths:
        mount = _nearest(mounts, paths[0])
        claim = "" if mount is None or mount.get("readOnly") else _claim_behind(volumes, mount)
        return claim, not _ASKED_FOR.search(line)
    claims = {_claim_behind(volumes, one) for one in mounts if _is_writable(volumes, one)}
    return (claims.pop() if len(claims) == 1 else ""), False


def _paths(line: str) -> list[str]:
    """The paths in a line: those before the words that there is no room, the nearest first, then those after them."""
    match = _FULL.search(line)
    at = match.start() if match is not None else len(line)
    found = list(_PLACE.finditer(line))
    before, after = [one[0] for one in found if one.end() <= at], [one[0] for one in found if one.start() >= at]
    return [*reversed(before), *after]


def _nearest(mounts: tuple[Manifest, ...], path: str) -> Manifest | None:
    path = posixpath.normpath(path)
    over = [one for one in mounts if f"{path}/".startswith(f"{str(one.get('mountPath')).rstrip('/')}/")]
    return max(over, key=lambda one: len(str(one.get("mountPath"))), default=None)


def _claim_behind(volumes: dict[str, Manifest], mount: Manifest) -> str:
    source = volumes.get(str(mount.get("name")), {}).get("persistentVolumeClaim") or {}
    return "" if source.get("readOnly") else str(source.get("claimName") or "")


def _is_writable(volumes: dict[str, Manifest], mount: Manifest) -> bool:
    source = volumes.get(str(mount.get("name")), {})
    return not mount.get("readOnly") and not source.keys() & _NEVER_WRITTEN


def _in_words(said: Said, claim: Manifest | None) -> str:
    asked, has = sizes(claim) if claim is not None else ("", "")
    size = f" (asks for {asked}, has {has})" if has and has != asked else f" ({asked})" if asked else ""
    who = f"container {said.container} of pod {said.pod}"
    return f"the volume of PersistentVolumeClaim {said.claim}{size} is full, as {who} says"
