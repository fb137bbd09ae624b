"""Scenarios that are played side by side on one cluster, and the word for a batch that came to no end."""

from __future__ import annotations

import msgspec

from simulator.wordlists import SetName


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Scenarios to be played side by side in the words of one seed. ``patience`` is how many wall seconds their ends
    are waited for; ``speed`` is an embedded cluster's. ``secret_keys``: the program has the optional right to list
    Secrets."""

    names: tuple[str, ...]
    words: SetName
    seed: int
    speed: float
    patience: float
    secret_keys: bool = False


class BatchFailed(Exception):
    """A batch came to no end: the scenarios in it, and why. Of one text, so that it reaches another process."""
