"""Rules on making an object anew, and on creating one that is missing.

Deleting is the one thing that a patch cannot do wrong, so that here every kind, every owner and every state in which an
object may hold something is named: what is not known to hold nothing is not deleted. That it holds nothing is judged
here on what was read; the deletion itself is bound to that very version.
"""

from __future__ import annotations

from collections.abc import Iterator

from incidents.moving import MIRROR
from incidents.objects import JOB, POD
from incidents.patch import leaf_diff, meaningful
from incidents.policy import Answer, Ruling
from incidents.proposals import Create, Recreate
from remediation.anew import holds
from remediation.guardrails.view import View

_HELD_BY = frozenset({"kubernetes.io/pvc-protection"})  # lets go by itself once no pod that runs uses the claim
_NAMED = frozenset({"name", "namespace"})


def made_anew(view: View) -> Iterator[Ruling]:
    """Only what is nobody else's, is of a kind that may be, and holds nothing is deleted and created again."""
    if not isinstance(view.proposal.action, Recreate):
        return
    for because in _reasons(view):
        yield Ruling("made-anew", Answer.REFUSE, because)


def _reasons(view: View) -> Iterator[str]:
    live, kind = view.live, view.proposal.target.kind
    metadata = live["metadata"]
    if kind not in view.policy.recreated_pointers:
        yield f"a {kind} is not deleted to make it anew"
    for owner in (metadata.get("ownerReferences") or ())[:1]:
        yield f"it belongs to {owner.get('kind')} {owner.get('name')}, which is to be changed instead"
    foreign = sorted(set(metadata.get("finalizers") or ()) - _HELD_BY)
    if foreign:
        yield f"{foreign[0]} has to agree before it is gone"
    if because := holds(live):
        yield because
    spec = live.get("spec") or {}
    if kind == JOB.kind and spec.get("manualSelector"):
        yield "its selector was written by hand: it may have pods that are not its own"
    if kind == POD.kind and (spec.get("ephemeralContainers") or MIRROR in (metadata.get("annotations") or {})):
        yield "somebody is looking into it, or it is a static pod"


def created(view: View) -> Iterator[Ruling]:
    """What is missing is created only by name, without anything in it, and only if a person agrees."""
    action = view.proposal.action
    if not isinstance(action, Create):
        return
    target, manifest = view.proposal.target, action.manifest
    metadata = manifest.get("metadata") or {}
    if target.kind not in view.policy.created_kinds:
        yield Ruling("created", Answer.REFUSE, f"a {target.kind} is not created")
    meant = (manifest.get("apiVersion"), manifest.get("kind"), metadata.get("namespace"), metadata.get("name"))
    if meant != (target.api_version, target.kind, target.namespace, target.name):
        yield Ruling("created", Answer.REFUSE, "what would be created is not what is missing")
    if set(manifest) != {"apiVersion", "kind", "metadata"} or not set(metadata) <= _NAMED:
        yield Ruling("created", Answer.REFUSE, "it would be created with more than its name")
    yield Ruling("created", Answer.NEEDS_APPROVAL, f"whether there is to be a {target} is for a person to say")


def as_asked(view: View) -> Iterator[Ruling]:
    """What the server would create is what was asked for, and nothing more."""
    action = view.proposal.action
    if not isinstance(action, Create) or view.answer is None:
        return
    for leaf in leaf_diff(meaningful(action.manifest), view.answer):
        yield Ruling("created", Answer.REFUSE, f"the server would add {leaf.pointer}")
