"""The controllers of the embedded cluster: clients of its API, as kube-controller-manager is.

They are needed only where no real controller manager runs. ``runner.run_controllers`` is the whole of it; it is not
imported here, so that scheduler and storage can use the modules that read selectors and taints alone.
"""
