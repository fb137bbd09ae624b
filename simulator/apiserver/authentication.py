"""Who speaks: bearer tokens made up at start, one user each.

Every known user may do everything; authorisation is not modelled. An absent or unknown token is 401,
except for the few paths that a real cluster shows to anybody (health, version).

kubectl, and whatever else is built on client-go, sends no bearer token over plain http ("only try to read
the auth information if we are secure", `tools/clientcmd/client_config.go`). For these the token may stand
at the front of the path instead, `/as/TOKEN/api/v1/...`: that is the server address in our kubeconfigs.
"""

import secrets
from dataclasses import dataclass, field
from threading import Lock

from simulator.apiserver import status_errors

PUBLIC_PATHS = frozenset({"/healthz", "/livez", "/readyz", "/version"})
ANONYMOUS = "system:anonymous"
_PREFIX = "/as/"


@dataclass
class Authenticator:
    """Hands out tokens and recognises them; safe to ask from any thread."""

    _tokens: dict[str, str] = field(default_factory=dict)
    _users: dict[str, str] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def token(self, user: str) -> str:
        """The user's token; the user becomes known by the first call."""
        with self._lock:
            token = self._tokens.get(user)
            if token is None:
                token = self._tokens[user] = secrets.token_urlsafe(24)
                self._users[token] = user
            return token

    def user(self, authorization: str, path: str) -> tuple[str, str]:
        """Whose request this is, and its path without a token. Raises StatusError 401."""
        token, rest = split_prefix(path)
        scheme, _, sent = authorization.partition(" ")
        if scheme.lower() == "bearer":
            token = sent.strip()
        if token:
            known = self._users.get(token)
            if known is not None:
                return known, rest
        elif rest in PUBLIC_PATHS:
            return ANONYMOUS, rest
        raise status_errors.unauthorized()


def prefix(token: str) -> str:
    """What to put in front of a path for clients that send no token over http."""
    return f"{_PREFIX}{token}"


def split_prefix(path: str) -> tuple[str, str]:
    """The token in front of a path (empty if there is none), and the path itself."""
    if not path.startswith(_PREFIX):
        return "", path
    token, _, rest = path.removeprefix(_PREFIX).partition("/")
    return token, f"/{rest}"


def groups_of(user: str) -> list[str]:
    """The groups that a real cluster would see the user in."""
    groups = ["system:authenticated"]
    if user == "admin":
        groups.insert(0, "system:masters")
    if user.startswith("system:serviceaccount:"):
        namespace = user.split(":")[2]
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", *groups]
    return groups
