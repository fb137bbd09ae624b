"""The Kubernetes API, in raw JSON: connection, reader, watch, owner walk, the writer, our own objects.

Readers and the writer are different interfaces: ``reader`` can only GET, ``own_objects`` can only touch the
program's own Lease and access reviews, and ``writer`` is imported by ``remediation`` alone.
"""
