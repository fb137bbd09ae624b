"""A case as a file: writing one from the store, and reading one that somebody has sent.

What is in the store of a run is masked already. Here the rest goes that a stranger could learn from: digests of what
may hold a secret would tell whether a guess at it is right, so they become digests of the masked form, or numbers.
What is read is data and nothing else: it is decoded into known types, bounded, and named field by field where it
does not fit.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from app.version import VERSION
from evidence.redaction import mask_text
from incidents.codec import Undecodable, decode, encode
from incidents.evidence import Evidence
from incidents.incident import Incident
from incidents.recording import FORMAT, Case, Guarded, Read, Run, Told
from incidents.snapshot import template_digest
from tools.store import Store

CASE_BYTES = 64 * 1024 * 1024  # of a file; a case of three rounds has less than a hundredth of it
_FORMATS = FORMAT.rpartition("/")[0] + "/"  # those of all versions
_LONG_DIGEST = re.compile(r"[0-9a-f]{64}")
_AGAIN = "export it again with `k8s-auto-fixer case export ID -o FILE`"


class CaseError(ValueError):
    """A case file that cannot be used; the text names it, the field and the remedy."""


class _Head(msgspec.Struct, frozen=True):
    """What tells which version can read a file."""

    format: str
    exported_by: str = ""


async def case_of(store: Store, incident: Incident) -> Case:
    """The case of one incident, with every run that the store has kept. Raises StoreError."""
    runs = tuple(await store.runs(incident.id))
    case = Case(
        format=FORMAT,
        exported_by=VERSION,
        incident=_bare(incident),
        runs=tuple(_bare_start(run) for run in runs),
        remarks=tuple(_missing(runs)),
    )
    text = encode(case)
    for digest, shown in _renamed(runs).items():
        text = text.replace(f'"{digest}"', f'"{shown}"')
    return decode(text, Case)


def written(case: Case) -> bytes:
    """The file's content: JSON, indented, the same for the same case."""
    return msgspec.json.format(encode(case).encode(), indent=1) + b"\n"


def write_case(case: Case, path: Path) -> None:
    """Write the file, for its owner's eyes. Raises CaseError."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(written(case))
    except OSError as error:
        raise CaseError(f"{path}: cannot be written ({error.strerror}); name another with -o FILE") from error


def read_case(path: Path) -> Case:
    """Read a file. Raises CaseError for everything that is no case with something to replay."""
    try:
        with path.open("rb") as file:
            content = file.read(CASE_BYTES + 1)
    except OSError as error:
        raise CaseError(f"{path}: cannot be read ({error.strerror}); name a file that `case export` wrote") from error
    if len(content) > CASE_BYTES:
        raise CaseError(f"{path}: is larger than {CASE_BYTES >> 20} MiB, so it is no case; {_AGAIN}")
    _look_at_head(path, content)
    try:
        case = decode(content, Case)
    except (Undecodable, RecursionError) as error:
        raise CaseError(f"{path}: {str(error)[:300]}; {_AGAIN}") from error
    if not case.runs:
        because = "; ".join(case.remarks) or "it has no runs"
        raise CaseError(f"{path}: runs: there is nothing to replay ({because[:300]})")
    return case


def _look_at_head(path: Path, content: bytes) -> None:
    """Whether it is a case at all, whole, and one that this version can read. Raises CaseError."""
    try:
        head = decode(content, _Head)
    except (Undecodable, RecursionError) as error:
        if content.strip() and "truncated" in str(error):
            raise CaseError(f"{path}: it is cut off: its JSON has no end; {_AGAIN}") from error
        raise CaseError(f"{path}: is not a case file; name one that `case export` wrote") from error
    if not head.format.startswith(_FORMATS):
        raise CaseError(f"{path}: format: {head.format[:60]!r}: is not a case file; name one that `case export` wrote")
    if head.format != FORMAT:
        version = f"version {head.exported_by[:40]}" if head.exported_by else "the version that wrote it"
        raise CaseError(
            f"{path}: format: {head.format[:60]!r} is not {FORMAT!r}; replay it with {version}, or {_AGAIN}"
        )


# --- what is left out


def _bare(incident: Incident) -> Incident:
    return msgspec.structs.replace(incident, spec="", rests_on="", summary=mask_text(incident.summary))


def _bare_start(run: Run) -> Run:
    return msgspec.structs.replace(
        run,
        start=msgspec.structs.replace(run.start, incident=_bare(run.start.incident)),
        told=tuple(map(_told, run.told)),
    )


def _told(entry: Told) -> Told:
    if isinstance(entry, Read) and entry.incident is not None:
        return msgspec.structs.replace(entry, incident=_bare(entry.incident))
    return entry


def _renamed(runs: Sequence[Run]) -> dict[str, str]:
    """What stands in place of each digest of something unmasked: equal ones stay equal."""
    found: dict[str, str] = {}
    for run in runs:
        for entry in run.told:
            if isinstance(entry, Read) and entry.evidence is not None:
                found |= _of_templates(entry.evidence)
    long = {one: None for run in runs for one in _approvals(run)}
    return {raw: shown for raw, shown in found.items() if raw != shown} | {
        raw: f"approval-{number}" for number, raw in enumerate(long, 1)
    }


def _of_templates(evidence: Evidence) -> dict[str, str]:
    masked = {one.digest: template_digest(one.template) for one in evidence.revisions}
    if evidence.present:
        masked[evidence.present] = template_digest(evidence.template)
    return masked


def _approvals(run: Run) -> Iterator[str]:
    digests = [one.digest for one in run.start.requests] + [one.digest for one in run.start.decisions]
    digests += [entry.digest for entry in run.told if isinstance(entry, Guarded)]
    return (digest for digest in digests if _LONG_DIGEST.fullmatch(digest))


# --- what is missing


def _missing(runs: Sequence[Run]) -> Iterator[str]:
    """What a reader should know of runs that are not in the file."""
    if not runs:
        yield (
            "no run of it was kept: it has not been worked on, was by an older version or in Studio, took too much"
            " room, or the process ended before the run did"
        )
    known: set[str] = set()
    for number, run in enumerate(runs, 1):
        made = {change.id for change in run.start.changes}
        if made - known:
            yield (
                f"run {number} begins with changes that no run here has made: one before it was interrupted, or is"
                " older than those that are kept; it is replayed from how the incident stood then"
            )
        known |= made | {str(entry.get("change")) for step in run.decided for entry in step.rounds}
