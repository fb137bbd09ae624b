"""Who speaks: bearer tokens, each of one user with its groups.

Tokens of users are made up when they are asked for and do not expire. Tokens of ServiceAccounts come from
TokenRequest: they name their account by its uid, expire, and are worth nothing once the account is gone. An
absent or unknown token is 401, except for the few paths that a real cluster shows to anybody (health, version).

kubectl, and whatever else is built on client-go, sends no bearer token over plain http ("only try to read the
auth information if we are secure", `tools/clientcmd/client_config.go`). For these the token may stand at the
front of the path instead, `/as/TOKEN/api/v1/...`: that is the server address in our kubeconfigs.
"""

import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock

import orjson

from simulator.apiserver import status_errors

PUBLIC_PATHS = frozenset({"/healthz", "/livez", "/readyz", "/version"})
ANONYMOUS = "system:anonymous"
ISSUER = "https://kubernetes.default.svc.cluster.local"
_PREFIX = "/as/"
_CREDENTIAL = "authentication.kubernetes.io/credential-id"


@dataclass(frozen=True)
class Identity:
    """A user as the server knows it. Of a ServiceAccount `uid` is the account's."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    credential: str = ""

    def shown(self) -> dict[str, object]:
        """As UserInfo."""
        info: dict[str, object] = {"username": self.name}
        if self.uid:
            info["uid"] = self.uid
        info["groups"] = list(self.groups)
        return info | ({"extra": {_CREDENTIAL: [self.credential]}} if self.credential else {})


@dataclass(frozen=True)
class _Known:
    who: Identity
    expires: datetime | None = None
    valid: Callable[[], bool] = lambda: True


@dataclass
class Authenticator:
    """Hands out tokens and recognises them; safe to ask from any thread."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _tokens: dict[str, str] = field(default_factory=dict)
    _known: dict[str, _Known] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def token(self, user: str, groups: tuple[str, ...] | None = None) -> str:
        """The user's token. The user becomes known by the first call, which also says its groups (None: the usual)."""
        with self._lock:
            token = self._tokens.get(user)
            if token is None:
                token = self._tokens[user] = secrets.token_urlsafe(24)
                named = groups_of(user) if groups is None else [*groups, "system:authenticated"]
                self._known[token] = _Known(Identity(user, tuple(dict.fromkeys(named))))
            return token

    def account_token(
        self, namespace: str, name: str, uid: str, *, expires: datetime, valid: Callable[[], bool]
    ) -> str:
        """A token of a ServiceAccount, of the form of a real one; it counts until it expires or `valid` says no."""
        user, identifier = f"system:serviceaccount:{namespace}:{name}", secrets.token_hex(16)
        bound = {"namespace": namespace, "serviceaccount": {"name": name, "uid": uid}}
        claims = {
            "aud": [ISSUER], "exp": int(expires.timestamp()), "iat": int(self.now().timestamp()), "iss": ISSUER,
            "jti": identifier, "kubernetes.io": bound, "sub": user,
        }  # fmt: skip
        parts = (orjson.dumps({"alg": "none", "typ": "JWT"}), orjson.dumps(claims), secrets.token_bytes(32))
        token = ".".join(urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
        who = Identity(user, tuple(groups_of(user)), uid, f"JTI={identifier}")
        with self._lock:
            self._known[token] = _Known(who, expires, valid)
        return token

    def user(self, authorization: str, path: str) -> tuple[Identity, str]:
        """Whose request this is, and its path without a token. Raises StatusError 401."""
        token, rest = split_prefix(path)
        scheme, _, sent = authorization.partition(" ")
        if scheme.lower() == "bearer":
            token = sent.strip()
        if token:
            who = self.recognise(token)
            if who is not None:
                return who, rest
        elif rest in PUBLIC_PATHS:
            return Identity(ANONYMOUS, ("system:unauthenticated",)), rest
        raise status_errors.unauthorized()

    def recognise(self, token: str) -> Identity | None:
        """Whose token it is; None for one that is unknown, expired, or of an account that is gone."""
        known = self._known.get(token)
        if known is None or (known.expires is not None and known.expires <= self.now()) or not known.valid():
            return None
        return known.who


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
