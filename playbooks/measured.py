"""What containers without a request would have to ask for, so that their autoscaler stands where it is now.

An autoscaler compares what pods use with what they ask for. Of a request that is too small it sees many times its
target, and makes pods up to its bound; of one that is too large it takes away those that are at work. So a request
rests on what the pods use just now, with the little room for which no autoscaler moves, and what it would make of that
is worked out first. What is not known is said: then a person is asked.

Rules: pkg/controller/podautoscaler (a tenth above or below its target it stays; containers and sidecars of a pod are
added up), pkg/apis/autoscaling/v2 (``averageUtilization`` in percent of the requests), metrics.k8s.io/v1beta1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

import msgspec

from incidents.evidence import Evidence
from incidents.health import container_statuses
from incidents.objects import STATEFUL_SET, Manifest
from incidents.pod_health import timestamp
from incidents.proposals import Needs
from incidents.quantities import format_millis
from incidents.snapshot import is_ready
from playbooks.edits import wanting
from playbooks.size_bounds import CPU, most_cpu
from playbooks.usage import cpu_used, millis, wanted_usage

SMALL_CPU = 100  # thousandths: pods that call for less are idle, and what they take at work nobody has seen
SETTLED_SECONDS = 120.0  # what a container computes before says more of its start than of its work
_ROOM_PERCENT = 105  # of what is used, within the tenth for which no autoscaler moves
_STEP = 10  # thousandths: a request is written in such steps
_TOLERANCE = 0.1

Used = Mapping[str, int]  # by container, thousandths


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """What an autoscaler wants its pods, or one container of them, to use of their request, and its bounds."""

    percent: int
    container: str
    least: int
    most: int


class Sizing(msgspec.Struct, frozen=True, kw_only=True):
    """Thousandths of CPU for each container that lacks a request, what they rest on, and why they may be wrong."""

    sizes: dict[str, int]
    rests_on: str = ""
    doubt: str = ""


def share_of(autoscaler: Manifest | None) -> Share | None:
    """The share of the CPU request that an autoscaler goes by; None where it states none."""
    spec = (autoscaler or {}).get("spec") or {}
    for metric in spec.get("metrics") or ():
        stated = metric.get("resource") or metric.get("containerResource") or {}
        percent = (stated.get("target") or {}).get("averageUtilization")
        if stated.get("name") == CPU and percent:
            bounds = {"least": int(spec.get("minReplicas") or 1), "most": int(spec.get("maxReplicas") or 1)}
            return Share(percent=int(percent), container=str(stated.get("container") or ""), **bounds)
    return None


def wanting_use(evidence: Evidence) -> Needs | None:
    """What has to be read before a request can be sized; None once everybody has been asked."""
    if not evidence.asked(want := wanted_usage(evidence)):
        return Needs((want,))
    return wanting(evidence, "LimitRange", "ResourceQuota", "Node")


def sized(evidence: Evidence, share: Share | None, lacking: Sequence[str]) -> Sizing:
    """What each of these containers should ask for. Where something speaks against it, ``doubt`` says what."""
    guess = dict.fromkeys(lacking, SMALL_CPU)
    if share is None:
        return Sizing(sizes=guess, doubt="its autoscaler names no share of the request for cpu")
    pods, measured = evidence.snapshot.current_pods, list(_measured(evidence))
    if not measured or 2 * len(measured) < len(pods):
        return Sizing(sizes=guess, doubt="what its pods use at work is not known (metrics), so that it is a guess")
    used = {name: max(1, _mean([one.get(name, 0) for _, one in measured])) for name in measured[0][1]}
    if not set(lacking) <= used.keys():
        return Sizing(sizes=guess, doubt="what its containers use is not all known (metrics), so that it is a guess")
    sizes = {name: _request(used[name], share) for name in lacking}
    rests_on = f"a pod of it uses {format_millis(sum(used.values()))} CPU just now (metrics), "
    rests_on += f"and its autoscaler wants {share.percent} % of the request"
    if sum(sizes.values()) < SMALL_CPU:
        doubt = "its pods are idle just now, and what they use at work is not known, so that it is a guess"
        return Sizing(sizes=guess, rests_on=rests_on, doubt=doubt)
    doubt = _moves(evidence, share, _Pod(measured[0][0], used, sizes)) or _too_much(evidence, sizes) or _stops(evidence)
    return Sizing(sizes=sizes, rests_on=rests_on, doubt=doubt)


class _Pod(msgspec.Struct, frozen=True):
    """One pod that stands for all: what is in it, what it uses on average, and what it would ask for."""

    manifest: Manifest
    used: dict[str, int]
    sizes: dict[str, int]


def _moves(evidence: Evidence, share: Share, pod: _Pod) -> str:
    """What the autoscaler would do that it does not do now; empty if it would stay."""
    spec, asked, used = pod.manifest.get("spec") or {}, 0, 0
    sidecars = [one for one in spec.get("initContainers") or () if one.get("restartPolicy") == "Always"]
    for one in (*(spec.get("containers") or ()), *sidecars):
        name = str(one.get("name"))
        if share.container in ("", name):
            request = pod.sizes.get(name) or millis(((one.get("resources") or {}).get("requests") or {}).get(CPU))
            if request is None:
                return f"container {name}, which is added to its pods, asks for no cpu either"
            asked, used = asked + request, used + pod.used.get(name, 0)
    now = int(evidence.snapshot.workload.get("spec", {}).get("replicas") or 0)
    ratio = used * 100 / (asked * share.percent) if asked else 0.0
    wanted = now if abs(ratio - 1) <= _TOLERANCE else math.ceil(ratio * now)
    wanted = min(max(wanted, share.least), share.most)
    return f"its autoscaler would then want {wanted} pods in place of {now}" if wanted != now else ""


def _too_much(evidence: Evidence, sizes: Mapping[str, int]) -> str:
    most = most_cpu(evidence, 0, None)
    return f"that may be too much: {most.rule}" if most is not None and sum(sizes.values()) > most.size else ""


def _stops(evidence: Evidence) -> str:
    """Whether pods that are at work would be stopped with none beside them, for the sake of their autoscaler."""
    spec = evidence.snapshot.workload.get("spec") or {}
    alone = evidence.subject.kind == STATEFUL_SET.kind and int(spec.get("replicas") or 0) <= 1
    at_once = (spec.get("strategy") or {}).get("type") == "Recreate"
    return "its pods are well, and would all be stopped at once for it" if alone or at_once else ""


def _request(used: int, share: Share) -> int:
    return _STEP * math.ceil(used * _ROOM_PERCENT / (share.percent * _STEP))


def _mean(amounts: Sequence[int]) -> int:
    return math.ceil(sum(amounts) / len(amounts))


def _measured(evidence: Evidence) -> Iterator[tuple[Manifest, Used]]:
    """The pods that have been at work for a while, with what each of their containers uses."""
    used = cpu_used(evidence)
    since = evidence.taken_at - timedelta(seconds=SETTLED_SECONDS / evidence.speed)
    for pod in evidence.snapshot.current_pods:
        starts = [(one.get("state") or {}).get("running") for one in container_statuses(pod)]
        begun = [timestamp(start.get("startedAt")) for start in starts if start]
        settled = begun and all(moment is not None and moment <= since for moment in begun)
        if is_ready(pod) and settled and (found := used.get(pod["metadata"]["name"])):
            yield pod, found
