"""Whether a container that has ended is started again. Pure.

After ContainerShouldRestart in pkg/api/v1/pod/util.go, Kubernetes v1.36.
"""

from typing import Any


def restarts_after(container: dict[str, Any], pod_policy: str, code: int) -> bool:
    """By the container's own rules, its own policy, or the pod's."""
    for rule in container.get("restartPolicyRules") or ():
        wanted = rule.get("exitCodes") or {}
        listed = code in (wanted.get("values") or ())
        if listed == (wanted.get("operator") == "In") and rule.get("action") == "Restart":
            return True
    policy = container.get("restartPolicy") or pod_policy
    return policy == "Always" or (policy == "OnFailure" and code != 0)
