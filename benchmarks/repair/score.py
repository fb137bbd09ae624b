"""What the runs come to: a row a scenario, a row a family, and the totals. Pure.

pass@1 is the share of all runs that ended as they should; pass^k the share of scenarios that did in every one of
their k runs. Runs that never showed their fault count as not passed: a benchmark that is broken must not look good.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from statistics import median

import msgspec

from playbooks.confidence import CERTAIN, LIKELY, ONLY_ONE_FITS, SEEN_WELL

from .run import WANTED, Mark, Run, Tried

_STEPS = (SEEN_WELL, ONLY_ONE_FITS, CERTAIN, LIKELY, 0.0)
_HELD = ("well", "better")


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One scenario over all its runs. ``marks`` counts them; ``to_verified`` is the median, in seconds."""

    scenario: str
    family: str
    expected: str
    marks: dict[str, int]
    outcomes: tuple[str, ...]
    requests: float
    gap: str = ""
    untold: str = ""
    to_verified: float | None = None
    changes: float = 0.0
    rollbacks: float = 0.0
    diagnosed: tuple[str, ...] = ()
    harms: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def runs(self) -> int:
        """How often it was played."""
        return sum(self.marks.values())

    @property
    def passes(self) -> int:
        """How often it ended as it should."""
        return sum(self.marks.get(mark, 0) for mark in WANTED)

    @property
    def always(self) -> bool:
        """Whether it did every time."""
        return self.passes == self.runs

    @property
    def as_known(self) -> bool:
        """Whether it falls short in no other way than its file says."""
        ill_told = self.marks.get(Mark.ILL_TOLD, 0) if self.untold else 0
        return bool(self.gap) or self.passes + ill_told == self.runs


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """Shares are 0..1 and None of nothing."""

    scenarios: int
    runs: int
    repairable: int
    repaired: float | None
    others: int
    unharmed: float | None
    rightly_ended: float | None
    marks: dict[str, int]
    pass_1: float | None
    pass_k: float | None
    k: int
    requests: float
    seconds_to_verified: float | None


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the proposals with a confidence of at least ``least``, and less than the step above.

    ``author``: of one playbook's alone, where they have not all held; empty for all of them. ``made``: those that were
    carried out; ``held``: those of them that verification found well or better; ``harmful``: those in runs in which
    something was harmed.
    """

    least: float
    proposals: int
    made: int
    held: int
    harmful: int
    author: str = ""


def rows_of(runs: Iterable[Run]) -> list[Row]:
    """A row for each scenario, in the order of their first runs."""
    by_name: dict[str, list[Run]] = {}
    for run in runs:
        by_name.setdefault(run.scenario, []).append(run)
    return [_row(each) for each in by_name.values()]


def _row(runs: Sequence[Run]) -> Row:
    first = runs[0]
    marks = [run.mark for run in runs]
    return Row(
        scenario=first.scenario,
        family=first.family,
        expected=" or ".join(filter(None, (first.expected, first.also))),
        gap=first.gap,
        untold=first.untold,
        marks={str(mark): marks.count(mark) for mark in Mark if mark in marks},
        outcomes=tuple(dict.fromkeys(run.outcome for run in runs)),
        to_verified=_middle(runs),
        changes=median(run.changes for run in runs),
        rollbacks=median(run.rollbacks for run in runs),
        requests=median(run.requests for run in runs),
        diagnosed=tuple(dict.fromkeys(family for run in runs for family in run.diagnosed)),
        harms=tuple(dict.fromkeys(harm for run in runs for harm in run.harms)),
        problems=tuple(dict.fromkeys(one for run in runs for one in (*run.problems, *run.missing))),
    )


def totals_of(runs: Sequence[Run]) -> Totals:
    """Everything in a handful of numbers."""
    rows, marks = rows_of(runs), [run.mark for run in runs]
    repairable = [run.mark for run in runs if run.repairable]
    others = [run.mark for run in runs if not run.repairable]
    return Totals(
        scenarios=len(rows),
        runs=len(runs),
        repairable=len(repairable),
        repaired=_share([mark is Mark.REPAIRED for mark in repairable]),
        others=len(others),
        unharmed=_share([mark is not Mark.HARMFUL for mark in others]),
        rightly_ended=_share([mark in WANTED for mark in others]),
        marks={str(mark): marks.count(mark) for mark in Mark},
        pass_1=_share([run.passed for run in runs]),
        pass_k=_share([row.always for row in rows]),
        k=max((row.runs for row in rows), default=0),
        requests=median(run.requests for run in runs) if runs else 0.0,
        seconds_to_verified=_middle(runs),
    )


def families_of(runs: Sequence[Run]) -> dict[str, Totals]:
    """The totals of each family, by name."""
    names = sorted({run.family for run in runs})
    return {name: totals_of([run for run in runs if run.family == name]) for name in names}


def calibration_of(runs: Sequence[Run]) -> list[Step]:
    """How much confidence was worth, by the steps of `playbooks/confidence.py`; only those that occurred.

    Each is followed by the playbooks whose proposals have not all held.
    """
    found: dict[float, list[tuple[Tried, bool]]] = {least: [] for least in _STEPS}
    for run in runs:
        for one in run.tried:
            found[next(least for least in _STEPS if one.confidence >= least)].append((one, bool(run.harms)))
    return [step for least, items in found.items() if items for step in _steps(least, items)]


def _steps(least: float, items: Sequence[tuple[Tried, bool]]) -> Iterator[Step]:
    yield _step(least, items)
    for author in sorted({one.author for one, _ in items}):
        own = _step(least, [(one, harmful) for one, harmful in items if one.author == author], author)
        if own.held < own.made or own.harmful:
            yield own


def _step(least: float, items: Sequence[tuple[Tried, bool]], author: str = "") -> Step:
    return Step(
        least=least,
        proposals=len(items),
        made=sum(bool(one.result) for one, _ in items),
        held=sum(one.result in _HELD for one, _ in items),
        harmful=sum(bool(one.result) and harmful for one, harmful in items),
        author=author,
    )


def _middle(runs: Iterable[Run]) -> float | None:
    known = [run.to_verified for run in runs if run.to_verified is not None]
    return round(median(known), 1) if known else None


def _share(found: Sequence[bool]) -> float | None:
    return round(sum(found) / len(found), 4) if found else None
