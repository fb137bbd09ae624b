"""OCI registries, read-only: which tags exist, asked only of hosts that the settings name."""

from tools.registry.client import RegistryClient
from tools.registry.errors import RegistryError, RegistryNotAllowed, RepositoryNotFound
from tools.registry.settings import Registry, RegistrySettings, RegistrySettingsError, parse_registry

__all__ = [
    "Registry",
    "RegistryClient",
    "RegistryError",
    "RegistryNotAllowed",
    "RegistrySettings",
    "RegistrySettingsError",
    "RepositoryNotFound",
    "parse_registry",
]
