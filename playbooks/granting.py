"""The smallest grant that would let a program do what it was refused, as commands for a person to run or not.

Only a person grants: the program has no right over Roles, and the API server would refuse it what it may not do itself.
What was refused is told by a log line, which anybody may have written who can write to that log. So nothing is worded
here that reads secrets, gets into containers or leads to other rights, whatever the line says: those are told alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from playbooks.by_hand import body, kubectl

VERBS = frozenset({"get", "list", "watch", "create", "update", "patch", "delete"})
_LEADS_ON = frozenset(
    {
        "secrets",
        "serviceaccounts",
        "serviceaccounts/token",
        "pods/exec",
        "pods/attach",
        "pods/portforward",
        "nodes/proxy",
    }
)
_LEADS_ON_GROUPS = frozenset({"rbac.authorization.k8s.io", "authentication.k8s.io", "certificates.k8s.io"})


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
        leads_on = self.resource in _LEADS_ON or self.group in _LEADS_ON_GROUPS
        return self.verb in VERBS and not leads_on and "*" not in (self.resource, self.group)


def grant(refusal: Refusal, role: Mapping[str, Any] | None = None, *, missing_role: str = "") -> tuple[str, ...]:
    """The commands; none where the grant would be wide.

    ``role``: the Role that the account is bound to and that has no such rule. ``missing_role``: the name of one that it
    is bound to and that does not exist.
    """
    if not refusal.is_narrow:
        return ()
    if role is not None:
        return (_rule_added(refusal, role),)
    if missing_role:
        return (_role_made(refusal, missing_role),)
    name = f"{refusal.account}-{refusal.verb}-{refusal.resource.replace('/', '-')}"
    subject = f"{refusal.namespace}:{refusal.account}"
    bound = ("create", "rolebinding", name, f"--role={name}", f"--serviceaccount={subject}")
    return (_role_made(refusal, name), kubectl(*bound, namespace=refusal.namespace))


def _rule_added(refusal: Refusal, role: Mapping[str, Any]) -> str:
    rule = {"apiGroups": [refusal.group], "resources": [refusal.resource], "verbs": [refusal.verb]}
    add = {"op": "add", "path": "/rules/-", "value": rule} if role.get("rules") else _first(rule)
    words = ("patch", "role", str(role["metadata"]["name"]), "--type=json", "-p", body([add]))
    return kubectl(*words, namespace=refusal.namespace)


def _first(rule: dict[str, list[str]]) -> dict[str, object]:
    return {"op": "add", "path": "/rules", "value": [rule]}


def _role_made(refusal: Refusal, name: str) -> str:
    resource, _, part = refusal.resource.partition("/")
    whole = resource + (f".{refusal.group}" if refusal.group else "") + (f"/{part}" if part else "")
    words = ("create", "role", name, f"--verb={refusal.verb}", f"--resource={whole}")
    return kubectl(*words, namespace=refusal.namespace)
