"""Label and field selectors: the query strings of lists and watches, and the `LabelSelector` objects of
workloads.

Grammar of `k8s.io/apimachinery/pkg/labels` and `pkg/fields`: equality, set membership, existence,
numeric comparison for labels; equality only for fields, and only for fields that the kind lists. What
cannot be parsed is refused, never ignored.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simulator.apiserver.objects import Object, at


class SelectorSyntaxError(ValueError):
    """The selector cannot be read or names a field that cannot be selected; the message says which."""


class UnknownFieldError(SelectorSyntaxError):
    """The kind cannot be selected by this field; the message is the field."""


_TOKEN = re.compile(r"\s*(?:([^\s!=<>,()]+)|(==|!=|=|<|>|!|,|\(|\)))")
_OPERATORS = {"=": "In", "==": "In", "!=": "NotIn", "in": "In", "notin": "NotIn", ">": "Gt", "<": "Lt"}


@dataclass(frozen=True)
class Requirement:
    """One condition on one label."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        if self.operator == "In":
            return value in self.values
        if self.operator == "NotIn":
            return value not in self.values
        if self.operator == "Exists":
            return value is not None
        if self.operator == "DoesNotExist":
            return value is None
        return value is not None and self._compares(value)

    def _compares(self, value: str) -> bool:
        try:
            mine, bound = int(value), int(next(iter(self.values)))
        except ValueError:
            return False
        return mine > bound if self.operator == "Gt" else mine < bound


@dataclass(frozen=True)
class LabelSelector:
    """All requirements must hold; none means everything matches."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str] | None) -> bool:
        return all(one.matches(labels or {}) for one in self.requirements)

    @classmethod
    def parse(cls, text: str) -> "LabelSelector":
        """Reads the `labelSelector` of a query. Raises SelectorSyntaxError."""
        return cls(tuple(_Parser(text).requirements()))

    @classmethod
    def of_object(cls, selector: Mapping[str, Any]) -> "LabelSelector":
        """Reads a LabelSelector object. Raises SelectorSyntaxError."""
        found = [Requirement(k, "In", frozenset([v])) for k, v in (selector.get("matchLabels") or {}).items()]
        for one in selector.get("matchExpressions") or ():
            operator, values = one.get("operator"), frozenset(one.get("values") or ())
            if operator not in ("In", "NotIn", "Exists", "DoesNotExist"):
                raise SelectorSyntaxError(f'"{operator}" is not a valid label selector operator')
            if (operator in ("In", "NotIn")) != bool(values):
                raise SelectorSyntaxError(f"values do not fit the operator {operator}")
            found.append(Requirement(str(one.get("key")), operator, values))
        return cls(tuple(found))


class _Parser:
    """Recursive descent over the tokens of a label selector."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[str] = []
        position = 0
        while text[position:].strip():
            match = _TOKEN.match(text, position)
            if match is None:
                raise self._error("unexpected character")
            self._tokens.append(match[1] or match[2])
            position = match.end()

    def requirements(self) -> list[Requirement]:
        found = []
        while self._tokens:
            found.append(self._requirement())
            if self._tokens and (token := self._next()) != ",":
                raise self._error(f"found '{token}', expected: ',' or 'end of string'")
            if not self._tokens and self._text.rstrip().endswith(","):
                raise self._error("found '', expected: identifier after ','")
        return found

    def _requirement(self) -> Requirement:
        token = self._next()
        if token == "!":  # noqa: S105 - a token of a grammar
            return Requirement(self._word(), "DoesNotExist")
        self._tokens.insert(0, token)
        key = self._word()
        if not self._tokens or self._tokens[0] == ",":
            return Requirement(key, "Exists")
        word = self._next()
        if word not in _OPERATORS:
            raise self._error(f"found '{word}', expected: in, notin, =, ==, !=, gt, lt")
        if word in ("in", "notin"):
            return Requirement(key, _OPERATORS[word], self._set())
        value = self._next() if self._tokens and self._tokens[0] not in (",", "(", ")") else ""
        if word in "<>" and not value.lstrip("-").isdigit():
            raise self._error(f"for 'Gt', 'Lt' operators, the value must be an integer, found '{value}'")
        return Requirement(key, _OPERATORS[word], frozenset([value]))

    def _set(self) -> frozenset[str]:
        if not self._tokens or self._next() != "(":
            raise self._error("expected: '('")
        values, word = [], ""
        while self._tokens:
            token = self._next()
            if token in ",)":  # noqa: S105 - a token of a grammar
                values.append(word)
                word = ""
                if token == ")":  # noqa: S105 - a token of a grammar
                    return frozenset(values)
            else:
                word = token
        raise self._error("expected: ')'")

    def _word(self) -> str:
        token = self._next() if self._tokens else ""
        if not token or token in ("=", "==", "!=", "<", ">", "!", ",", "(", ")"):
            raise self._error(f"found '{token}', expected: identifier")
        return token

    def _next(self) -> str:
        return self._tokens.pop(0)

    def _error(self, why: str) -> SelectorSyntaxError:
        return SelectorSyntaxError(f'unable to parse requirement: {why} (in "{self._text}")')


@dataclass(frozen=True)
class FieldSelector:
    """Equalities and inequalities on the fields that a kind lets clients select by: (path, value, equal)."""

    terms: tuple[tuple[str, str, bool], ...] = ()

    def matches(self, obj: Object) -> bool:
        return all((_as_text(at(obj, path)) == value) is equal for path, value, equal in self.terms)

    @classmethod
    def parse(cls, text: str, fields: Mapping[str, str]) -> "FieldSelector":
        """Reads the `fieldSelector` of a query; `fields` maps labels to paths. Raises SelectorSyntaxError."""
        terms = []
        for term in filter(None, re.split(r"(?<!\\),", text)):
            match = re.fullmatch(r"([^=!]+?)(==|!=|=)(.*)", term.strip())
            if match is None:
                raise SelectorSyntaxError(f"invalid selector: '{text}'; can't understand '{term}'")
            label, operator, value = match.groups()
            if label not in fields:
                raise UnknownFieldError(label)
            terms.append((fields[label], re.sub(r"\\([\\,=])", r"\1", value), operator != "!="))
        return cls(tuple(terms))

    def required(self, path: str) -> str | None:
        """The value that the field must have, if the selector says so."""
        return next((value for found, value, equal in self.terms if found == path and equal), None)


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True)
class Selection:
    """What one list or watch wants to see."""

    labels: LabelSelector = LabelSelector()
    fields: FieldSelector = FieldSelector()

    @property
    def everything(self) -> bool:
        return not self.labels.requirements and not self.fields.terms

    def matches(self, obj: Object) -> bool:
        if self.everything:
            return True
        labels = (obj.get("metadata") or {}).get("labels")
        return self.labels.matches(labels) and self.fields.matches(obj)
