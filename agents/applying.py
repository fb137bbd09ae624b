"""The command by which a person makes a proposed change: complete, and refused where the object is another by now.

The change is told exactly, so the command is exact too: a JSON Patch that tests what it replaces. It is told only
where it says the whole of the change and nothing in it may be secret.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence

from evidence.redaction import mask_text
from incidents.changes import LeafChange
from incidents.masking import is_masked
from incidents.objects import JOB, NODE, SERVICE_ACCOUNT, ObjectRef
from incidents.proposals import Create, Drain, Proposal, Recreate, SetField

_OFTEN_SECRET = re.compile(r"[\"/](?:env|args|command|httpHeaders)[\"/]")  # as a key or within a pointer
_NOT_OURS = re.compile(
    r"^/(?:status\b|metadata/(?:annotations/k8s-auto-fixer~1|generation|managedFields|resourceVersion))"
)
_LONGEST = 1500  # characters of a command that somebody may be expected to read before copying it


def may_be_secret(command: str) -> bool:
    """Whether a command may carry what must not leave."""
    return _OFTEN_SECRET.search(command) is not None or mask_text(command) != command or is_masked(command)


def patch_command(target: ObjectRef, operations: Sequence[object]) -> str:
    """A kubectl command that applies a JSON Patch to an object."""
    body = shlex.quote(json.dumps(operations, separators=(",", ":")))
    namespace = f"-n {target.namespace} " if target.namespace else ""
    return f"kubectl {namespace}patch {target.kind.lower()} {target.name} --type=json -p {body}"


def command_of(proposal: Proposal, diff: Sequence[LeafChange]) -> str:
    """The command that makes a proposal as its difference is shown; empty where there is none that says all of it."""
    target = proposal.target
    match proposal.action:
        case Create() if target.kind == SERVICE_ACCOUNT.kind:
            return f"kubectl -n {target.namespace} create serviceaccount {target.name}"
        case Create():
            return ""
        case Drain():
            return ""  # `kubectl drain` would move more than was meant
        case [SetField(path="/spec/unschedulable", value=True)] if target.kind == NODE.kind:
            return f"kubectl cordon {target.name}"
        case Recreate() if target.kind == JOB.kind:
            return ""  # kubectl would send the selector that was made for the old one, and lose both
        case Recreate() if command := apply_command(target, diff):
            return f"{command} --dry-run=client -o json | kubectl replace --force -f -"
    return "" if isinstance(proposal.action, Recreate) else apply_command(target, diff)


def apply_command(target: ObjectRef, diff: Sequence[LeafChange]) -> str:
    """The command that makes a proposed change as it is shown; empty where there is none that says all of it."""
    leaves = [leaf for leaf in diff if not _NOT_OURS.match(leaf.pointer)]
    if not leaves or any(leaf.before is None for leaf in leaves):
        return ""  # what is added may have nothing above it yet
    operations = [one for leaf in leaves for one in _operations(leaf)]
    command = patch_command(target, operations)
    return "" if may_be_secret(command) or len(command) > _LONGEST else command


def _operations(leaf: LeafChange) -> list[dict[str, object]]:
    test: dict[str, object] = {"op": "test", "path": leaf.pointer, "value": leaf.before}
    if leaf.after is None:
        return [test, {"op": "remove", "path": leaf.pointer}]
    return [test, {"op": "replace", "path": leaf.pointer, "value": leaf.after}]
