"""The embedded API server: Kubernetes' HTTP API over an in-memory store. `ApiServer` is its one entry."""

from simulator.apiserver.server import ApiServer

__all__ = ["ApiServer"]
