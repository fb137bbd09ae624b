"""Roles and their bindings (`pkg/apis/rbac`, Kubernetes v1.36)."""

from collections.abc import Iterator

from simulator.apiserver.field_errors import FieldError, invalid_value, required, unsupported
from simulator.apiserver.names import subdomain_problems
from simulator.apiserver.objects import Object, at
from simulator.apiserver.strategies.forms import fits, one_of
from simulator.apiserver.strategies.strategy import Strategy

_GROUP = "rbac.authorization.k8s.io"
_SUBJECTS = ("ServiceAccount", "User", "Group")


def _validate_role(obj: Object) -> Iterator[FieldError]:
    namespaced = obj.get("kind") == "Role"
    for index, rule in enumerate(obj.get("rules") or ()):
        yield from _rule(rule, f"rules[{index}]", namespaced=namespaced)
    if obj.get("aggregationRule") is not None and not at(obj, "aggregationRule.clusterRoleSelectors"):
        why = "at least one clusterRoleSelector required if aggregationRule is non-nil"
        yield required("aggregationRule.clusterRoleSelectors", why)


def _rule(rule: Object, where: str, *, namespaced: bool) -> Iterator[FieldError]:
    urls = rule.get("nonResourceURLs")
    if not rule.get("verbs"):
        yield required(f"{where}.verbs", "verbs must contain at least one value")
    if urls:
        if namespaced:
            yield invalid_value(f"{where}.nonResourceURLs", urls, "namespaced rules cannot apply to non-resource URLs")
        if any(rule.get(field) for field in ("apiGroups", "resources", "resourceNames")):
            why = "rules cannot apply to both regular resources and non-resource URLs"
            yield invalid_value(f"{where}.nonResourceURLs", urls, why)
        return
    if not rule.get("apiGroups"):
        yield required(f"{where}.apiGroups", "resource rules must supply at least one api group")
    if not rule.get("resources"):
        yield required(f"{where}.resources", "resource rules must supply at least one resource")


def _default_binding(obj: Object) -> None:
    role = obj.setdefault("roleRef", {})
    role["apiGroup"] = role.get("apiGroup") or _GROUP
    for subject in obj.get("subjects") or ():
        if subject.get("kind") in ("User", "Group") and not subject.get("apiGroup"):
            subject["apiGroup"] = _GROUP


def _validate_binding(obj: Object) -> Iterator[FieldError]:
    role, namespaced = obj["roleRef"], obj.get("kind") == "RoleBinding"
    yield from one_of(role.get("apiGroup"), "roleRef.apiGroup", (_GROUP,))
    yield from one_of(
        role.get("kind") or "", "roleRef.kind", ("Role", "ClusterRole") if namespaced else ("ClusterRole",)
    )
    if not role.get("name"):
        yield required("roleRef.name")
    for index, subject in enumerate(obj.get("subjects") or ()):
        yield from _subject(subject, f"subjects[{index}]", namespaced=namespaced)


def _subject(subject: Object, where: str, *, namespaced: bool) -> Iterator[FieldError]:
    kind, name, group = subject.get("kind") or "", subject.get("name"), subject.get("apiGroup") or ""
    if not name:
        yield required(f"{where}.name")
    if kind not in _SUBJECTS:
        yield unsupported(f"{where}.kind", kind, _SUBJECTS)
        return
    if kind == "ServiceAccount":
        if name:
            yield from fits(name, f"{where}.name", subdomain_problems)
        yield from one_of(group, f"{where}.apiGroup", ("",))
        if not subject.get("namespace") and not namespaced:
            yield required(f"{where}.namespace")
    else:
        yield from one_of(group, f"{where}.apiGroup", (_GROUP,))


def _role_stays(new: Object, old: Object) -> Iterator[FieldError]:
    if new.get("roleRef") != old.get("roleRef"):
        shown = {key[:1].upper() + key[1:]: value for key, value in new["roleRef"].items()}
        shown = {"APIGroup": shown.pop("ApiGroup", ""), **shown}
        yield invalid_value("roleRef", shown, "cannot change roleRef")


ROLE = Strategy(validate=_validate_role)
ROLE_BINDING = Strategy(default=_default_binding, validate=_validate_binding, validate_update=_role_stays)
