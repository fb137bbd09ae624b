"""Where incidents, rounds, changes, decisions and messages live. The store leads; everything else is disposable."""

from tools.store.port import Store, StoreError

__all__ = ["Store", "StoreError"]
