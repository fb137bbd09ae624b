"""Names, labels and generated suffixes: the forms that Kubernetes accepts and the words it refuses
with.

Source: `k8s.io/apimachinery/pkg/util/validation` and `k8s.io/apiserver/pkg/storage/names`, Kubernetes
v1.36.
"""

import re
from collections.abc import Iterator
from random import Random

from simulator.apiserver.field_errors import FieldError, invalid_value
from simulator.apiserver.objects import Object

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_LABEL_FORM = re.compile(_LABEL)
SUBDOMAIN_FORM = rf"{_LABEL}(\.{_LABEL})*"
_SUBDOMAIN_FORM = re.compile(SUBDOMAIN_FORM)
_DNS_1035_FORM = re.compile("[a-z]([-a-z0-9]*[a-z0-9])?")
_QUALIFIED_FORM = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_LONGEST_BASE = 58

_ENDS = "and must start and end with an alphanumeric character"
_WORDS = "alphanumeric characters, '-', '_' or '.',"
DNS_LABEL_MESSAGE = (
    f"a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', {_ENDS} "
    "(e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
SUBDOMAIN_MESSAGE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    f"{_ENDS} (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
DNS_1035_MESSAGE = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
    "character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for "
    "validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
)
_VALUE_MESSAGE = (
    f"a valid label must be an empty string or consist of {_WORDS} {_ENDS} (e.g. 'MyValue',  or 'my_value',  "
    "or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_KEY_MESSAGE = (
    f"name part must consist of {_WORDS} {_ENDS} (e.g. 'MyName',  or 'my.name',  or '123-abc', "
    "regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_QUALIFIED_MESSAGE = (
    f"a valid label key must consist of {_WORDS} {_ENDS} (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
    "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' "
    "(e.g. 'example.com/MyName')"
)


def dns_label_problems(name: str) -> Iterator[str]:
    """Why a name is no DNS label (RFC 1123)."""
    if len(name) > 63:
        yield _too_long(63)
    if not _LABEL_FORM.fullmatch(name):
        yield "must not contain dots" if _SUBDOMAIN_FORM.fullmatch(name) else DNS_LABEL_MESSAGE


def subdomain_problems(name: str, *, unit: str = "characters") -> Iterator[str]:
    """Why a name is no DNS subdomain (RFC 1123); `unit` is the real server's word, which is not the same everywhere."""
    if len(name) > 253:
        yield _too_long(253, unit)
    if not _SUBDOMAIN_FORM.fullmatch(name):
        yield SUBDOMAIN_MESSAGE


def qualified_name_problems(name: str) -> Iterator[str]:
    """Why a name is no qualified name, as keys of labels and resources are: `name` or `prefix/name`."""
    prefix, slash, last = name.partition("/")
    if "/" in last:
        yield _QUALIFIED_MESSAGE
        return
    if not slash:
        last = name
    elif not prefix:
        yield "prefix part must be non-empty"
    else:
        problems = subdomain_problems(prefix, unit="bytes")
        yield from (f"prefix part {problem}" for problem in problems)
    if not last:
        yield "name part must be non-empty"
    elif len(last) > 63:
        yield "name part must be no more than 63 bytes"
    if not _QUALIFIED_FORM.fullmatch(last):
        yield _KEY_MESSAGE


def label_value_problems(value: str) -> Iterator[str]:
    """Why a text is no value of a label."""
    if len(value) > 63:
        yield "must be no more than 63 bytes"
    if value and not _QUALIFIED_FORM.fullmatch(value):
        yield _VALUE_MESSAGE


def _too_long(most: int, unit: str = "characters") -> str:
    return f"must be no more than {most} {unit}"


def is_dns_label(name: str) -> bool:
    return len(name) <= 63 and _LABEL_FORM.fullmatch(name) is not None


def is_dns_1035_label(name: str) -> bool:
    return len(name) <= 63 and _DNS_1035_FORM.fullmatch(name) is not None


def is_subdomain(name: str) -> bool:
    return len(name) <= 253 and _SUBDOMAIN_FORM.fullmatch(name) is not None


def name_problem(name: str, form: str) -> str | None:
    """Why a name is not of the form ("subdomain", "label", "dns-1035" or "path"); None if it is."""
    if form == "path":
        return _path_problem(name)
    checks = {
        "label": (is_dns_label, DNS_LABEL_MESSAGE, 63),
        "dns-1035": (is_dns_1035_label, DNS_1035_MESSAGE, 63),
        "subdomain": (is_subdomain, SUBDOMAIN_MESSAGE, 253),
    }
    accepts, message, longest = checks[form]
    if accepts(name):
        return None
    if form == "label" and len(name) <= longest and _SUBDOMAIN_FORM.fullmatch(name):
        return "must not contain dots"
    return _too_long(longest) if len(name) > longest else message


def _path_problem(name: str) -> str | None:
    """Names of roles and their bindings only have to fit into a URL."""
    if name in (".", ".."):
        return f"may not be '{name}'"
    return next((f"may not contain '{one}'" for one in "/%" if one in name), None)


def generated(base: str, rng: Random) -> str:
    """A name from `metadata.generateName`: five letters that spell nothing."""
    return base[:_LONGEST_BASE] + "".join(rng.choice(_SUFFIX_LETTERS) for _ in range(5))


def label_errors(labels: Object | None, field: str) -> Iterator[FieldError]:
    """What is wrong with a map of labels."""
    for key, value in (labels or {}).items():
        yield from (invalid_value(field, key, problem) for problem in qualified_name_problems(key))
        yield from (invalid_value(field, value, problem) for problem in label_value_problems(value))
