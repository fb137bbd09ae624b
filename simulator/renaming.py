"""One scenario told in other words: names, registries, ports, sizes and tags change, what goes wrong does not.

Owns the mapping from the words of one file to those of one variant. What is equal stays equal, what differs stays
different, a slip stays a slip of the word that was meant, a size that was too small stays too small: sizes are
scaled by sixteenths, so that no sum is rounded. Official images keep their names and what they listen on, since
everybody's clusters know them; so do the words of Kubernetes.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from simulator.wordlists import Dialect

_SHORT = 4  # letters of a word that is short
_SIZE = re.compile(r"(?<![\w.])(\d+)(MiB|Mi|Gi)(?![\w])")
_HEAP = re.compile(r"(-Xm[sx])(\d+)m\b")
_UNCHANGED = frozenset(
    {"apiVersion", "kind", "apiGroup", "apiGroups", "verbs", "resources", "title", "because", "reason"}
)
_PATTERNS = frozenset({"image", "matches"})
_POINTERS = frozenset({"paths"})
_MEBIBYTES = frozenset({"working_set", "least", "besides", "growth_per_second", "disk_per_second", "disk_most"})
_PORT_KEYS = frozenset({"port", "containerPort", "targetPort", "hostPort"})
_RELEASES = ("27", "28", "29")  # of the official nginx, each with the same tags
_OFFICIAL = re.compile(r"(?<![\w./-])nginx:1\.(27|28|29)(?!\d)")
_LEAST_PORT = 1024  # below are ports that mean something
_NO_FILE = r"(?![A-Za-z0-9])(?!\.(?:ya?ml|json|conf|toml|properties|env|sh|txt|crt|pem)\b)"


@dataclass(frozen=True)
class Vocabulary:
    """What there is to rename in one scenario, as it was collected from its file and from its images.

    ``shared``: those of the names that stand where other scenarios can see them, the namespace aside.
    """

    names: frozenset[str]
    shared: frozenset[str]
    variables: frozenset[str]
    repositories: frozenset[str]
    ports: frozenset[int]
    slips: Mapping[str, str]


class Renaming:
    """The mapping of one scenario for one seed. Two of one `mark` are never used together: it is in their names."""

    def __init__(self, vocabulary: Vocabulary, *, dialect: Dialect, random: Random, mark: str, namespace: str) -> None:
        self._dialect = dialect
        self._random = random
        self._mark = mark
        self._words = list(dialect.words)
        random.shuffle(self._words)
        self._parts: dict[str, str] = {}
        self._sixteenths = random.choice(dialect.sixteenths)
        self._major = random.randint(1, 6)
        self._release = random.randrange(len(_RELEASES))
        self._label = dialect.label_key
        self._ports = self._new_ports(vocabulary.ports)
        self._names = {name: self._name(name) for name in sorted(vocabulary.names)}
        self._names |= {name: f"{self._names[name]}-{mark}" for name in vocabulary.shared}
        self._names[namespace] = f"{self._name(namespace)}-{mark}"
        self._variables = {name: self._variable(name) for name in sorted(vocabulary.variables)}
        self._repositories = self._new_repositories(vocabulary.repositories)
        self._slips = {wrong: self._slip(meant) for wrong, meant in vocabulary.slips.items()}
        self._steps = self._all_steps()

    # --- what maps to what

    def _part(self, part: str) -> str:
        if not part.isalpha() or len(part) < len("abc"):
            return part
        if part not in self._parts:
            self._parts[part] = self._words.pop()
        return self._parts[part]

    def _name(self, name: str) -> str:
        return "-".join(self._part(part) for part in name.split("-"))

    def _variable(self, name: str) -> str:
        first, _, rest = name.partition("_")
        return f"{self._part(first.lower()).upper()}_{rest}"

    def _new_ports(self, ports: Collection[int]) -> dict[int, int]:
        movable = sorted(port for port in ports if port >= _LEAST_PORT)
        return dict(zip(movable, self._random.sample(range(*self._dialect.ports), len(movable)), strict=True))

    def _new_repositories(self, repositories: Iterable[str]) -> dict[str, str]:
        hosts: dict[str, str] = {}
        self._hosts = hosts
        found = {}
        for repository in sorted(repositories):
            host, _, path = repository.partition("/")
            if host not in hosts:
                hosts[host] = self._random.choice(self._dialect.hosts).format(f"{self._words.pop()}-{self._mark}")
            folder, _, last = path.rpartition("/")
            found[repository] = f"{hosts[host]}/{self._name(folder)}-{self._mark}/{self._name(last)}"
        return found

    def _slip(self, meant: str) -> str:
        """A slip of the keyboard in what the meant word has become: two letters in the wrong order, or one missing.

        None is missing in a short word: what is left of it might as well be another one.
        """
        word = self._names.get(meant) or self._variables.get(meant) or meant
        places = [at for at in range(1, len(word) - 1) if word[at].isalpha() and word[at + 1].isalpha()]
        swaps = [at for at in places if word[at] != word[at + 1]]
        at = self._random.choice(swaps or places)
        short = min(map(len, re.findall(r"[A-Za-z]+", word))) <= _SHORT
        if swaps and (self._random.random() < 2 / 3 or short):
            return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        return word[:at] + word[at + 1 :]

    # --- carried out

    def _all_steps(self) -> list[tuple[re.Pattern[str], Callable[[re.Match[str]], str]]]:
        """In this order: what an earlier step has put in is hidden from the later ones."""
        steps = [
            (_either(self._repositories, before="", after=r"(?::(?P<tag>\w[\w.-]*))?"), self._image),
            (_either(self._hosts, before=r"(?<![\w.-])"), lambda found: self._hosts[found[1]]),
            (_OFFICIAL, self._official),
            (_either(self._slips, before=r"(?<![A-Za-z0-9])"), lambda found: self._slips[found[1]]),
            (_either(self._variables, before=r"(?<![A-Z0-9_])"), lambda found: self._variables[found[1]]),
            (_either(self._names, before=r"(?<![A-Za-z0-9-])", after=_NO_FILE), lambda found: self._names[found[1]]),
            (_either(map(str, self._ports), before=r"(?<![\w.])"), lambda found: str(self._ports[int(found[1])])),
            (_SIZE, lambda found: self.size(int(found[1]), found[2])),
            (_HEAP, lambda found: f"{found[1]}{int(found[2]) * self._sixteenths // 16}m"),
        ]
        return [(pattern, into) for pattern, into in steps if pattern is not None]

    def _image(self, found: re.Match[str]) -> str:
        tag = found["tag"]
        return self._repositories[found[1]] + (f":{self.tag(tag)}" if tag else "")

    def _official(self, found: re.Match[str]) -> str:
        place = (_RELEASES.index(found[1]) + self._release) % len(_RELEASES)
        return f"nginx:1.{_RELEASES[place]}"

    def tag(self, tag: str) -> str:
        """A tag of an image that is renamed: another major version, and as the dialect writes versions."""
        number = re.match(r"\d+", tag)
        if number is None:
            return self._slips.get(tag, tag)
        moved = f"{self._dialect.tag_prefix}{int(number[0]) + self._major}{tag[number.end() :]}"
        return re.sub(r"[a-z]+$", lambda word: self._slips.get(word[0], word[0]), moved)

    def size(self, number: int, unit: str) -> str:
        """A size scaled, in the unit that Kubernetes would write it in."""
        mebibytes = number * (1024 if unit == "Gi" else 1) * self._sixteenths // 16
        if unit == "MiB":
            return f"{mebibytes}MiB"
        return f"{mebibytes // 1024}Gi" if mebibytes % 1024 == 0 else f"{mebibytes}Mi"

    def repository(self, repository: str) -> str:
        """The new name of a repository; its own if it is not renamed."""
        return self._repositories.get(repository, repository)

    def text(self, text: str) -> str:
        """Any text of the scenario or of its images."""
        hidden: list[str] = []

        def hide(into: Callable[[re.Match[str]], str]) -> Callable[[re.Match[str]], str]:
            def put(found: re.Match[str]) -> str:
                hidden.append(into(found))
                return f"\0{chr(0xE000 + len(hidden) - 1)}\0"

            return put

        for pattern, into in self._steps:
            text = pattern.sub(hide(into), text)
        return re.sub("\0(.)\0", lambda found: hidden[ord(found[1]) - 0xE000], text)

    def document(self, value: Any, key: str = "") -> Any:
        """A whole document; ``key`` is the field it stands in."""
        if isinstance(value, Mapping):
            return {self._key(name, key): self.document(item, str(name)) for name, item in value.items()}
        if isinstance(value, list):
            return [self.document(item, key) for item in value]
        if isinstance(value, str):
            return self._string(value, key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return value
        if key in _MEBIBYTES:
            return value * self._sixteenths / 16
        is_port = key in _PORT_KEYS or key in ("equals", "tls_ports")
        return self._ports.get(int(value), value) if is_port else value

    def _key(self, name: Any, parent: str) -> Any:
        if isinstance(name, int):
            return self._ports.get(name, name) if parent == "ports" else name
        if name == "app":
            return self._label
        if name.startswith("/"):
            return self.text(name)  # what a program answers to
        return self._variables.get(name, name)

    def _string(self, value: str, key: str) -> str:
        if key in _UNCHANGED:
            return value
        if key in _POINTERS or (key == "path" and value.startswith(("/spec/", "/metadata/", "/status/", "/data/"))):
            return self._pointer(value)
        if key in _PATTERNS and "\\." in value:
            return self.text(value.replace("\\.", ".")).replace(".", "\\.")
        if key == "key" and value == "app":
            return self._label
        return self.text(value)

    def _pointer(self, pointer: str) -> str:
        label = self._label.replace("/", "~1")
        parts = (label if part == "app" else self._variables.get(part, part) for part in pointer.split("/"))
        return "/".join(parts)


def _either(words: Iterable[str], *, before: str, after: str = r"(?![A-Za-z0-9])") -> re.Pattern[str] | None:
    """One of the words, the longest first; None where there are none."""
    ordered = sorted(words, key=len, reverse=True)
    return re.compile(f"{before}({'|'.join(map(re.escape, ordered))}){after}") if ordered else None
