"""Rules on what was asked, before anything is sent to the API server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from incidents.changes import CHANGE_ANNOTATION, UNTIL_ANNOTATION
from incidents.health import timestamp
from incidents.masking import is_masked
from incidents.policy import Answer, Mode, Ruling
from incidents.signals import clean
from remediation.guardrails.view import View

LONGEST_CLAIM = timedelta(hours=1)  # an `until` further off than any deadline of ours is not believed
LONGEST_DEADLINE = LONGEST_CLAIM - timedelta(minutes=5)  # less, because two clocks are never quite the same


def mode(view: View) -> Iterator[Ruling]:
    """observe refuses; suggest and approve leave it to a person; auto to the other rules."""
    match view.policy.mode:
        case Mode.OBSERVE:
            yield Ruling("mode", Answer.REFUSE, "observe: nothing is written")
        case Mode.SUGGEST:
            yield Ruling("mode", Answer.NEEDS_APPROVAL, "suggest: a person decides")
        case Mode.APPROVE:
            yield Ruling("mode", Answer.NEEDS_APPROVAL, "approve: a person is asked for every change")
        case Mode.AUTO:
            yield Ruling("mode", Answer.ALLOW, "auto")


def namespace(view: View) -> Iterator[Ruling]:
    """Only namespaces the policy covers."""
    if not view.policy.covers(view.proposal.target.namespace):
        yield Ruling("namespace", Answer.REFUSE, f"namespace {view.proposal.target.namespace} is not to be touched")


def confidence(view: View) -> Iterator[Ruling]:
    """Nothing that is not certain enough."""
    have, want = view.proposal.confidence, view.policy.min_confidence
    if have < want:
        yield Ruling("confidence", Answer.NEEDS_APPROVAL, f"confidence {have:.2f} is below {want:.2f}")


def model_proposal(view: View) -> Iterator[Ruling]:
    """What a model has proposed is for a person to decide, unless the policy says otherwise."""
    if view.proposal.by_model and not view.policy.model_auto:
        yield Ruling("model-proposal", Answer.NEEDS_APPROVAL, "a model proposed it: a person decides")


def masked(view: View) -> Iterator[Ruling]:
    """What the evidence masks was never read, and the mask itself is nothing to write."""
    for edit in view.proposal.edits:
        if is_masked(edit.value):
            yield Ruling("masked", Answer.REFUSE, f"{clean(edit.path, 200)} would be set to what is masked here")


def manager(view: View) -> Iterator[Ruling]:
    """What an operator above would put back is not fought."""
    if view.manager:
        yield Ruling("manager", Answer.REFUSE, f"{view.manager} manages it and would put the change back")


def terminating(view: View) -> Iterator[Ruling]:
    """What is being deleted is left alone; what another incident is making anew just now is waited for."""
    if not view.live["metadata"].get("deletionTimestamp"):
        return
    uid = view.live["metadata"]["uid"]
    if any(change.between and change.concerns(uid) for change in view.recent):
        soon = view.now + timedelta(seconds=view.windows.beside)
        yield Ruling("terminating", Answer.DEFER, "another incident is making it anew", soon)
    else:
        yield Ruling("terminating", Answer.REFUSE, "the object is being deleted")


def paused(view: View) -> Iterator[Ruling]:
    """A paused rollout is somebody's decision; a change would not roll out, but one that resumes it."""
    if view.live.get("spec", {}).get("paused") and view.proposal.paths != {"/spec/paused"}:
        yield Ruling("paused", Answer.REFUSE, "the rollout is paused")


def edited_since(view: View) -> Iterator[Ruling]:
    """The evidence must be about the spec that stands."""
    generation = int(view.live["metadata"].get("generation", 0))
    if generation != view.read_generation:
        yield Ruling("edited-since", Answer.DEFER, "somebody has changed the spec since the evidence was read")


def foreign_change(view: View) -> Iterator[Ruling]:
    """Another fixer's change that is still being verified is waited for."""
    annotations = view.live["metadata"].get("annotations") or {}
    change, until = annotations.get(CHANGE_ANNOTATION), timestamp(annotations.get(UNTIL_ANNOTATION))
    if change is None or until is None or change in view.known | {own.id for own in view.earlier}:
        return
    if until.tzinfo is not None and view.now < until < view.now + LONGEST_CLAIM:
        yield Ruling(
            "foreign-change", Answer.DEFER, f"change {clean(change, 64)} is being verified until {until}", until
        )
