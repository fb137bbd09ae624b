"""Completion indexes of Indexed Jobs: sets of numbers, and their text form (``0,2-5``). Pure.

After pkg/controller/job/indexed_job_utils.go in Kubernetes v1.36.
"""

from collections.abc import Iterable, Iterator

from simulator.informer import Object

INDEX_KEY = "batch.kubernetes.io/job-completion-index"
"""Both an annotation and a label of the pod."""


def is_indexed(job: Object) -> bool:
    """Whether every completion of the Job has a number."""
    return bool(job["spec"].get("completionMode") == "Indexed")


def index_of(pod: Object) -> int | None:
    """The index that a pod works on, None when it states none."""
    text = (pod["metadata"].get("annotations") or {}).get(INDEX_KEY, "")
    return int(text) if text.isdecimal() else None


def parse(text: str, limit: int) -> set[int]:
    """The indexes below ``limit`` in a text such as ``0,2-5``; what cannot be read is left out."""
    found: set[int] = set()
    for part in (text or "").split(","):
        first, _, last = part.partition("-")
        if first.isdecimal() and (last or first).isdecimal():
            found.update(range(int(first), min(int(last or first), limit - 1) + 1))
    return found


def render(indexes: Iterable[int]) -> str:
    """The text form: runs of three and more are written as a range."""
    return ",".join(
        str(first) if first == last else f"{first},{last}" if last == first + 1 else f"{first}-{last}"
        for first, last in _runs(indexes)
    )


def first_missing(count: int, completions: int, taken: set[int]) -> list[int]:
    """The lowest indexes that nothing works on and that are not done."""
    free = (index for index in range(completions) if index not in taken)
    return [index for index, _ in zip(free, range(count), strict=False)]


def _runs(indexes: Iterable[int]) -> Iterator[tuple[int, int]]:
    run: list[int] = []
    for index in sorted(indexes):
        if run and index == run[-1] + 1:
            run.append(index)
            continue
        if run:
            yield run[0], run[-1]
        run = [index]
    if run:
        yield run[0], run[-1]
