"""What can go wrong between this program and a registry, told apart by what it means.

Only `RepositoryNotFound` is a fact about the image; all others say that nothing is known about it.
"""


class RegistryError(Exception):
    """The registry gave no usable answer. The text is short and single-line."""


class RegistryNotAllowed(RegistryError):
    """The host may not be asked: it is not in the settings, or it leads to an address that is not public."""


class RepositoryNotFound(RegistryError):
    """The registry answered that it has no such repository, or none that may be read without a login."""
