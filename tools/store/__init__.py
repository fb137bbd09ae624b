"""Where incidents, rounds, changes, decisions and messages live. The store leads; everything else is disposable."""
