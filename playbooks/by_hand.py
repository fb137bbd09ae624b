"""Commands for a person who agrees, where the program may not do it itself: exact, with what each means, or none.

A command is told only where the state of the cluster fixes every value in it. Names come from objects that strangers
may have written: what is no name of Kubernetes is put into no command, and every word is quoted for the shell. What
loosens a rule that was set to say no (pod security, a webhook) is never worded, however clearly it is in the way:
somebody who is woken at night would run it.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable

from incidents.objects import is_name

_LABEL = re.compile(r"([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")


def is_label(text: object) -> bool:
    """Whether it can be the key of a label or a taint, or a value of one that is not empty."""
    return isinstance(text, str) and _LABEL.fullmatch(text) is not None


def by_hand(meaning: str, *words: str, namespace: str = "") -> tuple[str, ...]:
    """What it means, as a comment that may be copied along, and the kubectl command. ``words`` follow ``kubectl``."""
    return f"# {' '.join(meaning.split())}", kubectl(*words, namespace=namespace)


def merged(meaning: str, kind: str, name: str, content: object, *, namespace: str = "") -> tuple[str, ...]:
    """The same for a merge patch of one object."""
    return by_hand(meaning, "patch", kind, name, "--type=merge", "-p", body(content), namespace=namespace)


def kubectl(*words: str, namespace: str = "") -> str:
    """A kubectl command, every word of it quoted for the shell."""
    where = ("-n", namespace) if namespace else ()
    return shlex.join(("kubectl", *where, *words))


def body(content: object) -> str:
    """A patch as one word of a command."""
    return json.dumps(content, separators=(",", ":"))


def all_names(texts: Iterable[object]) -> bool:
    """Whether each can be the name of an object."""
    return all(is_name(text) for text in texts)
