"""Images that cannot be pulled because the reference is mistyped or the tag does not exist.

The last good revision's image is the first choice: it is known to run here. Without one, the nearest tag of
the same repository is certain if exactly one existing tag can be meant (``playbooks.near_tags``). Another
repository or registry is certain only if this workload has used it before, or if it is the one official image of which
the name is a slip and a second thing says so; guessing names is how wrong software gets deployed. A reference that has
been pulled before is no slip: then its tag was removed. Where a registry refuses access, ``playbooks.pull_secrets``
looks for the secret meant. Rule: pkg/kubelet/images, in the words of ``playbooks.pull_failures``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from incidents.evidence import Evidence, Want, WantKind
from incidents.images import ImageReference, ImageReferenceError, parse_image, respelled
from incidents.incident import Round
from incidents.objects import TEMPLATED
from incidents.proposals import Needs, Opinion, RollBack, SetField, Silent
from incidents.symptoms import Symptom
from playbooks.confidence import CERTAIN, LIKELY, ONLY_ONE_FITS, SEEN_WELL
from playbooks.edits import opinion
from playbooks.last_good import basis, good_container, may_roll_back, never_well
from playbooks.near_tags import NEAR, meant_tags
from playbooks.official_images import PORTS, meant_by
from playbooks.pull_failures import Failure, Kind, failure_of, told
from playbooks.pull_secrets import secrets_meant

FAMILY = "image"
SYMPTOMS = (Symptom.IMAGE_PULL,)
SUBJECTS = (*TEMPLATED, "Job", "Pod")
# What is written for one program and says little to another: where it has changed too, more than a word is another.
_FOR_ONE_PROGRAM = ("command", "args", "env", "envFrom", "ports", "livenessProbe", "readinessProbe", "volumeMounts")


def consider(evidence: Evidence, rounds: Sequence[Round]) -> Silent | Needs | Opinion:
    """An opinion on the first container whose image cannot be pulled."""
    findings = [finding for finding in evidence.health.findings if finding.symptom is Symptom.IMAGE_PULL]
    if not findings:
        return Silent("no image fails to be pulled")
    name = findings[0].container
    container = evidence.container(name)
    if container is None:
        return Silent(f"container {name!r} is not in the present template")
    failure = failure_of(evidence, name, str(container.get("image", "")))
    if not never_well(evidence):
        because = "the present revision was well before: its image has been pulled, and is no slip"
        return Silent(because, told(failure, ran_before=True))
    answer = _considered(evidence, failure)
    return msgspec.structs.replace(answer, diagnosis=told(failure)) if isinstance(answer, Silent) else answer


def _considered(evidence: Evidence, failure: Failure) -> Silent | Needs | Opinion:
    match failure.kind:
        case Kind.NEVER:
            return _rolled_back(evidence, failure) or Silent("it may not be pulled, and no node that it ran on has it")
        case Kind.PLATFORM:
            return _as_before(evidence, failure) or Silent("an image for these nodes has to be built")
        case Kind.UNREADABLE:
            return _as_before(evidence, failure) or _respelled(evidence, failure)
        case Kind.MISSING:
            return _as_before(evidence, failure) or _near_tag(evidence, failure)
        case Kind.EITHER if not _same_repository(failure.image, _good_image(evidence, failure.container)):
            return _as_before(evidence, failure) or _official(evidence, failure) or _with_secret(evidence, failure)
        case Kind.EITHER | Kind.REFUSED:
            return _with_secret(evidence, failure)
    return Silent("nothing says that the image does not exist")


def _opinion(evidence: Evidence, failure: Failure, new: str, *, confidence: float, rests_on: Sequence[str]) -> Opinion:
    path = f"{evidence.container_path(failure.container)}/image"
    return opinion(
        evidence,
        SetField(path=path, expected=failure.image, value=new),
        family=FAMILY,
        cause=f"container {failure.container} asks for {failure.image}, which does not exist",
        rests_on=rests_on,
        ends=Symptom.IMAGE_PULL,
        reason=f"run {new} in place of {failure.image}",
        confidence=confidence,
    )


def _as_before(evidence: Evidence, failure: Failure) -> Opinion | None:
    """The last good revision's image; the whole revision where another program came with its own settings."""
    good, image = evidence.last_good, _good_image(evidence, failure.container)
    if good is None or image is None or image == failure.image:
        return None
    if not _same_repository(failure.image, image) and _set_up_anew(evidence, failure.container):
        return _rolled_back(evidence, failure)
    rests_on = (f"the registry has no {failure.image}", f"{basis(good)}, with {image}", failure.said)
    return _opinion(evidence, failure, image, confidence=SEEN_WELL, rests_on=rests_on)


def _set_up_anew(evidence: Evidence, name: str) -> bool:
    now: dict[str, Any] = evidence.container(name) or {}
    before = good_container(evidence, name) or {}
    return any((now.get(field) or None) != (before.get(field) or None) for field in _FOR_ONE_PROGRAM)


def _rolled_back(evidence: Evidence, failure: Failure) -> Opinion | None:
    """The last good revision as a whole."""
    good = evidence.last_good
    if good is None or not may_roll_back(evidence):
        return None
    cause = told(failure)
    return opinion(
        evidence,
        family=FAMILY,
        cause=cause.cause,
        rests_on=(*cause.rests_on, basis(good)),
        ends=Symptom.IMAGE_PULL,
        reason=f"roll back to revision {good.number}, the last one known to work",
        confidence=SEEN_WELL,
        action=RollBack(replica_set=good.name, digest=good.digest),
    )


def _near_tag(evidence: Evidence, failure: Failure) -> Silent | Needs | Opinion:
    try:
        reference = parse_image(failure.image)
    except ImageReferenceError as error:
        return Silent(f"the image reference cannot be read: {error}")
    if reference.digest or not reference.tag:
        return Silent("the image is not named by a tag")
    tags = _tags(evidence, reference)
    if isinstance(tags, Needs):
        return tags
    meant = meant_tags(reference.tag, tags)
    if len(meant) > 1:
        return Silent(f"several tags are near to {reference.tag}: {', '.join(meant[:5])}")
    if not meant:
        return Silent(f"no known tag is near to {reference.tag}")
    rests_on = (
        f"there is no {failure.image}",
        f"{meant[0]} is the one tag within {NEAR} edits, and {tags[meant[0]]}",
        failure.said,
    )
    return _opinion(evidence, failure, str(reference.with_tag(meant[0])), confidence=CERTAIN, rests_on=rests_on)


def _respelled(evidence: Evidence, failure: Failure) -> Silent | Needs | Opinion:
    """What cannot be read, spelled as it has to be, unless it is known that there is no such image."""
    reference = respelled(failure.image)
    if reference is None or reference.digest or not reference.tag:
        return Silent("nothing says which image is meant")
    tags = _tags(evidence, reference)
    if isinstance(tags, Needs):
        return tags
    if tags and reference.tag not in tags:
        return Silent(f"spelled as it has to be it is {reference}, and there is no such tag")
    known = tags.get(reference.tag)
    rests_on = (failure.said, f"spelled as it has to be it is {reference}" + (f", and {known}" if known else ""))
    return _opinion(evidence, failure, str(reference), confidence=CERTAIN if known else LIKELY, rests_on=rests_on)


def _official(evidence: Evidence, failure: Failure) -> Needs | Opinion | None:
    """The official image of which the name is a slip, where its tag is there, or the container is named or asked as it.

    Where its tags are known and this is none of them, it is somebody's own image that was never pushed.
    """
    try:
        reference = parse_image(failure.image)
    except ImageReferenceError:
        return None
    meant = meant_by(reference)
    if meant is None or reference.digest:
        return None
    written = reference.name.rpartition("/")
    right = parse_image(f"{written[0]}{written[1]}{meant}" + (f":{reference.tag}" if reference.tag else ""))
    tags = _tags(evidence, right)
    if isinstance(tags, Needs):
        return tags
    second = _second_witness(evidence, failure, right, meant, tags)
    if second is None:
        return None
    rests_on = (f"there is no {failure.image}", f"{meant} is the one official image like it", second)
    return _opinion(evidence, failure, str(right), confidence=CERTAIN, rests_on=rests_on)


def _second_witness(
    evidence: Evidence, failure: Failure, right: ImageReference, meant: str, tags: Mapping[str, str]
) -> str | None:
    if tags and right.effective_tag not in tags:
        return None
    if right.tag not in (None, "latest") and right.tag in tags:
        return f"{right} exists: {tags[right.tag]}"
    if meant in (failure.container, evidence.subject.name):
        return f"what runs it is called {meant}"
    container = evidence.container(failure.container) or {}
    port = PORTS.get(meant)
    declared = {item.get("containerPort") for item in container.get("ports") or ()}
    return f"its container has port {port}, where {meant} listens" if port is not None and port in declared else None


def _with_secret(evidence: Evidence, failure: Failure) -> Silent | Needs | Opinion:
    meant = secrets_meant(evidence, failure.image)
    if isinstance(meant, Needs):
        return meant
    if meant is None:
        return Silent("the registry refuses access to it")
    secret, names = meant
    value = [{"name": name} for name in names]
    return opinion(
        evidence,
        SetField(
            path=f"{evidence.pod_path}/imagePullSecrets",
            expected=evidence.pod_spec.get("imagePullSecrets"),
            value=value,
        ),
        family=FAMILY,
        cause=told(msgspec.structs.replace(failure, kind=Kind.REFUSED)).cause,
        rests_on=(failure.said, f"every other pod here that runs images of that registry uses pull secret {secret}"),
        ends=Symptom.IMAGE_PULL,
        reason=f"pull with secret {secret}, as its neighbours do",
        confidence=ONLY_ONE_FITS,
    )


def _same_repository(one: str, other: str | None) -> bool:
    try:
        return other is not None and parse_image(one).same_repository(parse_image(other))
    except ImageReferenceError:
        return False


def _good_image(evidence: Evidence, name: str) -> str | None:
    good = good_container(evidence, name)
    return str(good["image"]) if good is not None and good.get("image") else None


def _tags(evidence: Evidence, reference: ImageReference) -> Needs | dict[str, str]:
    """The tags that are known of a repository, each with who knows it; what was seen here counts no less."""
    known, listed = (Want(kind, reference.name) for kind in (WantKind.KNOWN_IMAGES, WantKind.IMAGE_TAGS))
    wants = tuple(want for want in (known, listed) if not evidence.asked(want))
    if wants:
        return Needs(wants)
    here = _tags_of(reference, evidence.answers[known.key])
    return {
        **dict.fromkeys(evidence.answers[listed.key], "the registry lists it"),
        **dict.fromkeys(here, "nodes or workloads here use it"),
    }


def _tags_of(reference: ImageReference, images: Iterable[str]) -> set[str]:
    tags = set()
    for text in images:
        try:
            other = parse_image(text)
        except ImageReferenceError:
            continue
        if reference.same_repository(other) and other.tag:
            tags.add(other.tag)
    return tags
