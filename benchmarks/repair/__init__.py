"""The benchmark of repair and harm: every scenario in other words, by the real program, five times over.

`python -m benchmarks.repair` (or `make bench-repair`) plays what has not been played at this commit and writes
benchmarks/results/repair.{json,md,svg}. What is asked of the program stands in the scenarios' files; what became of it
is read from the cluster, from its store and from the judge. `--set second` plays the same faults in another dialect.
"""
