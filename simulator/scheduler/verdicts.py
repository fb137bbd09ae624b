"""What a filter says of a node, and the sentence that a pod gets when no node will have it. Pure.

The sentence is that of framework.FitError (pkg/scheduler/framework/types.go in Kubernetes v1.36).
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Verdict:
    """Why a pod cannot run on a node; no reasons mean that it can.

    ``plugin`` names the filter; ``resolvable``: the pod might fit if others left.
    """

    reasons: tuple[str, ...] = ()
    plugin: str = ""
    resolvable: bool = False

    @property
    def fits(self) -> bool:
        return not self.reasons


FITS = Verdict()
UNHELPFUL = Verdict(("Preemption is not helpful for scheduling",))


@dataclass(frozen=True)
class Refusals:
    """Everything that is known after a failed attempt: by node, or what was said before any node was looked at."""

    nodes: int
    by_node: Mapping[str, Verdict] = field(default_factory=dict)
    before: Verdict = FITS
    absent: Verdict = FITS
    """What holds for nodes that were not looked at one by one."""

    @property
    def plugins(self) -> frozenset[str]:
        """The filters that something would have to change for."""
        found = {item.plugin for item in (*self.by_node.values(), self.before, self.absent)}
        return frozenset(found - {""})

    def message(self, afterwards: str = "") -> str:
        """The whole sentence; ``afterwards`` is what the attempt to make room said."""
        text = f"0/{self.nodes} nodes are available:"
        if not self.before.fits:
            text += f" {', '.join(self.before.reasons)}."
        else:
            listed = _counted(self.by_node.values(), self.absent, self.nodes)
            text += f" {listed}." if listed else ""
        return f"{text} {afterwards}" if afterwards else text


def _counted(verdicts: Iterable[Verdict], absent: Verdict, nodes: int) -> str:
    known = list(verdicts)
    counts = Counter(reason for item in known for reason in item.reasons)
    for reason in absent.reasons if len(known) < nodes else ():
        counts[reason] += nodes - len(known)
    return ", ".join(sorted(f"{count} {reason}" for reason, count in counts.items()))
