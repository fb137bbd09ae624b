"""The forms that many fields share, and the words for what does not fit: ports, keys, paths, modes, numbers, selectors
(`k8s.io/apimachinery/pkg/util/validation` and `pkg/apis/core/validation`, Kubernetes v1.36).

Functions named `..._problems` tell what is wrong with a text; the others yield field errors.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from simulator.apiserver.field_errors import (
    FieldError,
    forbidden_field,
    invalid_value,
    required,
    unsupported,
)
from simulator.apiserver.names import (
    dns_label_problems,
    label_errors,
    label_value_problems,
    qualified_name_problems,
    subdomain_problems,
)
from simulator.apiserver.objects import Object, items_at

NOT_NEGATIVE = "must be greater than or equal to 0"
POSITIVE = "must be greater than zero"
PROTOCOLS = ("SCTP", "TCP", "UDP")
KEY_MESSAGE = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  "
    "or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
_KEY = re.compile("[-._a-zA-Z0-9]+")
_PORT_CHARACTERS = re.compile("[-a-z0-9]+")
_HEADER = re.compile("[-A-Za-z0-9]+")
_HEADER_MESSAGE = (
    "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for "
    "validation is '[-A-Za-z0-9]+')"
)
_MODE_MESSAGE = "must be a number between 0 and 0777 (octal), both inclusive"
_PATH = re.compile("[A-Za-z0-9/._~-]+")
_NO_CIDR = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
_NO_ADDRESS = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"


def fits(value: Any, where: str, problems: Callable[[str], Iterable[str]]) -> Iterator[FieldError]:
    """One error for each problem that a text has."""
    yield from (invalid_value(where, value, one) for one in problems(str(value or "")))


def present(value: Any, where: str, problems: Callable[[str], Iterable[str]]) -> Iterator[FieldError]:
    """A text that has to be there and to fit."""
    if not value:
        yield required(where)
    else:
        yield from fits(value, where, problems)


def label(name: Any, where: str) -> Iterator[FieldError]:
    """A DNS label that has to be there."""
    yield from present(name, where, dns_label_problems)


def one_of(value: Any, where: str, words: tuple[str, ...]) -> Iterator[FieldError]:
    """One of a few words, if it is given."""
    if value is not None and value not in words:
        yield unsupported(where, value, words)


def number_at_least(least: int, obj: Object, path: str, *fields: str) -> Iterator[FieldError]:
    """Numbers of at least 0 or 1, where they are given."""
    for field in fields:
        if obj.get(field) is not None and obj[field] < least:
            yield invalid_value(f"{path}.{field}", obj[field], POSITIVE if least else NOT_NEGATIVE)


def between(value: int | None, where: str, least: int, most: int) -> Iterator[FieldError]:
    if value is not None and not least <= value <= most:
        yield invalid_value(where, value, f"must be between {least} and {most}, inclusive")


def port_name_problems(name: str) -> Iterator[str]:
    """Why a text is no name of a port (an IANA service name)."""
    if len(name) > 15:
        yield "must be no more than 15 characters"
    if not _PORT_CHARACTERS.fullmatch(name):
        yield "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"
    if not re.search("[a-z]", name):
        yield "must contain at least one letter (a-z)"
    if "--" in name:
        yield "must not contain consecutive hyphens"
    if name.startswith("-") or name.endswith("-"):
        yield "must not begin or end with a hyphen"


def port_number_or_name(value: Any, where: str) -> Iterator[FieldError]:
    """The number or the name of a port; none is 0."""
    if isinstance(value, str):
        yield from fits(value, where, port_name_problems)
    else:
        yield from between(value or 0, where, 1, 65535)


def config_key_problems(key: str) -> Iterator[str]:
    """Why a text is no key of a ConfigMap or Secret."""
    if len(key) > 253:
        yield "must be no more than 253 characters"
    if not _KEY.fullmatch(key):
        yield KEY_MESSAGE
    if key in (".", ".."):
        yield f"must not be '{key}'"
    elif key.startswith(".."):
        yield "must not start with '..'"


def header_problems(name: str) -> Iterator[str]:
    if not _HEADER.fullmatch(name):
        yield _HEADER_MESSAGE


def address_problems(text: str) -> Iterator[str]:
    try:
        found = ip_address(text)
    except ValueError:
        yield _NO_ADDRESS
        return
    if isinstance(found, IPv6Address) and found.scope_id:
        yield _NO_ADDRESS


def path_without_backsteps(path: str, where: str) -> Iterator[FieldError]:
    if ".." in path.split("/"):
        yield invalid_value(where, path, "must not contain '..'")


def relative_path(path: str, where: str) -> Iterator[FieldError]:
    if path.startswith("/"):
        yield invalid_value(where, path, "must be a relative path")
    yield from path_without_backsteps(path, where)


def file_in_volume(path: str | None, where: str) -> Iterator[FieldError]:
    """Where a file is put inside a volume."""
    path = path or ""
    yield from relative_path(path, where)
    if path.startswith("..") and not path.startswith("../"):
        yield invalid_value(where, path, "must not start with '..'")


def file_mode(mode: int | None, where: str) -> Iterator[FieldError]:
    if mode is not None and not 0 <= mode <= 0o777:
        yield invalid_value(where, mode, _MODE_MESSAGE)


def label_name(name: Any, where: str) -> Iterator[FieldError]:
    """A key of a label."""
    yield from fits(name or "", where, qualified_name_problems)


def label_selector(selector: Object | None, where: str) -> Iterator[FieldError]:
    """A selector with `matchLabels` and `matchExpressions`."""
    if selector is None:
        return
    yield from label_errors(selector.get("matchLabels"), f"{where}.matchLabels")
    for index, one in enumerate(items_at(selector, "matchExpressions")):
        yield from _label_requirement(one, f"{where}.matchExpressions[{index}]")


def _label_requirement(one: Object, where: str) -> Iterator[FieldError]:
    yield from needs_values(one, where, ("In", "NotIn"), ("Exists", "DoesNotExist"))
    yield from label_name(one.get("key"), f"{where}.key")
    for index, value in enumerate(one.get("values") or ()):
        yield from fits(value, f"{where}.values[{index}]", label_value_problems)


def as_struct(value: Object, *fields: str) -> Object:
    """As the real server shows a value of its internal types: every field, by its Go name."""
    return {field[:1].upper() + field[1:]: value.get(field) for field in fields}


def domain_path_problems(text: str) -> Iterator[str]:
    """Why a text is no path with a domain in front: `acme.io/foo`."""
    domain, slash, path = text.partition("/")
    if not slash or not path or list(subdomain_problems(domain)) or not _PATH.fullmatch(path):
        yield 'must be a domain-prefixed path (such as "acme.io/foo")'


def cidr_problems(text: str) -> Iterator[str]:
    try:
        ip_network(text, strict=False)
    except ValueError:
        yield _NO_CIDR
        return
    if "/" not in text:
        yield _NO_CIDR


def needs_values(one: Object, where: str, some: tuple[str, ...], none: tuple[str, ...]) -> Iterator[FieldError]:
    """Whether an expression's operator is known, and has the values it needs."""
    operator, values = one.get("operator") or "", one.get("values")
    if operator in some and not values:
        yield required(f"{where}.values", "must be specified when `operator` is 'In' or 'NotIn'")
    elif operator in none and values:
        yield forbidden_field(f"{where}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
    elif operator not in (*some, *none):
        yield invalid_value(f"{where}.operator", operator, "not a valid selector operator")
