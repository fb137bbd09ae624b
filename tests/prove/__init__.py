"""The proof: every scenario, by the real program, on the embedded cluster and on a real control plane; and the daemon
killed at every place of an incident, on both.

`python -m tests.prove` (or `make prove`) runs what has not been run at this commit and writes docs/proof.json and
docs/proof.md. `tests/control_plane/test_scenarios.py` runs a sample of the same, one scenario a family.
"""
