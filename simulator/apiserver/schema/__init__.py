"""What is true of the fields of every built-in kind: types, what becomes of empty ones, patch merge keys, list types
and map keys, enums.

The facts are files under `facts/`, one a Go package of API types, made by `tests.control_plane.schema` from a
real API server and never edited. A file is read when the first type in it is asked for.
"""

from simulator.apiserver.schema.reading import Misfit, Reading, read, zero
from simulator.apiserver.schema.types import Field, Struct, struct, struct_of

__all__ = ["Field", "Misfit", "Reading", "Struct", "read", "struct", "struct_of", "zero"]
