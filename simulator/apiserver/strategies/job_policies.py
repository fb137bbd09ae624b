"""The policies of a Job: what a failed pod means, and when the whole has succeeded (`pkg/apis/batch/validation`,
Kubernetes v1.36).
"""

import re
from collections.abc import Iterator

from simulator.apiserver.field_errors import FieldError, duplicate, invalid_value, required, unsupported
from simulator.apiserver.names import qualified_name_problems
from simulator.apiserver.objects import Object, at, items_at
from simulator.apiserver.strategies.forms import as_struct, fits, number_at_least

_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
_OPERATORS = ("In", "NotIn")
_STATUSES = ("False", "True", "Unknown")
_NO_CONTAINER = "must be one of the container or initContainer names in the pod template"


def failure_policy(spec: Object, path: str) -> Iterator[FieldError]:
    """Complaints about `podFailurePolicy`."""
    groups = ("template.spec.containers", "template.spec.initContainers")
    names = {str(one.get("name")) for group in groups for one in items_at(spec, group)}
    per_index = spec.get("backoffLimitPerIndex") is not None
    for index, rule in enumerate(items_at(spec, "podFailurePolicy.rules")):
        where = f"{path}.rules[{index}]"
        yield from _action(rule, f"{where}.action", per_index=per_index)
        codes, conditions = rule.get("onExitCodes"), rule.get("onPodConditions") or []
        if codes is not None:
            yield from _exit_codes(codes, f"{where}.onExitCodes", names)
        for place, pattern in enumerate(conditions):
            here = f"{where}.onPodConditions[{place}]"
            yield from fits(pattern.get("type") or "", f"{here}.type", qualified_name_problems)
            yield from _word(pattern.get("status"), f"{here}.status", _STATUSES)
        if (codes is not None) == bool(conditions):
            said = "both OnExitCodes and OnPodConditions is not supported"
            said = said if conditions else "one of OnExitCodes and OnPodConditions is required"
            yield FieldError(where, "FieldValueInvalid", f"Invalid value: specifying {said}")


def _action(rule: Object, where: str, *, per_index: bool) -> Iterator[FieldError]:
    if rule.get("action") != "FailIndex":
        yield from _word(rule.get("action"), where, _ACTIONS)
    elif not per_index:
        yield invalid_value(where, "FailIndex", "requires the backoffLimitPerIndex to be set")


def _word(word: str | None, where: str, words: tuple[str, ...]) -> Iterator[FieldError]:
    if not word:
        listed = " ".join(f'"{one}"' for one in words)
        yield required(where, f"valid values: [{listed}]")
    elif word not in words:
        yield unsupported(where, word, words)


def _exit_codes(codes: Object, where: str, names: set[str]) -> Iterator[FieldError]:
    yield from _word(codes.get("operator"), f"{where}.operator", _OPERATORS)
    if codes.get("containerName") is not None and codes["containerName"] not in names:
        yield invalid_value(f"{where}.containerName", codes["containerName"], _NO_CONTAINER)
    values = codes.get("values") or []
    if not values:
        yield invalid_value(f"{where}.values", [], "at least one value is required")
    for index, value in enumerate(values):
        if not value and codes.get("operator") == "In":
            yield invalid_value(f"{where}.values[{index}]", value, "must not be 0 for the In operator")
        if value in values[:index]:
            yield duplicate(f"{where}.values[{index}]", value)
    if values != sorted(values):
        yield invalid_value(f"{where}.values", values, "must be ordered")


def success_policy(spec: Object, path: str) -> Iterator[FieldError]:
    """Complaints about `successPolicy`, which only Jobs with indexes may have."""
    rules = at(spec, "successPolicy.rules") or []
    if spec.get("completionMode") != "Indexed":
        shown = {"Rules": [as_struct(rule, "succeededIndexes", "succeededCount") for rule in rules]}
        yield invalid_value(path, shown, "requires indexed completion mode")
        return
    if not rules:
        yield required(f"{path}.rules", "at least one rules must be specified when the successPolicy is specified")
    for index, rule in enumerate(rules):
        yield from _success_rule(rule, f"{path}.rules[{index}]", spec.get("completions") or 0)


def _success_rule(rule: Object, where: str, completions: int) -> Iterator[FieldError]:
    count, indexes = rule.get("succeededCount"), rule.get("succeededIndexes")
    if count is None and indexes is None:
        yield required(where, "at least one of succeededCount or succeededIndexes must be specified")
    for term in (indexes or "").split(",") if indexes is not None else ():
        number = next((one for one in term.split("-") if not re.fullmatch("[0-9]+", one)), None)
        if number is not None:
            why = f'cannot convert string to integer for index: "{number}"'
            yield invalid_value(f"{where}.succeededIndexes", indexes, f"error parsing succeededIndexes: {why}")
            break
    yield from number_at_least(0, rule, where, "succeededCount")
    if count is not None and count > completions:
        why = f"must be less than or equal to {completions} (the number of specified completions)"
        yield invalid_value(f"{where}.succeededCount", count, why)
