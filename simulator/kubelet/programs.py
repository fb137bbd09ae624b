"""The words in which the catalogue describes a program. Plain data.

Memory and disk are in MiB, times in simulated seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

GRPC = "grpc"
"""The 'path' under which a port states its health over gRPC."""


@dataclass(frozen=True)
class Answer:
    """What a path answers: a status, after ``seconds``; ``upstream``: 503 while a service it needs is away."""

    status: int = 200
    seconds: float = 0.0
    upstream: bool = False


@dataclass(frozen=True)
class Upstream:
    """A service that must answer; without it the program ends (``exit``) or only says that it is not ready."""

    service: str
    port: int
    otherwise: Literal["exit", "unready"] = "exit"


@dataclass(frozen=True)
class Needs:
    """What the program looks for when it starts, and how it leaves when one is missing."""

    env: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    upstreams: tuple[Upstream, ...] = ()
    code: int = 1


@dataclass(frozen=True)
class Exit:
    """How a program ends by itself, counted from its start.

    ``logs`` are its last words; ``message`` is what it leaves in its termination log.
    """

    after_seconds: float
    code: int
    logs: tuple[str, ...] = ()
    message: str = ""


@dataclass(frozen=True)
class Stop:
    """How a program takes SIGTERM: it leaves after ``seconds`` with ``code``."""

    seconds: float = 0.2
    code: int = 0


@dataclass(frozen=True)
class Busy:
    """Once in ``every`` seconds, for ``lasts`` of them, each answer takes ``answer_seconds`` longer."""

    every: float
    lasts: float
    answer_seconds: float


@dataclass(frozen=True)
class Heap:
    """A runtime that fills the heap it is told to take (``-Xmx``): what it takes ``besides``, the ``least`` it has."""

    least: float
    besides: float


@dataclass(frozen=True)
class Program:
    """What runs when a container of an image runs."""

    ports: Mapping[int, Mapping[str, Answer]] = field(default_factory=dict)
    tls_ports: tuple[int, ...] = ()
    start_seconds: float = 0.3
    working_set: float = 16.0
    heap: Heap | None = None
    growth_per_second: float = 0.0
    disk_per_second: float = 0.0
    disk_most: float | None = None
    disk_path: str = "/"
    cpu_millicores: float = 5.0
    busy: Busy | None = None
    needs: Needs = Needs()
    logs: tuple[str, ...] = ()
    exits: Exit | None = None
    stops: Stop = Stop()
    user: str = ""
    entrypoint: tuple[str, ...] = ("/docker-entrypoint.sh",)
    flags: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    shell: bool = False
    platforms: tuple[str, ...] = ("linux/amd64",)
    size_bytes: int = 40_000_000
    pull_seconds: float = 1.0
