"""Where a host name leads, checked before anything connects there.

A name that is allowed may still resolve to an address inside the cluster or to the cloud's metadata service, by mistake
or by design. So every address a name resolves to must be a public one, and the connection is made to exactly the
addresses that were checked: the resolver below is the only one the HTTP client has, and it keeps no cache, so there is
no second look-up that could answer differently.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

from tools.registry.errors import RegistryError, RegistryNotAllowed
from tools.registry.settings import RegistrySettings

if TYPE_CHECKING:
    from aiohttp.abc import AbstractResolver

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
LookUp: TypeAlias = Callable[[str, int], Awaitable[list[str]]]
"""Host and port → the addresses as text. Raises OSError."""

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def is_public(address: Address) -> bool:
    """Whether an address is reachable on the public internet; one that wraps an IPv4 address is judged by that one."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = _wrapped(address)
        if inner is not None:
            return is_public(inner)
        if address.is_site_local:
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def literal_address(host: str) -> Address | None:
    """The address that `host` is, if it is one and not a name."""
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None


async def system_look_up(host: str, port: int) -> list[str]:
    """Ask the system's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def checked_addresses(settings: RegistrySettings, look_up: LookUp, host: str, port: int) -> list[Address]:
    """Every address of `host`, all of them permitted.

    Raises RegistryNotAllowed if any of them is not public and host:port is not written out in the settings;
    RegistryError if the name cannot be resolved.
    """
    literal = literal_address(host)
    try:
        texts = [str(literal)] if literal is not None else await look_up(host, port)
    except OSError as error:
        raise RegistryError(f"{host} cannot be resolved: {error.strerror or type(error).__name__}") from error
    addresses = [address for text in texts if (address := literal_address(text)) is not None]
    if not addresses:
        raise RegistryError(f"{host} cannot be resolved: it has no address")
    if not settings.may_be_private(host, port) and not all(is_public(address) for address in addresses):
        raise RegistryNotAllowed(
            f"{host}:{port} leads to an address that is not public: write {host}:{port} into registries if it is meant"
        )
    return addresses


def checked_resolver(settings: RegistrySettings, look_up: LookUp) -> "AbstractResolver":
    """The resolver for the HTTP client: `checked_addresses`, in aiohttp's words."""
    from aiohttp.abc import AbstractResolver, ResolveResult

    class Checked(AbstractResolver):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
        ) -> list[ResolveResult]:
            addresses = await checked_addresses(settings, look_up, host, port)
            return [
                ResolveResult(
                    hostname=host,
                    host=str(address),
                    port=port,
                    family=socket.AF_INET if address.version == 4 else socket.AF_INET6,
                    proto=0,
                    flags=socket.AI_NUMERICHOST,
                )
                for address in addresses
            ]

        async def close(self) -> None:
            """Nothing is held."""

    return Checked()


def _wrapped(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo[1] if address.teredo else None
    return address.ipv4_mapped or address.sixtofour or teredo
