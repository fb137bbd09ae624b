"""Tests against a real Kubernetes control plane, and the harness that starts one."""
