"""Speaking as somebody else: the `Impersonate-*` headers, for those who may impersonate.

Users and groups; an impersonated uid or extra is refused, for nothing here would look at it.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from simulator.apiserver import status_errors
from simulator.apiserver.authentication import Identity, groups_of
from simulator.apiserver.authorization import forbidden
from simulator.apiserver.rbac import MASTERS, Attributes, Decision

_PREFIX = "impersonate-"


def impersonated(
    who: Identity,
    asked: Attributes,
    headers: Mapping[str, str],
    groups: list[str],
    decide: Callable[[Identity, Attributes], Decision],
) -> Identity:
    """Who the request is to count as. Raises StatusError 400 or 403."""
    named = {name.lower() for name in headers if name.lower().startswith(_PREFIX)}
    if not named:
        return who
    if named - {"impersonate-user", "impersonate-group"}:
        raise status_errors.bad_request("only Impersonate-User and Impersonate-Group are understood here")
    user = headers.get("Impersonate-User", "")
    if not user:
        raise status_errors.internal("requested [{Group  }] without impersonating a user")
    for resource, name in (("users", user), *(("groups", group) for group in groups)):
        wanted = Attributes("impersonate", "", resource, "", name)
        decision = decide(who, wanted)
        if not decision.allowed:
            constrained = replace(asked, verb=f"impersonate-on:user-info:{asked.verb}")
            raise forbidden(who, constrained, decision)  # the real server's last resort is what it tells of
    usual = [one for one in groups_of(user) if one != MASTERS]
    return Identity(user, tuple(dict.fromkeys([*groups, *usual])))
