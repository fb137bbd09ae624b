"""Label and field selectors: the query strings of lists and watches, and the `LabelSelector` objects of
workloads.

Grammar of `k8s.io/apimachinery/pkg/labels` and `pkg/fields`: equality, set membership, existence,
numeric comparison for labels; equality only for fields, and only for fields that the kind lists. What
cannot be parsed is refused, never ignored.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from simulator.apiserver.names import label_value_problems, qualified_name_problems
from simulator.apiserver.objects import Object, at


class SelectorSyntaxError(ValueError):
    """The selector cannot be read or names a field that cannot be selected; the message says which."""


class UnknownFieldError(SelectorSyntaxError):
    """The kind cannot be selected by this field; the message is the field."""


_TOKEN = re.compile(r"[^\s!=<>,()]+|==|!=|[=<>!,()]")
_NOT, _COMMA, _OPEN, _CLOSE = "!", ",", "(", ")"
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
    """Recursive descent over the tokens of a label selector; "" is the token at the end."""

    def __init__(self, text: str) -> None:
        self._tokens = _TOKEN.findall(text)
        self._at = 0

    def requirements(self) -> Iterator[Requirement]:
        """Raises SelectorSyntaxError."""
        while token := self._ahead():
            if _is_symbol(token) and token != _NOT:
                raise SelectorSyntaxError(f"found '{token}', expected: !, identifier, or 'end of string'")
            yield self._requirement()
            token = self._next()
            if not token:
                return
            if token != _COMMA:
                raise SelectorSyntaxError(f"found '{token}', expected: ',' or 'end of string'")
            token = self._ahead()
            if not token or (_is_symbol(token) and token != _NOT):
                raise SelectorSyntaxError(f"found '{token}', expected: identifier after ','")

    def _requirement(self) -> Requirement:
        negated = self._ahead() == _NOT
        if negated:
            self._next()
        key = self._word()
        problem = "; ".join(qualified_name_problems(key))
        if problem:
            raise _unreadable(f'<nil>: Invalid value: "{key}": {problem}')
        if negated:
            return Requirement(key, "DoesNotExist")
        if self._ahead() in ("", _COMMA):
            return Requirement(key, "Exists")
        word = self._next()
        if word not in _OPERATORS:
            raise _unreadable(f"found '{word}', expected: in, notin, =, ==, !=, gt, lt")
        values = self._set() if word in ("in", "notin") else frozenset([self._value()])
        _check_values(key, word, values)
        return Requirement(key, _OPERATORS[word], values)

    def _value(self) -> str:
        return "" if self._ahead() in ("", _COMMA) else self._word()

    def _set(self) -> frozenset[str]:
        token = self._next()
        if token != _OPEN:
            raise _unreadable(f"found '{token}' expected: '('")
        if self._ahead() == _CLOSE:
            self._next()
            return frozenset([""])
        if not self._ahead():
            raise _unreadable("found '', expected: ',', ')' or identifier")
        return frozenset(self._members())

    def _members(self) -> Iterator[str]:
        """The values up to the closing parenthesis; where one is left out it is empty."""
        expected = False  # a value has just been read
        while True:
            token = self._next()
            if token == _COMMA:
                if not expected:
                    yield ""
                expected = False
                if self._ahead() == _CLOSE:
                    yield ""
            elif token == _CLOSE:
                return
            elif _is_symbol(token) or not token or expected:
                wanted = "',' or ')'" if expected else "',', or identifier"
                raise _unreadable(f"found '{token}', expected: {wanted}")
            else:
                expected = True
                yield token

    def _word(self) -> str:
        token = self._next()
        if not token or _is_symbol(token):
            raise _unreadable(f"found '{token}', expected: identifier")
        return token

    def _ahead(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._ahead()
        self._at += 1
        return token


def _is_symbol(token: str) -> bool:
    return bool(token) and token[0] in "=!<>,()"


def _check_values(key: str, operator: str, values: frozenset[str]) -> None:
    for index, value in enumerate(sorted(values)):
        if operator in "<>" and not re.fullmatch(r"[+-]?\d+", value):
            why = "for 'Gt', 'Lt' operators, the value must be an integer"
            raise _unreadable(f'values[{index}]: Invalid value: "{value}": {why}')
        problem = "; ".join(label_value_problems(value))
        if problem:
            raise _unreadable(f'values[{index}][{key}]: Invalid value: "{value}": {problem}')


def _unreadable(why: str) -> SelectorSyntaxError:
    return SelectorSyntaxError(f"unable to parse requirement: {why}")


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
            match = re.fullmatch(r"(.*?)(==|!=|=)(.*)", term)
            if match is None:
                raise SelectorSyntaxError(f"invalid selector: '{text}'; can't understand '{term}'")
            label, operator, value = match.groups()
            if label not in fields:
                raise UnknownFieldError(label)
            terms.append((fields[label], _unescaped(value), operator != "!="))
        return cls(tuple(terms))

    def required(self, path: str) -> str | None:
        """The value that the field must have, if the selector says so."""
        return next((value for found, value, equal in self.terms if found == path and equal), None)


def _unescaped(value: str) -> str:
    """The value of a field's term. Raises SelectorSyntaxError."""
    bare = re.sub(r"\\[\\,=]", "", value)
    if odd := re.search(r"\\(.?)", bare):
        raise SelectorSyntaxError(f"invalid field selector: invalid escape sequence: \\{odd[1]}")
    if odd := re.search("[=,]", bare):
        raise SelectorSyntaxError(f"invalid field selector: unescaped character in value: {ord(odd[0])}")
    return re.sub(r"\\([\\,=])", r"\1", value)


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
