"""Nobody gives more than they have: the check on roles and bindings, as RBAC of Kubernetes v1.36 makes it.

Who writes a role has to hold every right in it, and who binds a role every right of that role, unless the verb
`escalate` or `bind` on it is allowed to them. Owns what covers what and the words of the refusal
(`pkg/registry/rbac/validation`); which roles somebody has is `rbac`'s.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from simulator.apiserver import status_errors
from simulator.apiserver.authentication import Identity
from simulator.apiserver.call import Call
from simulator.apiserver.kinds import Kind
from simulator.apiserver.objects import Object, at, metadata, name_of, namespace_of
from simulator.apiserver.rbac import GROUP, MASTERS, Attributes, RoleAuthorizer

_ROLES, _BINDINGS = ("roles", "clusterroles"), ("rolebindings", "clusterrolebindings")
_HOUSEKEEPING = ("ownerReferences", "finalizers", "managedFields", "resourceVersion")
_EVERYTHING = ({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}, {"nonResourceURLs": ["*"], "verbs": ["*"]})


@dataclass(frozen=True)
class _Right:
    """One rule taken apart: of every list one member; of `verbs` several, once rights are told together."""

    verbs: tuple[str, ...]
    group: str = ""
    resource: str = ""
    name: str = ""
    url: str = ""

    def covered_by(self, rule: Object) -> bool:
        """Whether a rule that somebody holds allows all of it."""
        verbs = rule.get("verbs") or ()
        if "*" not in verbs and not set(self.verbs) <= set(verbs):
            return False
        if self.url:
            return any(_url_covers(url, self.url) for url in rule.get("nonResourceURLs") or ())
        groups, names = rule.get("apiGroups") or (), rule.get("resourceNames") or ()
        return (
            ("*" in groups or self.group in groups)
            and _resource_covers(rule.get("resources") or (), self.resource)
            and (not names or self.name in names)
        )

    def __str__(self) -> str:
        parts = [("NonResourceURLs", (self.url,))] if self.url else [
            ("APIGroups", (self.group,)), ("Resources", (self.resource,)),
            ("ResourceNames", (self.name,) if self.name else ()),
        ]  # fmt: skip
        shown = [f"{word}:{_quoted(listed)}" for word, listed in [*parts, ("Verbs", self.verbs)] if listed]
        return "{" + ", ".join(shown) + "}"


class Escalation:
    """Judges what is written into roles and bindings."""

    def __init__(self, authorizer: RoleAuthorizer) -> None:
        self._authorizer = authorizer

    def check(self, call: Call, new: Object, old: Object | None) -> None:
        """Of a new object or one in the place of `old`. Raises StatusError 403, 404 for a binding to no role."""
        if call.kind.group != GROUP or MASTERS in call.who.groups:
            return
        if old is not None and _comparable(new) == _comparable(old):
            return
        if call.kind.plural in _ROLES:
            self._check_role(call, new, old or {})
        elif call.kind.plural in _BINDINGS:
            self._check_binding(call.kind, new, call.who)

    def _check_role(self, call: Call, new: Object, old: Object) -> None:
        kind, who = call.kind, call.who
        wanted = Attributes("escalate", GROUP, kind.plural, "", call.target.name, namespace_of(new))
        if self._authorizer.decide(who, wanted).allowed:
            return
        self._refuse_missing(kind, new, new.get("rules") or (), who)
        if (new.get("aggregationRule") or old.get("aggregationRule")) and self._missing(_EVERYTHING, who, ""):
            why = "must have cluster-admin privileges to use the aggregationRule"
            raise status_errors.forbidden(kind, name_of(new), why)

    def _check_binding(self, kind: Kind, new: Object, who: Identity) -> None:
        plural, role = f"{str(at(new, 'roleRef.kind')).lower()}s", str(at(new, "roleRef.name"))
        if self._authorizer.decide(who, Attributes("bind", GROUP, plural, "", role, namespace_of(new))).allowed:
            return
        rules = self._authorizer.rules_of(plural, role, namespace_of(new))
        if rules is None:
            raise status_errors.not_found(kind, role)
        self._refuse_missing(kind, new, rules, who)

    def _refuse_missing(self, kind: Kind, new: Object, rules: Iterable[Object], who: Identity) -> None:
        missing = self._missing(rules, who, namespace_of(new))
        if missing:
            lines = "\n".join(sorted({str(one) for one in _together(missing)}))
            giver = f'user "{who.name}" (groups={_quoted(who.groups)})'
            why = f"{giver} is attempting to grant RBAC permissions not currently held:\n{lines}"
            raise status_errors.forbidden(kind, name_of(new), why)

    def _missing(self, rules: Iterable[Object], who: Identity, namespace: str) -> list[_Right]:
        held = [rule for grant in self._authorizer.grants(who, namespace) for rule in grant.rules or ()]
        return [right for rule in rules for right in _rights(rule) if not any(right.covered_by(one) for one in held)]


def _comparable(obj: Object) -> Object:
    """Without what a garbage collector may write: whoever changes no more than that gives nothing."""
    meta = {key: value for key, value in metadata(obj).items() if key not in _HOUSEKEEPING}
    return obj | {"metadata": meta}


def _quoted(words: Iterable[str]) -> str:
    """As Go's %q prints a list."""
    return "[" + " ".join(f'"{one}"' for one in words) + "]"


def _rights(rule: Object) -> Iterator[_Right]:
    """A rule taken apart, in the real server's order."""
    verbs = rule.get("verbs") or ()
    for group in rule.get("apiGroups") or ():
        for resource in rule.get("resources") or ():
            for verb in verbs:
                for name in rule.get("resourceNames") or ("",):
                    yield _Right((verb,), group, resource, name)
    for url in rule.get("nonResourceURLs") or ():
        for verb in verbs:
            yield _Right((verb,), url=url)


def _together(rights: Iterable[_Right]) -> Iterator[_Right]:
    """Rights to the same thing told as one; those to paths stay apart."""
    found: dict[_Right, tuple[str, ...]] = {}
    for right in rights:
        if right.url:
            yield right
        else:
            about = replace(right, verbs=())
            found[about] = found.get(about, ()) + right.verbs
    yield from (replace(about, verbs=verbs) for about, verbs in found.items())


def _resource_covers(listed: Iterable[str], wanted: str) -> bool:
    held, (_, slash, part) = set(listed), wanted.partition("/")
    return "*" in held or wanted in held or bool(slash and f"*/{part}" in held)


def _url_covers(url: str, wanted: str) -> bool:
    return url == wanted or (url.endswith("*") and wanted.startswith(url.rstrip("*")))
