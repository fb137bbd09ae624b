"""The one table of what the embedded side still answers differently: the check, and how the two differ.

Each entry makes its check a strict xfail on the embedded side: it has to go as soon as the difference is gone.
"""

KNOWN_DIFFERENCES: dict[str, str] = {}
