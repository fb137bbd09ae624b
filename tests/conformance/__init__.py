"""One suite of facts about the Kubernetes API, run against the embedded cluster and against a real control plane.

Every check states its facts literally, as a kube-apiserver, kube-controller-manager and kube-scheduler of the
release in tests/control_plane/go.mod gave them. Where the embedded side differs, it is wrong: such checks are
listed in `differences` and fail there strictly, so that none can be forgotten.

`make test-conformance` runs the embedded side, `make test-control-plane` the real one among other things.
"""

import pytest

pytest.register_assert_rewrite("tests.conformance.client", "tests.conformance.expectations")
