"""The simulated kubelet: nodes, and pods that react to their spec. A client of any API server.

It runs no code. What a container does is looked up in the catalogue by image; what becomes of it (pulled or
not, configured or not, ready, killed, restarted) follows from the pod's spec by the real kubelet's rules.
"""

from simulator.kubelet.catalogue import Catalogue, load_catalogue
from simulator.kubelet.kubelet import Kubelet

__all__ = ["Catalogue", "Kubelet", "load_catalogue"]
