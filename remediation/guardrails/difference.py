"""Rules on what would happen: the leaf difference between the live object and the server's dry-run answer.

Webhooks and defaults are in that difference, and so is a rollback's whole template.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from incidents.changes import LeafChange
from incidents.images import ImageReference, ImageReferenceError, parse_image, respelled
from incidents.objects import WORKLOADS, Manifest
from incidents.patch import edited
from incidents.pointers import ABSENT, matches, parts_of, pointer, value_at
from incidents.policy import Answer, Ruling
from incidents.proposals import Create, Recreate, RollBack, SetField
from incidents.quantities import UnreadableQuantity, parse_bytes
from incidents.snapshot import pod_template, template_digest
from playbooks.official_images import is_official, meant_by
from remediation.guardrails.view import View


def something_happens(view: View) -> Iterator[Ruling]:
    """A change that changes nothing is not applied."""
    if not view.diff:
        yield Ruling("no-difference", Answer.REFUSE, "the server says that nothing would change")


def pointers(view: View) -> Iterator[Ruling]:
    """Every leaf that would differ is allowed for the kind, and was asked for."""
    if isinstance(view.proposal.action, RollBack | Create):
        return
    free, asking = (patterns.get(view.proposal.target.kind, ()) for patterns in _patterns(view))
    allowed = (*free, *asking)
    asked = [_asked(view.live, edit) for edit in view.proposal.edits]
    for place, _ in asked:  # the difference leaves out what the server keeps by itself, an asker may not
        if not any(_allows(pattern, place) for pattern in allowed):
            yield Ruling("pointers", Answer.REFUSE, f"{pointer(place)} may not be changed")
    for leaf in view.diff:
        there = parts_of(leaf.pointer)
        wanted = [value_at(value, there[len(place) :]) for place, value in asked if there[: len(place)] == place]
        if not any(matches(leaf.pointer, pattern) for pattern in allowed):
            yield Ruling("pointers", Answer.REFUSE, f"{leaf.pointer} may not be changed")
        elif not wanted:
            yield Ruling("pointers", Answer.REFUSE, f"{leaf.pointer} would change too, and nobody asked for it")
        elif not (_as_asked(leaf.after, wanted[0]) or _filled_in(leaf, wanted[0])):
            yield Ruling("pointers", Answer.REFUSE, f"the server would store another value at {leaf.pointer}")
        elif not any(matches(leaf.pointer, pattern) for pattern in free):
            yield Ruling("pointers", Answer.NEEDS_APPROVAL, f"{leaf.pointer} is changed only when a person agrees")


def _patterns(view: View) -> tuple[Mapping[str, tuple[str, ...]], Mapping[str, tuple[str, ...]]]:
    """What may be changed by kind, freely and with approval: more, where the object is made anew anyway."""
    if isinstance(view.proposal.action, Recreate):
        return view.policy.recreated_pointers, view.policy.recreated_with_approval
    return view.policy.allowed_pointers, view.policy.approval_pointers


def _asked(live: Manifest, edit: SetField) -> tuple[list[str], Any]:
    """Where an edit leads and what it wants to stand there."""
    place, value = edited(live, edit.path, ABSENT if edit.value is None else edit.value)
    return [str(part) for part in place], value


def _allows(pattern: str, place: Sequence[str]) -> bool:
    """Whether a pattern allows a place, or what is below it: an edit may set a structure or a list as a whole."""
    want = parts_of(pattern)
    if len(place) >= len(want):
        return matches(pointer(place), pattern)
    return all(w in ("*", have) for w, have in zip(want, place, strict=False))


def _filled_in(leaf: LeafChange, wanted: Any) -> bool:
    """Whether the server adds a default within what was asked for: nothing stood there, and nothing else was wanted."""
    return wanted is ABSENT and leaf.before is None


def _as_asked(stored: Any, asked: Any) -> bool:
    """Whether the server's form of a value is the value that was asked for; it canonicalises quantities."""
    if asked is ABSENT:
        return stored is None
    if stored == asked:
        return True
    try:
        return parse_bytes(stored) == parse_bytes(asked)
    except UnreadableQuantity:
        return False


def rollback(view: View) -> Iterator[Ruling]:
    """A rollback yields exactly the revision that was named, and touches nothing but the pod template."""
    action = view.proposal.action
    if not isinstance(action, RollBack) or view.answer is None:
        return
    if view.proposal.target.kind not in view.policy.rollback_kinds:
        yield Ruling("rollback", Answer.REFUSE, f"a {view.proposal.target.kind} may not be rolled back")
    if template_digest(view.answer["spec"]["template"]) != action.digest:
        yield Ruling("rollback", Answer.REFUSE, "the server would store another template than the revision's")
    for leaf in view.diff:
        if not matches(leaf.pointer, "/spec/template/**"):
            yield Ruling("rollback", Answer.REFUSE, f"{leaf.pointer} would change too")


def image_repository(view: View) -> Iterator[Ruling]:
    """An image comes from a repository that this workload uses or has used; or from an official one whose name was
    misspelt, or of that very name, spelled as it has to be."""
    if isinstance(view.proposal.action, RollBack):
        return
    for leaf in view.diff:
        if not leaf.pointer.endswith("/image"):
            continue
        try:
            new = parse_image(str(leaf.after))
        except ImageReferenceError as error:
            yield Ruling("image-repository", Answer.REFUSE, str(error))
            continue
        if (new.registry, new.repository) not in _repositories(view) and not _meant(leaf.before, new):
            yield Ruling("image-repository", Answer.REFUSE, f"this workload has never run an image of {new.name}")


def nothing_weakened(view: View) -> Iterator[Ruling]:
    """No probe, limit, security setting or whole container disappears to make a symptom go away.

    A rollback may take back what the failing revision had added; that is for a person to decide.
    """
    if view.answer is None:
        return
    answer = Answer.NEEDS_APPROVAL if isinstance(view.proposal.action, RollBack) else Answer.REFUSE
    before, after = _guarded_fields(view.live), _guarded_fields(view.answer)
    for place in sorted(before - after):
        yield Ruling("nothing-weakened", answer, f"{place} would be removed")
    if int(view.answer.get("spec", {}).get("replicas", 1)) == 0 != int(view.live.get("spec", {}).get("replicas", 1)):
        yield Ruling("nothing-weakened", Answer.REFUSE, "the workload would be scaled to zero")


def _guarded_fields(manifest: Manifest) -> set[str]:
    spec = pod_template(manifest).get("spec", {}) if manifest.get("kind") in WORKLOADS else {}
    fields = {"securityContext"} if spec.get("securityContext") else set()
    for container in [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]:
        name = container.get("name")
        fields.add(f"container {name}")
        for key in ("livenessProbe", "readinessProbe", "startupProbe", "securityContext"):
            if container.get(key):
                fields.add(f"{key} of container {name}")
        fields |= {f"{limit} limit of container {name}" for limit in container.get("resources", {}).get("limits") or {}}
    return fields


def _repositories(view: View) -> set[tuple[str, str]]:
    return {
        place
        for template in view.templates()
        for container in _containers(template)
        if (place := _repository(container.get("image"))) is not None
    }


def _meant(before: object, new: ImageReference) -> bool:
    """Whether what stood there is no name of an image and can only have been this one, or is a slip of an official
    image's name and differs in nothing else."""
    try:
        old = parse_image(str(before))
    except ImageReferenceError:
        return respelled(str(before)) == new
    same = (old.registry, old.tag, old.digest) == (new.registry, new.tag, new.digest)
    return same and is_official(new) and meant_by(old) == new.repository.rpartition("/")[2]


def _containers(template: Manifest) -> list[dict[str, Any]]:
    spec = template.get("spec", {})
    return [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]


def _repository(image: object) -> tuple[str, str] | None:
    try:
        parsed = parse_image(str(image))
    except ImageReferenceError:
        return None
    return parsed.registry, parsed.repository
