"""Which registries may be asked, and at which address.

An image name is written by whoever writes the manifest, so by itself it must not make this program connect anywhere:
only registries named here are asked. A registry is written as image references spell it, with an address where that
is another one:

    docker.io                                 public, https, at its known address
    registry.example:5000                     https on that port
    registry.example=http://10.0.0.7:5000     a mirror, plain http

An address that is private, loopback or link-local is refused unless its host **and port** are written here.
"""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

_DOCKER_HUB = "docker.io"
_KNOWN_ADDRESSES = {_DOCKER_HUB: "registry-1.docker.io"}
_KNOWN_TOKEN_HOSTS = {_DOCKER_HUB: "auth.docker.io"}
_HOST = re.compile(r"[A-Za-z0-9:]([A-Za-z0-9.:_-]*[A-Za-z0-9])?")  # names, IPv4 and IPv6
_DEFAULT_PORTS = {"https": 443, "http": 80}


class RegistrySettingsError(ValueError):
    """A registry in the settings cannot be used; the message names it and says how to write one."""


@dataclass(frozen=True)
class Registry:
    """One registry that may be asked."""

    name: str
    """As image references spell it."""
    scheme: str
    host: str
    port: int
    explicit_port: bool
    """Whether host and port were written out: only then may the address be a private one."""

    @property
    def origin(self) -> str:
        """`https://host:port`, the port always written."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def parse_registry(text: str) -> Registry:
    """Read one registry as the module docstring shows. Raises RegistrySettingsError."""
    name, has_address, address = text.strip().partition("=")
    if not has_address:
        address = "https://" + _KNOWN_ADDRESSES.get(name, name)
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError as error:
        raise _wrong(text) from error
    host = parts.hostname or ""
    extra = parts.path.strip("/") or parts.query or parts.fragment or parts.username or parts.password
    if not _HOST.fullmatch(host) or not name or set(name) & set("/ \t@") or extra or parts.scheme not in _DEFAULT_PORTS:
        raise _wrong(text)
    return Registry(name, parts.scheme, host, port or _DEFAULT_PORTS[parts.scheme], port is not None)


def _wrong(text: str) -> RegistrySettingsError:
    shown = text.rpartition("@")[2][:80]  # what stands before an @ may be a password
    return RegistrySettingsError(
        f"registries: {shown!r} is not a registry: write host, host:port, or name=http(s)://host:port"
    )


@dataclass(frozen=True, kw_only=True)
class RegistrySettings:
    """Who may be asked, and how much an answer may cost."""

    registries: tuple[Registry, ...] = (parse_registry(_DOCKER_HUB),)
    token_hosts: frozenset[str] = frozenset(_KNOWN_TOKEN_HOSTS.values())
    """Hosts (`host` for port 443, else `host:port`) that may hand out anonymous tokens. A registry's own host always
    may.
    """
    ca_file: str | None = None
    """Certificates to trust instead of the system's, for a registry with an authority of its own."""
    request_seconds: float = 10.0
    deadline_seconds: float = 30.0
    """One question with all its pages."""
    most_page_bytes: int = 2 << 20
    most_pages: int = 50
    most_tags: int = 20_000

    def find(self, name: str) -> Registry | None:
        """The registry that image references call `name`, or None."""
        return next((registry for registry in self.registries if registry.name == name), None)

    def may_hand_out_tokens(self, host: str, port: int, *, asked: Registry) -> bool:
        """Whether a token for `asked` may be fetched from this host."""
        written = host if port == _DEFAULT_PORTS["https"] else f"{host}:{port}"
        return written in self.token_hosts or (host, port) == (asked.host, asked.port)

    def may_be_private(self, host: str, port: int) -> bool:
        """Whether this host and port were written out, as a registry or as a token host."""
        named = any((r.host, r.port) == (host, port) and r.explicit_port for r in self.registries)
        return named or f"{host}:{port}" in self.token_hosts
