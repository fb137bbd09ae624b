"""Looks through a kubeconfig before it is used: the official loader reports what it trips over, not what is wrong.

Only the one context that will be used is looked at. Values are never shown: some are credentials.
"""

from __future__ import annotations

import base64
import binascii
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from tools.cluster.errors import Misconfigured

REMEDY = "pass --kubeconfig FILE and --context NAME"
_PEM = b"-----BEGIN "
_FILES = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
_OTHER_CREDENTIALS = ("token", "tokenFile", "username", "client-certificate", "client-certificate-data")


def default_paths() -> str:
    """What ``KUBECONFIG`` names, several files even; else the file in the user's home. Raises Misconfigured."""
    return os.environ.get("KUBECONFIG") or str(_at_home("~/.kube/config"))


def look_through(given: str | Mapping[str, Any], context: str | None) -> str:
    """Refuse what cannot work. Raises Misconfigured, naming file, field and remedy.

    ``given``: a path or the content. Several paths, which are merged, are only looked for. Answers the program that has
    to log in, if there is no other credential.
    """
    if isinstance(given, Mapping):
        return _look("the kubeconfig", given, None, context)
    paths = [_at_home(part) for part in given.split(os.pathsep) if part]
    there = [path for path in paths if path.exists()]
    if not there:
        raise _wrong(given, "there is no such file")
    contents = [_content(path) for path in there]
    return _look(str(there[0]), contents[0], there[0].parent, context) if len(there) == 1 else ""


def _at_home(path: str) -> Path:
    """The path with ``~`` written out. A user without HOME and without a line in the passwd file has none."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise _wrong(path, "there is no home folder of that user here") from error


def _content(path: Path) -> Mapping[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _wrong(path, f"cannot be read ({error.strerror})") from error
    except yaml.MarkedYAMLError as error:  # its own text would quote the file
        line = f" (line {error.problem_mark.line + 1})" if error.problem_mark is not None else ""
        raise _wrong(path, f"is not YAML{line}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise _wrong(path, "is not YAML") from error
    if content is None:
        raise _wrong(path, "is empty")
    if not isinstance(content, Mapping):
        raise _wrong(path, "is no kubeconfig: it has no `clusters`, `contexts` and `users`")
    return content


def _look(file: str, content: Mapping[str, Any], folder: Path | None, context: str | None) -> str:
    name = context or content.get("current-context")
    if not name:
        raise _wrong(file, "current-context: is not set")
    chosen = _entry(file, content, "context", name, "--context" if context else "current-context")
    cluster = _entry(file, content, "cluster", chosen.get("cluster"), f"contexts[{name}].context.cluster")
    _server(file, f"clusters[{chosen['cluster']}].cluster", cluster)
    _material(file, f"clusters[{chosen['cluster']}].cluster", cluster, folder)
    if not chosen.get("user"):
        return ""
    user = _entry(file, content, "user", chosen["user"], f"contexts[{name}].context.user")
    _material(file, f"users[{chosen['user']}].user", user, folder)
    return _plugin(file, f"users[{chosen['user']}].user", user, folder)


def _entry(file: str, content: Mapping[str, Any], kind: str, name: object, field: str) -> Mapping[str, Any]:
    """The cluster, context or user of that name."""
    listed = content.get(f"{kind}s") or []
    if not isinstance(listed, list) or not all(isinstance(one, Mapping) for one in listed):
        raise _wrong(file, f"{kind}s: is no list of {kind}s")
    found = next((one.get(kind) for one in listed if one.get("name") == name), None)
    if not isinstance(found, Mapping):
        known = ", ".join(str(one.get("name")) for one in listed) or "none"
        raise _wrong(file, f"{field}: there is no {kind} {str(name)!r} with content; there is: {known}")
    return found


def _server(file: str, field: str, cluster: Mapping[str, Any]) -> None:
    try:
        address = urlsplit(str(cluster.get("server") or ""))
        fits = address.scheme in ("http", "https") and bool(address.hostname) and address.port != 0
    except ValueError:  # a port that is no number, a bracket that stays open
        fits = False
    if not fits or any(letter.isspace() for letter in str(cluster.get("server"))):
        raise _wrong(file, f"{field}.server: is no address such as https://HOST:6443")


def _material(file: str, field: str, entry: Mapping[str, Any], folder: Path | None) -> None:
    """Certificates and keys: base64 of a PEM, or a file that is there."""
    for name, value in entry.items():
        if name.endswith("-data") and value and not _is_pem(str(value)):
            raise _wrong(file, f"{field}.{name}: is no base64 of a PEM")
        named = folder / str(value) if name in _FILES and value and folder is not None else None
        if named is not None and not entry.get(f"{name}-data") and not os.access(named, os.R_OK):
            raise _wrong(file, f"{field}.{name}: {value} cannot be read")


def _is_pem(value: str) -> bool:
    try:
        return _PEM in base64.standard_b64decode(value)
    except (binascii.Error, ValueError):
        return False


def _plugin(file: str, field: str, user: Mapping[str, Any], folder: Path | None) -> str:
    """The program that logs in; one that is named by a path is looked for from where the file is, as it is run."""
    asked = user.get("exec")
    if not isinstance(asked, Mapping) or any(user.get(name) for name in _OTHER_CREDENTIALS):
        return ""
    command = str(asked.get("command") or "")
    placed = str(folder / command) if folder is not None and os.sep in command else command
    if shutil.which(placed) is None:
        raise _wrong(file, f"{field}.exec.command: there is no program {command!r} on this machine's PATH")
    return command


def _wrong(file: object, why: str) -> Misconfigured:
    return Misconfigured(f"{file}: {why}; {REMEDY}")
