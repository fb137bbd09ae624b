"""The shared world, for the tests of this folder."""

from tests.world import clean_environment, world

__all__ = ["clean_environment", "world"]
