"""The words everything else is written in: signals, subjects, incidents, evidence, proposals, changes.

Pure: no I/O, no clock, no randomness. Every value is a frozen ``msgspec.Struct``, so it can be compared,
hashed into a digest, stored and sent as JSON (``incidents.codec``) without a second description of it.
"""
