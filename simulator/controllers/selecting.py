"""Whether a label selector, as objects write it, matches labels. Pure.

The API server has its own reading of selectors, with the errors it owes to users; whoever controls objects
meets only selectors that have passed it.
"""

from collections.abc import Mapping
from typing import Any


def matches(selector: Mapping[str, Any] | None, labels: Mapping[str, str] | None) -> bool:
    """As ``metav1.LabelSelectorAsSelector``: no selector matches nothing, an empty one everything."""
    if selector is None:
        return False
    present = labels or {}
    wanted: Mapping[str, str] = selector.get("matchLabels") or {}
    if not wanted.items() <= present.items():
        return False
    expressions = selector.get("matchExpressions")  # hardly ever there, and asked for every pod again and again
    return not expressions or all(_holds(expression, present) for expression in expressions)


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, operator, values = expression["key"], expression["operator"], expression.get("values") or ()
    match operator:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    return False
