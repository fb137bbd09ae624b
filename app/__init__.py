"""Settings and the composition root: where the command line, notebooks and Studio get their objects from."""
