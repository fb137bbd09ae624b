"""What is said of a setting that cannot be used: where it was set, why it is wrong, and what would do.

A name that nobody reads is refused as well: whoever mistypes the setting that keeps the program to one namespace has to
hear of it before it works in all of them. Values are never shown, they may be secrets.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import shlex
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

PREFIX = "K8S_AUTO_FIXER_"

# What can be said on the command line as well.
_FLAGS = {
    "kubeconfig": "--kubeconfig",
    "context": "--context",
    "in_cluster": "--in-cluster",
    "store": "--store",
    "mode": "--mode",
    "alone": "--alone",
    "namespaces": "--namespace",
    "listen": "--listen",
    "log_format": "--log-format",
}
_EXAMPLES: dict[str, Any] = {  # where the default is none
    "kubeconfig": "/home/me/.kube/config",
    "context": "staging",
    "store": "/var/lib/k8s-auto-fixer/store.sqlite",
    "namespaces": ["shop"],
    "listen": "127.0.0.1:8080",
    "registries": ["registry.k8s.io"],
    "models": {"researcher": "gpt-5-mini"},
    "model_fallbacks": ["gpt-5-mini"],
    "model_prices": {"gpt-5-mini": [0.25, 2.0]},
    "model_money_per_day": 5.0,
}
# What Kubernetes sets in a pod for each Service of its namespace, if one's name begins as the program's does.
_SERVICE = re.compile(
    PREFIX + r"(?:\w+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_(?:ADDR|PORT|PROTO))?)?)"
)
_FIELD = re.compile(r'field "(\w+)"')


def variable_of(name: str) -> str:
    """The variable by which a field is set; that of a service's key is the field's own alias."""
    return name if name.isupper() else f"{PREFIX}{name.upper()}"


def unknown_variable(known: Iterable[str]) -> str:
    """What is wrong with a variable that begins as the program's do and sets no field; empty if there is none."""
    variables = {variable_of(name) for name in known}
    for name in sorted(os.environ):
        shown = name.upper()
        if not shown.startswith(PREFIX) or not os.environ[name] or shown in variables:
            continue
        if _SERVICE.fullmatch(shown) is None:
            return f"{plain(name)}: there is no such setting{nearest(shown, variables)}"
    return ""


def nearest(name: str, known: Collection[str]) -> str:
    """Which of the known names was probably meant."""
    found = difflib.get_close_matches(name, known, n=1)
    return f"; do you mean {found[0]}?" if found else "; `k8s-auto-fixer doctor` lists those there are"


def told(error: ValidationError, flags: Mapping[str, Any], file: Path | None, defaults: Mapping[str, Any]) -> str:
    """The first mistake: its source, its field, why, and an example written as in that source."""
    first = error.errors(include_input=False, include_url=False)[0]
    path = [plain(str(part)) for part in first["loc"]]
    name = path[0] if path else "settings"
    why = first["msg"].removeprefix("Value error, ")
    inside = f" at {'.'.join(path)}" if len(path) > 1 else ""
    source = _set_by(name, flags, file) or f"{file}: {name}"
    return f"{source}{inside}: {why}{_example(name, flags, file, defaults)}"


def not_json(error: ValueError, defaults: Mapping[str, Any]) -> str:
    """What is wrong with a variable that should hold JSON."""
    found = _FIELD.search(str(error))
    if found is None:
        return plain(str(error))
    return f"{variable_of(found[1])}: is not JSON{_example(found[1], {}, None, defaults)}"


def plain(text: str) -> str:
    """A stranger's word, short and printable."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:80]


def _in_environment(name: str) -> bool:
    return any(value and key.upper() == variable_of(name) for key, value in os.environ.items())


def _set_by(name: str, flags: Mapping[str, Any], file: Path | None) -> str:
    """The flag or the variable by which a field was set; empty where the file has it."""
    if name in flags and name in _FLAGS:
        return _FLAGS[name]
    return variable_of(name) if name in flags or file is None or _in_environment(name) else ""


def _example(name: str, flags: Mapping[str, Any], file: Path | None, defaults: Mapping[str, Any]) -> str:
    value = _EXAMPLES.get(name, defaults.get(name))
    if value is None or isinstance(value, bool):
        return "; write for example true or false" if isinstance(value, bool) else ""
    written = value if isinstance(value, str) else json.dumps(value)
    if (by := _set_by(name, flags, file)).startswith("--"):
        return f"; write for example {by} {value[0] if isinstance(value, list) else written}"
    if by:
        return f"; write for example {by}={shlex.quote(written)}"
    return f"; write for example `{name}: {json.dumps(value) if ':' in written else written}`"
