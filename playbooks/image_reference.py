"""Images that cannot be pulled because the reference is mistyped or the tag does not exist.

The last good revision's image is the first choice: it is known to run here. Without one, the nearest tag of
the same repository is certain if exactly one existing tag is that near and names the same version. Another
repository or registry is certain only if this workload has used it before; guessing names is how wrong
software gets deployed. A reference that has been pulled before is no slip: then its tag was removed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from rapidfuzz.distance import DamerauLevenshtein

from incidents.evidence import Evidence, Want, WantKind
from incidents.images import ImageReference, ImageReferenceError, parse_image
from incidents.incident import Round
from incidents.proposals import Diagnosis, Needs, Opinion, Proposal, Risk, SetField, Silent
from incidents.symptoms import Symptom

FAMILY = "image"
NEAR = 2  # edits; a slip of the keyboard, not another version
SHORTEST_WORD = 4  # letters; "rc", "v" and a patch letter are versions, "alpnie" is a word
# What runtimes and registries say when an image is not there, as opposed to not answering or not allowed.
_NOT_THERE = re.compile(
    r"not found|manifest unknown|name unknown|does not exist|InvalidImageName|couldn't parse image", re.IGNORECASE
)
# What containerd says when the registry will not tell a missing repository from one it hides.
_EITHER = re.compile(r"(repository )?does not exist or may require [^,;:\n]*", re.IGNORECASE)
_NOT_ALLOWED = re.compile(r"401|403|unauthori[sz]ed|denied|forbidden|authentication required", re.IGNORECASE)


def consider(evidence: Evidence, rounds: Sequence[Round]) -> Silent | Needs | Opinion:
    """An opinion on the first container whose image cannot be pulled."""
    findings = [finding for finding in evidence.health.findings if finding.symptom is Symptom.IMAGE_PULL]
    if not findings:
        return Silent("no image fails to be pulled")
    name = findings[0].container
    container = evidence.container(name)
    if container is None:
        return Silent(f"container {name!r} is not in the present template")
    if any(revision.digest == evidence.present and revision.good for revision in evidence.revisions):
        return Silent("the present revision was well before: its image has been pulled, and is no slip")
    wanted = str(container.get("image", ""))
    said = _what_the_runtime_said(evidence, name, wanted)
    if _NOT_THERE.search(_EITHER.sub("", said)):
        return _from_last_good(evidence, name, wanted) or _from_near_tags(evidence, name, wanted)
    if _EITHER.search(said) and not _same_repository(wanted, _last_good_image(evidence, name)):
        return _from_last_good(evidence, name, wanted) or Silent("the registry does not say whether it exists")
    if _NOT_ALLOWED.search(said):
        return Silent("the registry refuses access; another tag would not help")
    return Silent("nothing says that the image does not exist")


def _same_repository(one: str, other: str | None) -> bool:
    try:
        return other is not None and parse_image(one).same_repository(parse_image(other))
    except ImageReferenceError:
        return False


def _last_good_image(evidence: Evidence, name: str) -> str | None:
    containers = evidence.last_good.template.get("spec", {}).get("containers") or () if evidence.last_good else ()
    return next((str(item.get("image")) for item in containers if item.get("name") == name), None)


def _what_the_runtime_said(evidence: Evidence, container: str, image: str) -> str:
    """Messages of the pods' states, and of events that name the image: both were written by the kubelet's side.

    The reference itself is left out: its words were chosen by whoever wrote it.
    """
    states = [finding.detail for finding in evidence.health.findings if finding.container == container]
    events = [line.message for line in evidence.events if image in line.message]
    return "\n".join([*states, *events]).replace(image, "") if image else ""


def _from_last_good(evidence: Evidence, name: str, wanted: str) -> Opinion | None:
    good = evidence.last_good
    if good is None:
        return None
    image = _last_good_image(evidence, name)
    if image is None or image == wanted:
        return None
    basis = "has ready pods now" if good.ready else "was seen well before"
    return _opinion(
        evidence,
        name,
        old=wanted,
        new=image,
        confidence=0.97,
        rests_on=(f"the registry has no {wanted}", f"revision {good.number} runs {image} and {basis}"),
    )


def _from_near_tags(evidence: Evidence, name: str, wanted: str) -> Silent | Needs | Opinion:
    try:
        reference = parse_image(wanted)
    except ImageReferenceError as error:
        return Silent(f"the image reference cannot be read: {error}")
    if reference.digest or not reference.tag:
        return Silent("the image is not named by a tag")
    for kind in (WantKind.KNOWN_IMAGES, WantKind.IMAGE_TAGS):
        want = Want(kind, reference.name)
        if want.key not in evidence.answers:
            return Needs((want,))
        nearest = _nearest(reference, _tags_of(reference, kind, evidence.answers[want.key]))
        if len(nearest) == 1:
            source = "nodes or workloads here use it" if kind is WantKind.KNOWN_IMAGES else "the registry lists it"
            new = reference.with_tag(nearest[0])
            return _opinion(
                evidence,
                name,
                old=wanted,
                new=new.name + ":" + nearest[0],
                confidence=0.85,
                rests_on=(f"there is no {wanted}", f"{nearest[0]} is the one tag within {NEAR} edits, and {source}"),
            )
        if nearest:
            return Silent(f"several tags are equally near to {reference.tag}: {', '.join(sorted(nearest)[:5])}")
    return Silent(f"no known tag is near to {reference.tag}")


def _tags_of(reference: ImageReference, kind: WantKind, answer: Iterable[str]) -> set[str]:
    if kind is WantKind.IMAGE_TAGS:
        return set(answer)
    tags = set()
    for text in answer:
        try:
            other = parse_image(text)
        except ImageReferenceError:
            continue
        if (other.registry, other.repository) == (reference.registry, reference.repository) and other.tag:
            tags.add(other.tag)
    return tags


def _nearest(reference: ImageReference, tags: set[str]) -> list[str]:
    """The tags of the same version at the smallest distance within ``NEAR``."""
    wrong = reference.tag or ""
    near = {
        tag: DamerauLevenshtein.distance(wrong, tag, score_cutoff=NEAR)
        for tag in tags
        if tag != wrong and _same_version(wrong, tag)
    }
    best = min(near.values(), default=NEAR + 1)
    return [tag for tag, distance in near.items() if distance == best and distance <= NEAR]


def _same_version(one: str, other: str) -> bool:
    """Whether two tags can differ by a slip of the keyboard alone.

    Numbers are versions, and so are short words such as the letter of ``1.1.1k``: they have to be the same.
    """
    if re.findall(r"\d+", one) != re.findall(r"\d+", other):
        return False
    words, others = re.findall(r"[A-Za-z]+", one), re.findall(r"[A-Za-z]+", other)
    if len(words) != len(others):
        return False
    pairs = zip(words, others, strict=True)
    return all(word == meant or min(len(word), len(meant)) >= SHORTEST_WORD for word, meant in pairs)


def _opinion(
    evidence: Evidence, name: str, *, old: str, new: str, confidence: float, rests_on: tuple[str, ...]
) -> Opinion:
    return Opinion(
        Diagnosis(
            family=FAMILY,
            cause=f"container {name} asks for {old}, which does not exist",
            confidence=confidence,
            rests_on=rests_on,
        ),
        Proposal(
            target=evidence.subject.ref,
            action=(SetField(path=f"/spec/template/spec/containers[{name}]/image", expected=old, value=new),),
            ends=Symptom.IMAGE_PULL,
            reason=f"run {new} in place of {old}",
            risk=Risk.LOW,
            confidence=confidence,
            author=f"playbook/{FAMILY}",
        ),
    )
