"""Who may do what: Roles, ClusterRoles and their bindings, read from the store at each question.

As `plugin/pkg/auth/authorizer/rbac` of Kubernetes v1.36 decides; members of system:masters may do everything.
Aggregated ClusterRoles are put together when they are asked, not by a controller. That nobody grants more than they
hold is `escalation`'s.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from simulator.apiserver.authentication import Identity
from simulator.apiserver.kinds import Kind, find
from simulator.apiserver.objects import Object, at, items_at, metadata, name_of
from simulator.apiserver.selectors import LabelSelector
from simulator.apiserver.store import Store

GROUP = "rbac.authorization.k8s.io"
MASTERS = "system:masters"
_USER, _GROUP, _ACCOUNT = "User", "Group", "ServiceAccount"


@dataclass(frozen=True)
class Attributes:
    """One thing that somebody wants to do: with a resource, or (`path`) with a path that is none."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""
    namespace: str = ""
    path: str = ""

    @property
    def whole_resource(self) -> str:
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


@dataclass(frozen=True)
class Decision:
    """`reason` says by which binding it is allowed, or which role a binding names in vain."""

    allowed: bool
    reason: str = ""


@dataclass(frozen=True)
class Grant:
    """A role that somebody has through a binding; `rules` None for a role that is not there."""

    rules: list[Object] | None
    reason: str


class RoleAuthorizer:
    """Answers from the objects as they stand."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def decide(self, who: Identity, wanted: Attributes) -> Decision:
        if MASTERS in who.groups:
            return Decision(allowed=True)
        missing = []
        for grant in self.grants(who, wanted.namespace):
            if grant.rules is None:
                missing.append(grant.reason)
            elif any(_allows(rule, wanted) for rule in grant.rules):
                return Decision(allowed=True, reason=f"RBAC: allowed by {grant.reason}")
        return Decision(allowed=False, reason=_told(missing))

    def grants(self, who: Identity, namespace: str) -> Iterator[Grant]:
        """Everything granted to somebody: everywhere, then in the namespace."""
        for binding in self._all("clusterrolebindings"):
            yield from self._through(binding, who, "")
        if namespace:
            for binding in self._all("rolebindings", namespace):
                yield from self._through(binding, who, namespace)

    def _through(self, binding: Object, who: Identity, namespace: str) -> Iterator[Grant]:
        subject = next((one for one in items_at(binding, "subjects") if _is(one, who, namespace)), None)
        if subject is None:
            return
        kind, name = str(at(binding, "roleRef.kind")), str(at(binding, "roleRef.name"))
        rules = self.rules_of(f"{kind.lower()}s", name, namespace)
        if rules is None:
            yield Grant(None, f'{kind.lower()}.{GROUP} "{name}" not found')
            return
        shown, who_word = name_of(binding), str(subject.get("name"))
        if namespace:
            shown = f"{shown}/{namespace}"
        if subject.get("kind") == _ACCOUNT:
            who_word = f"{who_word}/{subject.get('namespace') or namespace}"
        word = "RoleBinding" if namespace else "ClusterRoleBinding"
        yield Grant(rules, f'{word} "{shown}" of {kind} "{name}" to {subject.get("kind")} "{who_word}"')

    def rules_of(self, plural: str, name: str, namespace: str) -> list[Object] | None:
        """What a role allows; None if it is not there. A ClusterRole is asked for with any namespace."""
        place = namespace if plural == "roles" else ""
        role = next((one for one in self._all(plural, place) if name_of(one) == name), None)
        return None if role is None else self._rules(role)

    def _rules(self, role: Object) -> list[Object]:
        rules = list(role.get("rules") or ())
        for wanted in items_at(role, "aggregationRule.clusterRoleSelectors"):
            selector = LabelSelector.of_object(wanted)
            for other in self._all("clusterroles"):
                if other is not role and selector.matches(metadata(other).get("labels")):
                    rules += [rule for rule in other.get("rules") or () if rule not in rules]
        return rules

    def _all(self, plural: str, namespace: str | None = None) -> Iterator[Object]:
        kind: Kind | None = find(GROUP, "v1", plural)
        if kind is not None:
            for _, stored in self._store.of(kind).entries(namespace):
                yield stored.body


def _told(missing: list[str]) -> str:
    if not missing:
        return ""
    return f"RBAC: {missing[0]}" if len(missing) == 1 else f"RBAC: [{', '.join(missing)}]"


def _is(subject: Object, who: Identity, namespace: str) -> bool:
    name = subject.get("name")
    if subject.get("kind") == _GROUP:
        return name in who.groups
    if subject.get("kind") == _ACCOUNT:
        return who.name == f"system:serviceaccount:{subject.get('namespace') or namespace}:{name}"
    return subject.get("kind") == _USER and name == who.name


def _allows(rule: Object, wanted: Attributes) -> bool:
    if not _among(wanted.verb, rule.get("verbs")):
        return False
    if wanted.path:
        return any(_covers(url, wanted.path) for url in rule.get("nonResourceURLs") or ())
    names = rule.get("resourceNames")
    return (
        _among(wanted.group, rule.get("apiGroups"))
        and _has_resource(rule.get("resources") or (), wanted)
        and (not names or wanted.name in names)
    )


def _among(word: str, listed: list[str] | None) -> bool:
    return listed is not None and ("*" in listed or word in listed)


def _has_resource(listed: Sequence[str], wanted: Attributes) -> bool:
    if "*" in listed or wanted.whole_resource in listed:
        return True
    return bool(wanted.subresource) and f"*/{wanted.subresource}" in listed


def _covers(url: str, path: str) -> bool:
    return url in ("*", path) or (url.endswith("*") and path.startswith(url.rstrip("*")))
