"""What the program may change, as one frozen value, and what the guardrails answer.

Silence means no: a field that no pattern allows may not be changed, a namespace that is not included may not
be touched. The bounds are numbers, so that "a bit more memory" cannot become all of a node.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Mode(StrEnum):
    """How far the program may go by itself."""

    OBSERVE = "observe"  # reads only; no write request at all, dry runs included
    SUGGEST = "suggest"  # dry runs; what it would do is handed to a person
    AUTO = "auto"  # changes what the guardrails allow


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """Numeric limits of a change, against the value before the incident's first change."""

    memory_factor: float = 8.0  # three doublings
    memory_bytes: int = 8 * 1024**3
    rounds: int = 3


# Pointer patterns a change's leaf diff may touch, by kind: `*` stands for one segment, `**` for the rest.
# Only pod-template fields of which a playbook knows a repair, and what a rollback puts back.
DEFAULT_POINTERS: dict[str, tuple[str, ...]] = {
    "Deployment": (
        "/spec/template/spec/containers/*/image",
        "/spec/template/spec/initContainers/*/image",
        "/spec/template/spec/containers/*/resources/limits/memory",
        "/spec/template/spec/containers/*/resources/requests/memory",
    )
}


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the guardrails may consult besides the change itself."""

    mode: Mode = Mode.SUGGEST
    namespaces: tuple[str, ...] = ()  # empty: all but the excluded
    excluded_namespaces: tuple[str, ...] = ("kube-system", "kube-public", "kube-node-lease")
    allowed_pointers: dict[str, tuple[str, ...]] = msgspec.field(default_factory=lambda: dict(DEFAULT_POINTERS))
    rollback_kinds: tuple[str, ...] = ("Deployment",)
    bounds: Bounds = Bounds()
    min_confidence: float = 0.8

    def covers(self, namespace: str) -> bool:
        """Whether the program may act in a namespace at all."""
        return namespace not in self.excluded_namespaces and (not self.namespaces or namespace in self.namespaces)


class Answer(StrEnum):
    """What a guardrail says, weakest objection first."""

    ALLOW = "allow"
    NEEDS_APPROVAL = "needs-approval"
    DEFER = "defer"
    REFUSE = "refuse"


class Ruling(msgspec.Struct, frozen=True):
    """One guardrail's answer."""

    rule: str
    answer: Answer
    reason: str


class Verdict(msgspec.Struct, frozen=True):
    """All rulings on one change; the strictest decides, and none at all is a refusal."""

    rulings: tuple[Ruling, ...]

    @property
    def answer(self) -> Answer:
        """The strictest answer given."""
        order = list(Answer)
        return max((ruling.answer for ruling in self.rulings), key=order.index, default=Answer.REFUSE)

    @property
    def objections(self) -> tuple[Ruling, ...]:
        """Every ruling that does not allow."""
        return tuple(ruling for ruling in self.rulings if ruling.answer is not Answer.ALLOW)
