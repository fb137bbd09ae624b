"""The smallest grant that would let a program do what it was refused, as commands for a person to run or not.

Only a person grants: the program has no right over Roles, and the API server would refuse it what it may not do itself.
What was refused is told by a log line, which anybody may have written who can write to that log. So nothing is worded
here that reads secrets, gets into containers or leads to other rights, whatever the line says: those are told alone.
Whoever makes or changes pods, or anything of which pods are made, has every Secret and every account of the namespace;
and which kinds of others make pods nobody can list. So of what writes, a few are worded that lead nowhere. And nothing
is granted to the account that every pod of the namespace has which names none.

Rules: rbac.authorization.k8s.io/v1 (a subresource is a right of its own; ``get`` on ``pods/exec`` is enough to run a
command), kubernetes.io/docs/concepts/security/rbac-good-practices (what leads to other rights).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from playbooks.by_hand import all_names, body, by_hand

DEFAULT_ACCOUNT = "default"
"""Its pods are all those of the namespace that name none: what it is granted, they all have."""

_READS = frozenset({"get", "list", "watch"})
_WRITES = frozenset({"create", "update", "patch", "delete"})
_SCALE = frozenset({"update", "patch"})
_READ_PARTS = frozenset({"", "log", "scale", "status"})  # all others get into a container, or hand out an identity
_WRITTEN: Mapping[tuple[str, str], frozenset[str]] = {
    ("coordination.k8s.io", "leases"): _WRITES,
    ("", "events"): frozenset({"create", "patch"}),
    ("events.k8s.io", "events"): frozenset({"create", "patch"}),
    ("", "configmaps"): frozenset({"create"}),  # who changes those of others says what their programs run
    ("apps", "deployments/scale"): _SCALE,
    ("apps", "replicasets/scale"): _SCALE,
    ("apps", "statefulsets/scale"): _SCALE,
}
_LEADS_ON = frozenset({"secrets", "serviceaccounts", "nodes", "persistentvolumes"})
_LEADS_ON_GROUPS = frozenset(
    {
        "admissionregistration.k8s.io",
        "authentication.k8s.io",
        "certificates.k8s.io",
        "rbac.authorization.k8s.io",
    }
)


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """What a ServiceAccount was refused in its own namespace."""

    namespace: str
    account: str
    verb: str
    resource: str
    group: str = ""

    @property
    def is_narrow(self) -> bool:
        """Whether a grant of just that leads to nothing else."""
        resource, _, part = self.resource.partition("/")
        if resource in _LEADS_ON or self.group in _LEADS_ON_GROUPS or "*" in (resource, part, self.group):
            return False
        if self.verb in _READS:
            return part in _READ_PARTS
        return self.verb in _WRITTEN.get((self.group, self.resource), ())

    @property
    def allows(self) -> str:
        """What whoever has the grant may do, in words."""
        group = f" of {self.group}" if self.group else ""
        return f"{self.verb} {self.resource}{group} in namespace {self.namespace}, every one of them"


def grant(refusal: Refusal, role: Mapping[str, Any] | None = None, *, missing_role: str = "") -> tuple[str, ...]:
    """The commands, each with what it means; none where the grant would be wide, or for the default account.

    ``role``: the Role that the account is bound to and that has no such rule. ``missing_role``: the name of one that it
    is bound to and that does not exist.
    """
    named = (
        refusal.account,
        missing_role or refusal.account,
        (role or {}).get("metadata", {}).get("name", "of-its-own"),
    )
    if not refusal.is_narrow or refusal.account == DEFAULT_ACCOUNT or not all_names(named):
        return ()
    if role is not None:
        return _rule_added(refusal, role)
    if missing_role:
        return _role_made(refusal, missing_role, "everybody who is bound to it")
    name = f"{refusal.account}-{refusal.verb}-{refusal.resource.replace('/', '-')}"
    subject = f"{refusal.namespace}:{refusal.account}"
    bound = ("create", "rolebinding", name, f"--role={name}", f"--serviceaccount={subject}")
    meaning = (
        f"it lets every pod of ServiceAccount {refusal.account} {refusal.allows}; that it needs to is said by its log"
    )
    made = _role_made(refusal, name, "nobody yet, until it is bound,")
    return (*made, *by_hand(meaning, *bound, namespace=refusal.namespace))


def _rule_added(refusal: Refusal, role: Mapping[str, Any]) -> tuple[str, ...]:
    rule = {"apiGroups": [refusal.group], "resources": [refusal.resource], "verbs": [refusal.verb]}
    add = {"op": "add", "path": "/rules/-", "value": rule} if role.get("rules") else _first(rule)
    words = ("patch", "role", str(role["metadata"]["name"]), "--type=json", "-p", body([add]))
    meaning = f"it lets everybody who is bound to Role {role['metadata']['name']} {refusal.allows}"
    return by_hand(f"{meaning}; that it is needed is said by a log", *words, namespace=refusal.namespace)


def _first(rule: dict[str, list[str]]) -> dict[str, object]:
    return {"op": "add", "path": "/rules", "value": [rule]}


def _role_made(refusal: Refusal, name: str, whom: str) -> tuple[str, ...]:
    resource, _, part = refusal.resource.partition("/")
    whole = resource + (f".{refusal.group}" if refusal.group else "") + (f"/{part}" if part else "")
    words = ("create", "role", name, f"--verb={refusal.verb}", f"--resource={whole}")
    return by_hand(f"a Role that lets {whom} {refusal.allows}", *words, namespace=refusal.namespace)
