"""Kinds that are asked and not stored: who am I, may I, may they, whose token is this."""

from collections.abc import Callable
from datetime import datetime

from simulator.apiserver import status_errors
from simulator.apiserver.authentication import ISSUER, Authenticator, Identity
from simulator.apiserver.call import Answer, Call
from simulator.apiserver.field_errors import FieldError, invalid_value
from simulator.apiserver.kinds import Kind
from simulator.apiserver.objects import Object, at, timestamp
from simulator.apiserver.rbac import Attributes, RoleAuthorizer
from simulator.apiserver.wire_form import decode

_EVERYTHING = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
_EVERY_PATH = {"verbs": ["*"], "nonResourceURLs": ["*"]}
_OPEN = "every known user may do everything on an embedded cluster without rbac"


class Questions:
    """Answers from the authorizer; without one everybody may do everything."""

    def __init__(
        self, authorizer: RoleAuthorizer | None, authenticator: Authenticator, *, now: Callable[[], datetime]
    ) -> None:
        self._authorizer = authorizer
        self._authenticator = authenticator
        self._now = now
        self._answers: dict[str, Callable[[Call, Object], Object]] = {
            "SelfSubjectReview": self._who_am_i,
            "SelfSubjectAccessReview": self._may_i,
            "SelfSubjectRulesReview": self._what_may_i,
            "SubjectAccessReview": self._may_they,
            "LocalSubjectAccessReview": self._may_they,
            "TokenReview": self._whose,
        }

    async def answer(self, call: Call) -> Answer:
        """Raises StatusError 400, 405 or 422."""
        ask = self._answers.get(call.kind.kind)
        if ask is None:
            raise status_errors.method_not_allowed()
        body = decode(call.kind, call.body, call.content_type)
        answered = body | {"status": ask(call, body)}
        if call.kind.kind == "SelfSubjectReview":
            answered["metadata"] = {"creationTimestamp": timestamp(self._now())}
        return Answer.of(answered, 201)

    def _who_am_i(self, call: Call, body: Object) -> Object:
        return {"userInfo": call.who.shown()}

    def _may_i(self, call: Call, body: Object) -> Object:
        return self._decided(call.kind, call.who, body)

    def _may_they(self, call: Call, body: Object) -> Object:
        user, groups = at(body, "spec.user") or "", tuple(at(body, "spec.groups") or ())
        if not user and not groups:
            raise _invalid(call.kind, invalid_value("spec.user", "", "at least one of user or group must be specified"))
        return self._decided(call.kind, Identity(str(user), groups), body)

    def _decided(self, kind: Kind, who: Identity, body: Object) -> Object:
        wanted = _attributes(kind, body)
        if self._authorizer is None:
            return {"allowed": True, "reason": _OPEN}
        decision = self._authorizer.decide(who, wanted)
        return {"allowed": decision.allowed} | ({"reason": decision.reason} if decision.reason else {})

    def _what_may_i(self, call: Call, body: Object) -> Object:
        namespace = at(body, "spec.namespace")
        if not namespace:
            raise status_errors.bad_request("no namespace on request")
        body["spec"] = {}  # as the real server answers
        if self._authorizer is None:
            return {"resourceRules": [_EVERYTHING], "nonResourceRules": [_EVERY_PATH], "incomplete": False}
        rules = [rule for grant in self._authorizer.grants(call.who, namespace) for rule in grant.rules or ()]
        fields = ("verbs", "apiGroups", "resources", "resourceNames")
        resources = [{key: rule[key] for key in fields if rule.get(key)} for rule in rules if rule.get("resources")]
        paths = [
            {"verbs": rule["verbs"], "nonResourceURLs": rule["nonResourceURLs"]}
            for rule in rules
            if rule.get("nonResourceURLs")
        ]
        return {"resourceRules": resources, "nonResourceRules": paths, "incomplete": False}

    def _whose(self, call: Call, body: Object) -> Object:
        who = self._authenticator.recognise(str(at(body, "spec.token") or ""))
        if who is None:
            return {"user": {}, "error": "invalid bearer token"}
        return {"authenticated": True, "user": who.shown(), "audiences": [ISSUER]}


def _attributes(kind: Kind, body: Object) -> Attributes:
    asked, path = at(body, "spec.resourceAttributes"), at(body, "spec.nonResourceAttributes")
    if bool(asked) == bool(path):
        detail = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        raise _invalid(kind, invalid_value("spec.resourceAttributes", None, detail))
    if path:
        return Attributes(str(path.get("verb", "")), path=str(path.get("path", "")))
    fields = ("verb", "group", "resource", "subresource", "name", "namespace")
    return Attributes(**{field: str(asked.get(field) or "") for field in fields})


def _invalid(kind: Kind, error: FieldError) -> status_errors.StatusError:
    return status_errors.invalid(Kind(kind.group, kind.version, "", ""), "", [error])
