"""How a pod resolves names (`pkg/apis/core/validation`, Kubernetes v1.36)."""

import re
from collections.abc import Iterator

from simulator.apiserver.field_errors import FieldError, invalid_value, required
from simulator.apiserver.objects import Object, items_at
from simulator.apiserver.strategies.forms import address_problems, fits

_MOST_SERVERS = 3
_MOST_SEARCHES = 32
_LONGEST_SEARCHES = 2048
_PART = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SEARCH = re.compile(rf"{_PART}(\.{_PART})*")
_SEARCH_MESSAGE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    rf"'{_PART}(\.{_PART})*')"
)


def dns_settings(spec: Object, where: str) -> Iterator[FieldError]:
    """Complaints about `dnsConfig`, which a pod with the policy None has to have."""
    config = spec.get("dnsConfig")
    if spec.get("dnsPolicy") == "None":
        if config is None:
            yield required(where, "must provide `dnsConfig` when `dnsPolicy` is None")
            return
        if not config.get("nameservers"):
            yield required(f"{where}.nameservers", "must provide at least one DNS nameserver when `dnsPolicy` is None")
            return
    yield from _lists(config or {}, where)


def _lists(config: Object, where: str) -> Iterator[FieldError]:
    servers, searches = config.get("nameservers") or [], config.get("searches") or []
    if len(servers) > _MOST_SERVERS:
        yield invalid_value(f"{where}.nameservers", servers, f"must not have more than {_MOST_SERVERS} nameservers")
    for index, server in enumerate(servers):
        yield from fits(server, f"{where}.nameservers[{index}]", address_problems)
    if len(searches) > _MOST_SEARCHES:
        yield invalid_value(f"{where}.searches", searches, f"must not have more than {_MOST_SEARCHES} search paths")
    if len(" ".join(searches)) > _LONGEST_SEARCHES:
        why = f"must not have more than {_LONGEST_SEARCHES} characters (including spaces) in the search list"
        yield invalid_value(f"{where}.searches", searches, why)
    for index, search in enumerate(searches):
        if search != ".":
            yield from fits(search.removesuffix("."), f"{where}.searches[{index}]", _search_problems)
    for index, option in enumerate(items_at(config, "options")):
        if not option.get("name"):
            yield required(f"{where}.options[{index}]", "must not be empty")


def _search_problems(name: str) -> Iterator[str]:
    if len(name) > 253:
        yield "must be no more than 253 characters"
    if not _SEARCH.fullmatch(name):
        yield _SEARCH_MESSAGE
