"""Rules on what would happen: the leaf difference between the live object and the server's dry-run answer.

Webhooks and defaults are in that difference, and so is a rollback's whole template.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from incidents.images import ImageReferenceError, parse_image
from incidents.objects import Manifest
from incidents.patch import meaningful
from incidents.pointers import matches, pointer, resolve
from incidents.policy import Answer, Ruling
from incidents.proposals import RollBack
from incidents.quantities import UnreadableQuantity, format_bytes, parse_bytes
from incidents.snapshot import template_digest
from remediation.guardrails.view import View


def something_happens(view: View) -> Iterator[Ruling]:
    """A change that changes nothing is not applied."""
    if not view.diff:
        yield Ruling("no-difference", Answer.REFUSE, "the server says that nothing would change")


def pointers(view: View) -> Iterator[Ruling]:
    """Every leaf that would differ is allowed for the kind, and was asked for."""
    if isinstance(view.proposal.action, RollBack):
        return
    allowed = view.policy.allowed_pointers.get(view.proposal.target.kind, ())
    asked = {pointer(resolve(view.live, edit.path)): edit.value for edit in view.proposal.action}
    for place in asked:  # the difference leaves out what the server keeps by itself, an asker may not
        if not any(matches(place, pattern) for pattern in allowed):
            yield Ruling("pointers", Answer.REFUSE, f"{place} may not be changed")
    for leaf in view.diff:
        if not any(matches(leaf.pointer, pattern) for pattern in allowed):
            yield Ruling("pointers", Answer.REFUSE, f"{leaf.pointer} may not be changed")
        elif leaf.pointer not in asked:
            yield Ruling("pointers", Answer.REFUSE, f"{leaf.pointer} would change too, and nobody asked for it")
        elif not _as_asked(leaf.after, asked[leaf.pointer]):
            yield Ruling("pointers", Answer.REFUSE, f"the server would store another value at {leaf.pointer}")


def _as_asked(stored: Any, asked: Any) -> bool:
    """Whether the server's form of a value is the value that was asked for; it canonicalises quantities."""
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


def memory(view: View) -> Iterator[Ruling]:
    """Memory goes up by a bounded factor of what it was before the incident, to a bounded number of bytes."""
    if isinstance(view.proposal.action, RollBack):
        return
    bounds = view.policy.bounds
    for leaf in view.diff:
        if not leaf.pointer.endswith("/memory"):
            continue
        try:
            old, new = parse_bytes(view.original(leaf.pointer, leaf.before)), parse_bytes(leaf.after)
        except UnreadableQuantity as error:
            yield Ruling("memory", Answer.REFUSE, f"{leaf.pointer}: {error}")
            continue
        if new < old:
            yield Ruling("memory", Answer.REFUSE, f"{leaf.pointer} would go down")
        if new > old * bounds.memory_factor:
            yield Ruling("memory", Answer.REFUSE, f"{leaf.pointer} would be more than {bounds.memory_factor:g} times")
        if new > bounds.memory_bytes:
            yield Ruling("memory", Answer.REFUSE, f"{leaf.pointer} would exceed {format_bytes(bounds.memory_bytes)}")


def image_repository(view: View) -> Iterator[Ruling]:
    """An image comes from a repository that this workload uses or has used."""
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
        if (new.registry, new.repository) not in _repositories(view):
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
    spec = meaningful(manifest).get("spec", {}).get("template", {}).get("spec", {})
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


def _containers(template: Manifest) -> list[dict[str, Any]]:
    spec = template.get("spec", {})
    return [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]


def _repository(image: object) -> tuple[str, str] | None:
    try:
        parsed = parse_image(str(image))
    except ImageReferenceError:
        return None
    return parsed.registry, parsed.repository
