"""The controllers of the embedded cluster: clients of its API, as kube-controller-manager is.

They are needed only where no real controller manager runs. ``run_controllers`` is the whole of it.
"""

from simulator.controllers.runner import run_controllers

__all__ = ["run_controllers"]
