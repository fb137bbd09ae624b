"""Anonymous bearer tokens, as the distribution specification's token authentication describes them.

A registry that wants a token says in `WWW-Authenticate` where to get one. That address is chosen by whoever answers,
so it is used only if it is https and its host is allowed for that. What is asked for is ours: pull, one repository. No
credential is ever sent.
"""

import re
from urllib.parse import urlencode, urlsplit

from tools.registry.errors import RegistryError, RegistryNotAllowed, RepositoryNotFound
from tools.registry.settings import Registry, RegistrySettings
from tools.registry.transport import Reply, Transport, host_and_port

_PARAMETER = re.compile(r'(\w+)="([^"\\]{0,512})"')
_TOKEN = re.compile(r"[\w.~+/=-]{1,16384}", re.ASCII)
_LONGEST_HEADER = 4_096


async def anonymous_token(
    transport: Transport, settings: RegistrySettings, registry: Registry, *, repository: str, refusal: Reply
) -> str:
    """The token that a 401 asks for. Raises RegistryError; RegistryNotAllowed if its address may not be used."""
    realm, service = _challenge(refusal)
    _permit(settings, registry, realm)
    asked = {"scope": f"repository:{repository}:pull"} | ({"service": service} if service else {})
    reply = await transport.get(f"{realm}?{urlencode(asked)}")
    if reply.status in (401, 403):
        raise RepositoryNotFound(f"{registry.name} lets nobody read {repository} without a login")
    if reply.status != 200:
        raise RegistryError(f"the token service of {registry.name} answered with status {reply.status}")
    answer = reply.json()
    token = (answer.get("token") or answer.get("access_token")) if isinstance(answer, dict) else None
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise RegistryError(f"the token service of {registry.name} answered without a token")
    return token


def _challenge(refusal: Reply) -> tuple[str, str]:
    header = refusal.headers.get("WWW-Authenticate", "")[:_LONGEST_HEADER]
    scheme, _, rest = header.partition(" ")
    parameters = {name.lower(): value for name, value in _PARAMETER.findall(rest)}
    realm = parameters.get("realm", "")
    if scheme.lower() != "bearer" or not realm:
        raise RepositoryNotFound(f"{urlsplit(refusal.url).hostname} wants a login, which is not supported")
    return realm, parameters.get("service", "")


def _permit(settings: RegistrySettings, registry: Registry, realm: str) -> None:
    host, port = host_and_port(realm)
    parts = urlsplit(realm)
    if parts.scheme != "https" or parts.query or parts.fragment or parts.username or parts.password:
        raise RegistryNotAllowed(f"{registry.name} wants a token fetched from an address that is not plain https")
    if not settings.may_hand_out_tokens(host, port, asked=registry):
        shown = host[:80] if port == 443 else f"{host[:80]}:{port}"
        raise RegistryNotAllowed(
            f"{registry.name} wants a token from {shown!r}: add it to token_hosts if that is right"
        )
