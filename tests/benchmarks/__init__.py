"""The benchmarks' own rules: how runs are judged, counted and told."""
