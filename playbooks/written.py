"""Pods that are put out for what they write: the one limit that they exceed is raised a bounded step.

That a pod was evicted says only that it writes more; how much more is said by the limit it had while it was well. Else
up to three rounds of doubling, within every bound. Only where its pods are put out soon after their start: what has
written for long has no size that anybody could know, and doubling its room would only make the next eviction later
than a change is watched. Asked by the family of memory; what leads to no certain limit is told there.

Rules: pkg/kubelet/eviction (``sizeLimit`` of an emptyDir, then the containers' limits together, then each by itself).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from incidents.evidence import Evidence
from incidents.objects import Manifest
from incidents.own_limits import Exceeded, exceeded, lived_seconds, was_evicted
from incidents.pod_health import DATED_SECONDS
from incidents.proposals import Diagnosis, Needs, Opinion, SetField, Silent
from incidents.quantities import UnreadableQuantity, format_bytes, parse_bytes
from incidents.symptoms import Symptom
from playbooks.confidence import ONLY_ONE_FITS
from playbooks.edits import opinion, wanting
from playbooks.last_good import basis
from playbooks.size_bounds import DISK, STEP, limit_before, most_held, most_written

SOON_SECONDS = 60.0  # at twice its room it lives twice as long, and three such lives fit into the time a change has


class TooSmall(msgspec.Struct, frozen=True, kw_only=True):
    """A limit of a pod's own (bytes, and as it is written) for which pods are evicted, and where it stands."""

    whose: str
    path: str
    limit: str
    present: int
    evictions: int

    @property
    def field(self) -> str:
        """What the limit is called."""
        return "sizeLimit" if self.path.endswith("sizeLimit") else f"limit of {DISK}"

    @property
    def told(self) -> Diagnosis:
        """The cause in words; who tells it names the family."""
        return Diagnosis(
            family="",
            cause=f"{self.whose} takes more of the node's disk than its {self.field}, {self.limit}",
            confidence=ONLY_ONE_FITS,
            rests_on=(f"{self.evictions} pods were evicted for it", f"{self.path} is {self.limit}"),
        )


def evicted(evidence: Evidence, family: str) -> Silent | Needs | Opinion | None:
    """An opinion on pods that exceed a limit of their own; what else is evicted is told, and None where nothing is."""
    findings = [finding for finding in evidence.health.findings if finding.symptom is Symptom.EVICTED]
    said = [finding.detail for finding in findings]
    said += [line.message for line in evidence.events if line.reason == "Evicted"]
    if not said:
        return None
    first = said[0][:200]
    seen = Diagnosis(family=family, cause=f"its pods are evicted: {first}", confidence=ONLY_ONE_FITS, rests_on=(first,))
    pods = [pod for pod in evidence.snapshot.current_failed_pods if was_evicted(pod)]
    if not findings or not pods:
        return Silent("what is written grows until the pod is put out; more room only puts that off", seen)
    try:
        found = _too_small(evidence, pods)
    except UnreadableQuantity as error:
        return Silent(str(error), seen)
    if found is None:
        return Silent("they are not all put out for one limit that the present template has", seen)
    told = msgspec.structs.replace(found.told, family=family)
    if (lived := _lived(evidence, pods)) is None or lived - DATED_SECONDS * evidence.speed > SOON_SECONDS:
        how_long = "it is not known how long each lived" if lived is None else f"each had lived for {lived:g} s or more"
        return Silent(f"{how_long}: more room may only put the next one off", told)
    return wanting(evidence, "LimitRange", "ResourceQuota", "Node") or _raised(evidence, found, told)


def _too_small(evidence: Evidence, pods: Sequence[Manifest]) -> TooSmall | None:
    """The one limit that all of them have exceeded, as the present template has it. Raises UnreadableQuantity."""
    causes = {exceeded(pod) for pod in pods}
    cause = causes.pop() if len(causes) == 1 else None
    if cause is None:
        return None
    found = _of_volume(evidence, cause) if cause.of == "volume" else _of_container(evidence, cause)
    if found is None:
        return None
    whose, path, limit = found
    if (present := parse_bytes(limit)) != parse_bytes(cause.limit) or present <= 0:
        return None  # it was another template that they were evicted under
    return TooSmall(whose=whose, path=path, limit=str(limit), present=present, evictions=len(pods))


def _of_volume(evidence: Evidence, cause: Exceeded) -> tuple[str, str, object] | None:
    volumes = evidence.pod_spec.get("volumes") or ()
    source = next((one.get("emptyDir") or {} for one in volumes if one.get("name") == cause.name), {})
    if source.get("medium") or source.get("sizeLimit") is None:
        return None  # what is kept in memory is bounded by the containers' memory
    path = f"{evidence.pod_path}/volumes[{cause.name}]/emptyDir/sizeLimit"
    return f"the emptyDir volume {cause.name}", path, source["sizeLimit"]


def _of_container(evidence: Evidence, cause: Exceeded) -> tuple[str, str, object] | None:
    """The container that is named; where all are meant together, the only one that has a limit at all."""
    limits = {
        str(one.get("name")): limit
        for one in evidence.containers
        if (limit := ((one.get("resources") or {}).get("limits") or {}).get(DISK)) is not None
    }
    names = [name for name in limits if cause.of == "pod" or name == cause.name]
    if len(names) != 1:
        return None
    path = f"{evidence.container_path(names[0])}/resources/limits/{DISK}"
    return f"container {names[0]}", path, limits[names[0]]


def _lived(evidence: Evidence, pods: Sequence[Manifest]) -> float | None:
    """How long each of them lived at least, in seconds of the cluster; None where one does not tell.

    A busy kubelet is late, and never early: the shortest life is the one that says how fast they write.
    """
    lives = [lived_seconds(pod) for pod in pods]
    known = [life for life in lives if life is not None]
    return min(known) * evidence.speed if known and len(known) == len(lives) else None


def _raised(evidence: Evidence, found: TooSmall, told: Diagnosis) -> Silent | Opinion:
    most = most_held(evidence) if found.path.endswith("sizeLimit") else most_written(evidence, found.present)
    before = limit_before(evidence, found.path.removeprefix(evidence.pod_path), found.present, most)
    why = (f"{basis(evidence.last_good)}, with that limit",) if before is not None and evidence.last_good else ()
    size = before or STEP * found.present
    if most is not None and size > most.size:
        size = most.size
    if most is not None and size <= found.present:
        rests_on = (*told.rests_on, most.rule)
        return Silent("the limit is as high as it may be here", msgspec.structs.replace(told, rests_on=rests_on))
    value = format_bytes(size)
    return opinion(
        evidence,
        SetField(path=found.path, expected=found.limit, value=value),
        family=told.family,
        cause=told.cause,
        rests_on=(*told.rests_on, *why),
        ends=Symptom.EVICTED,
        reason=f"raise the {found.field} of {found.whose} from {found.limit} to {value}",
        confidence=ONLY_ONE_FITS,
    )
