"""Programs that the API server refuses: who was refused what, and what its ServiceAccount may do.

Rules: staging/src/k8s.io/apiserver/pkg/endpoints/handlers/responsewriters (``User "x" cannot list resource "y" in API
group "z"``), and rbac.authorization.k8s.io/v1. The program holds no right over Roles and wants none: the smallest rule
that is missing is told, or the binding that gives it to somebody else, for a person to grant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from incidents.evidence import Evidence
from incidents.incident import Round
from incidents.objects import ROLE, ROLE_BINDING, WORKLOADS, Manifest
from incidents.proposals import Diagnosis, Needs, Opinion, Silent
from incidents.symptoms import Symptom
from playbooks.edits import named, wanting
from playbooks.granting import DEFAULT_ACCOUNT, Refusal, grant

FAMILY = "permissions"
SYMPTOMS = (Symptom.CRASH_LOOP, Symptom.NOT_READY, Symptom.ROLLOUT_STUCK, Symptom.JOB_FAILED)
SUBJECTS = tuple(WORKLOADS)

_REFUSED = re.compile(
    r'cannot (?P<verb>[a-z]+) resource \\?"(?P<resource>[a-z0-9./-]+)\\?" in API group \\?"(?P<group>[a-z0-9.-]*)\\?"'
    r'(?: in the namespace \\?"(?P<namespace>[a-z0-9-]+)\\?"| at the cluster scope)?'
)


def consider(evidence: Evidence, rounds: Sequence[Round]) -> Silent | Needs | Opinion:
    """What the log says the program was refused."""
    if not set(SYMPTOMS) & evidence.health.symptoms:
        return Silent("nothing here fails that a refusal could explain")
    match = next((found for excerpt in evidence.logs if (found := _REFUSED.search(excerpt.text))), None)
    if match is None:
        return Silent("no log tells of a refusal by the API server")
    if match["namespace"] == evidence.subject.namespace and (needs := wanting(evidence, ROLE.kind, ROLE_BINDING.kind)):
        return needs
    return Silent("what may be done in a cluster is for a person to grant", _told(evidence, match))


def _told(evidence: Evidence, match: re.Match[str]) -> Diagnosis:
    account = evidence.pod_spec.get("serviceAccountName") or DEFAULT_ACCOUNT
    where = f"in namespace {match['namespace']}" if match["namespace"] else "in the whole cluster"
    group = f" of {match['group']}" if match["group"] else ""
    rule = f'apiGroups: ["{match["group"]}"], resources: [{match["resource"]}], verbs: [{match["verb"]}]'
    said = Diagnosis(
        family=FAMILY,
        cause=f"ServiceAccount {account} may not {match['verb']} {match['resource']}{group} {where}",
        confidence=0.95,
        rests_on=(f"its log says: {match.group(0)[:200]}", f"the smallest rule that is missing: {rule}"),
    )
    if match["namespace"] != evidence.subject.namespace:
        return said
    found = "; ".join(list(_bindings(evidence, account, match))[:2])
    cause = f"{said.cause}: {found}" if found else said.cause
    if account == DEFAULT_ACCOUNT:
        own = "that account is of every pod here that names none: it needs a ServiceAccount of its own to be granted to"
        said = msgspec.structs.replace(said, rests_on=(*said.rests_on, own))
    return msgspec.structs.replace(said, cause=cause, by_hand=_commands(evidence, str(account), match))


def _commands(evidence: Evidence, account: str, match: re.Match[str]) -> tuple[str, ...]:
    """The smallest grant; none where Roles and bindings could not be read, or several could be meant."""
    bindings, roles = evidence.listed(ROLE_BINDING.kind), evidence.listed(ROLE.kind)
    if bindings is None or roles is None:
        return ()
    ours = [one for one in bindings if _binds(one, account, evidence.subject.namespace)]
    names = {str((one.get("roleRef") or {}).get("name")) for one in ours if _refers_to_role(one)}
    refusal = Refusal(
        namespace=evidence.subject.namespace,
        account=account,
        verb=match["verb"],
        resource=match["resource"],
        group=match["group"],
    )
    if len(names) > 1:
        return ()
    bound = next(iter(names), "")
    role = named(roles, bound) if bound else None
    if role is not None and _allows(role, match):
        return ()  # it was granted in the meantime
    if role is not None and any(not _is(one, account, refusal.namespace) for one in _subjects(bindings, bound)):
        return grant(refusal)  # a rule of a Role that others are bound to would be theirs as well
    return grant(refusal, role, missing_role=bound if role is None else "")


def _bindings(evidence: Evidence, account: str, match: re.Match[str]) -> Iterator[str]:
    """What the bindings of the namespace have to do with it, as far as they may be read."""
    for binding in evidence.listed(ROLE_BINDING.kind) or ():
        to, name = binding.get("roleRef") or {}, binding["metadata"]["name"]
        role = named(evidence.listed(ROLE.kind), str(to.get("name"))) if to.get("kind") == ROLE.kind else None
        ours = _binds(binding, account, evidence.subject.namespace)
        if ours and role is None and to.get("kind") == ROLE.kind and evidence.listed(ROLE.kind) is not None:
            yield f"RoleBinding {name} gives it the Role {to.get('name')}, which does not exist"
        elif ours and role is not None and not _allows(role, match):
            yield f"RoleBinding {name} gives it the Role {to.get('name')}, which has no such rule"
        elif not ours and role is not None and _allows(role, match):
            others = ", ".join(f"{one.get('kind')} {one.get('name')}" for one in binding.get("subjects") or ())
            yield f"RoleBinding {name} gives the Role {to.get('name')}, which allows it, to {others or 'nobody'}"


def _binds(binding: Manifest, account: str, namespace: str) -> bool:
    return any(_is(one, account, namespace) for one in binding.get("subjects") or ())


def _subjects(bindings: Sequence[Manifest], role: str) -> Iterator[Manifest]:
    for binding in bindings:
        if _refers_to_role(binding) and binding["roleRef"].get("name") == role:
            yield from binding.get("subjects") or ()


def _refers_to_role(binding: Manifest) -> bool:
    return (binding.get("roleRef") or {}).get("kind") == ROLE.kind


def _is(subject: Manifest, account: str, namespace: str) -> bool:
    return (subject.get("kind"), subject.get("name"), subject.get("namespace")) == (
        "ServiceAccount",
        account,
        namespace,
    )


def _allows(role: Manifest, match: re.Match[str]) -> bool:
    wanted = (("apiGroups", match["group"]), ("resources", match["resource"]), ("verbs", match["verb"]))
    return any(
        not rule.get("resourceNames") and all({"*", word} & set(rule.get(field) or ()) for field, word in wanted)
        for rule in role.get("rules") or ()
    )
