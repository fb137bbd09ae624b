"""What the program may change, as one frozen value, and what the guardrails answer.

Silence means no: a field that no pattern allows may not be changed, a namespace that is not included may not
be touched. The bounds are numbers, so that "a bit more memory" cannot become all of a node.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from incidents.allowed import ALLOWED, CREATED, RECREATED, RECREATED_WITH_APPROVAL, WITH_APPROVAL


class Mode(StrEnum):
    """How far the program may go by itself."""

    OBSERVE = "observe"  # reads only; no write request at all, dry runs included
    SUGGEST = "suggest"  # dry runs; what it would do is handed to a person
    APPROVE = "approve"  # asks a person for every change, and makes those that are approved
    AUTO = "auto"  # changes what the guardrails allow, asks for what needs approval

    @property
    def acts(self) -> bool:
        """Whether anything is ever changed in it."""
        return self in (Mode.APPROVE, Mode.AUTO)


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """Numeric limits of a change, against the value before the incident's first change."""

    memory_factor: float = 8.0  # three doublings
    memory_bytes: int = 8 * 1024**3
    cpu_factor: float = 8.0
    cpu_millis: int = 4_000
    storage_factor: float = 4.0  # of a claim, which never gets smaller again: two doublings
    storage_bytes: int = 1024**4
    probe_seconds: int = 1_800  # how long a container may be given to start
    rounds: int = 3


class Windows(msgspec.Struct, frozen=True, kw_only=True):
    """Limits over time, counted over the changes of one store to one cluster. Durations in seconds.

    Abandoned changes count nowhere: they never reached an object.
    """

    cooldown: float = 900.0  # of a subject after its last incident's last change
    same_field: float = 86_400.0  # one field of one object is not set twice by two incidents
    concurrent: int = 5  # changes that stand unverified at once
    hour: float = 3600.0  # the span of the two caps that follow
    per_hour: int = 30  # changes of any kind
    namespace_share: float = 0.2  # of a namespace's workloads, changed within an hour
    namespace_floor: int = 2  # so many may always be changed
    breaker_undone: int = 3  # incidents whose changes were undone within the window before nothing new is begun
    breaker: float = 3600.0  # how far back they count, and how long it stays open after the last
    request: float = 86_400.0  # how long a person may take to decide
    spread: float = 120.0  # over so long those are spread who wait for one moment, so that they do not come at once
    beside: float = 60.0  # when what another incident is at is looked at again: it may have mended this one too
    switched: float = 600.0  # when what a switch without an end has parked is looked at again at the latest

    def at(self, speed: float) -> Windows:
        """The same limits on a cluster whose durations are divided by ``speed``."""
        spans = ("cooldown", "same_field", "hour", "breaker", "request", "spread", "beside", "switched")
        return msgspec.structs.replace(self, **{name: getattr(self, name) / speed for name in spans})

    @property
    def longest(self) -> float:
        """How far back changes have to be known."""
        return max(self.cooldown, self.same_field, self.hour, self.breaker)

    @property
    def longest_deferral(self) -> float:
        """How long the guardrails put a change off at most, before they are asked again."""
        return max(self.cooldown, self.hour + self.spread, self.breaker + self.spread, self.switched)


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the guardrails may consult besides the change itself."""

    mode: Mode = Mode.SUGGEST
    namespaces: tuple[str, ...] = ()  # empty: all but the excluded
    excluded_namespaces: tuple[str, ...] = ("kube-system", "kube-public", "kube-node-lease")
    allowed_pointers: dict[str, tuple[str, ...]] = msgspec.field(default_factory=lambda: dict(ALLOWED))
    approval_pointers: dict[str, tuple[str, ...]] = msgspec.field(default_factory=lambda: dict(WITH_APPROVAL))
    recreated_pointers: dict[str, tuple[str, ...]] = msgspec.field(default_factory=lambda: dict(RECREATED))
    recreated_with_approval: dict[str, tuple[str, ...]] = msgspec.field(
        default_factory=lambda: dict(RECREATED_WITH_APPROVAL)
    )
    created_kinds: tuple[str, ...] = CREATED
    rollback_kinds: tuple[str, ...] = ("Deployment", "DaemonSet", "StatefulSet")
    bounds: Bounds = Bounds()
    windows: Windows = Windows()
    min_confidence: float = 0.8
    model_auto: bool = False  # whether what a model proposes may be changed without asking a person

    def covers(self, namespace: str) -> bool:
        """Whether the program may act in a namespace at all."""
        return namespace not in self.excluded_namespaces and (not self.namespaces or namespace in self.namespaces)


DRIFT = "drift"  # the rule that allows and remarks


class Answer(StrEnum):
    """What a guardrail says, weakest objection first."""

    ALLOW = "allow"
    NEEDS_APPROVAL = "needs-approval"
    DEFER = "defer"
    REFUSE = "refuse"


class Ruling(msgspec.Struct, frozen=True):
    """One guardrail's answer. ``until``: when a deferral may be looked at again, if that is known."""

    rule: str
    answer: Answer
    reason: str
    until: datetime | None = None


class Verdict(msgspec.Struct, frozen=True):
    """All rulings on one change; the strictest decides, and none at all is a refusal."""

    rulings: tuple[Ruling, ...]

    @property
    def answer(self) -> Answer:
        """The strictest answer given."""
        order = list(Answer)
        return max((ruling.answer for ruling in self.rulings), key=order.index, default=Answer.REFUSE)

    @property
    def until(self) -> datetime | None:
        """When the last of the deferrals that know their end has passed."""
        ends = [ruling.until for ruling in self.rulings if ruling.until is not None]
        return max(ends, default=None)

    @property
    def objections(self) -> tuple[Ruling, ...]:
        """Every ruling that does not allow."""
        return tuple(ruling for ruling in self.rulings if ruling.answer is not Answer.ALLOW)

    @property
    def remarks(self) -> tuple[Ruling, ...]:
        """What a person should know of a change that is allowed: that its source does not know of it."""
        return tuple(ruling for ruling in self.rulings if ruling.answer is Answer.ALLOW and ruling.rule == DRIFT)
