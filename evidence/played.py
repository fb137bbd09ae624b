"""A collector that reads a recording in place of a cluster."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from evidence.collector import SubjectGone
from incidents.evidence import Evidence, Want, WantKind
from incidents.objects import ObjectRef
from incidents.recording import Read
from incidents.snapshot import Snapshot
from incidents.subjects import Subject
from tools.player import Diverged, Player


class PlayedCollector:
    """Answers with the readings of then; what was read for a playbook's wants comes when it wants it."""

    def __init__(self, player: Player) -> None:
        self._player = player
        self._whole: Evidence | None = None

    async def collect(
        self,
        subject: Subject,
        *,
        good: frozenset[str],
        beside: Sequence[ObjectRef] = (),
        explained: Sequence[Subject] = (),
        reading: Snapshot | None = None,
    ) -> Evidence:
        """The next reading. Raises SubjectGone and Diverged."""
        self._whole = self._player.next(Read).evidence
        if self._whole is None:
            raise SubjectGone(str(subject))
        unread = tuple(line for line in self._whole.unread if not _about(line, self._whole))
        return msgspec.structs.replace(self._whole, answers={}, objects={}, unread=unread)

    async def answer(self, evidence: Evidence, wants: Sequence[Want]) -> Evidence:
        """The reading with what was answered then. Raises Diverged for what nobody had asked for."""
        whole = self._whole
        answers, objects, unread = dict(evidence.answers), dict(evidence.objects), list(evidence.unread)
        for want in wants:
            if whole is None or want.key not in whole.answers:
                raise Diverged(f"a playbook wants {want.key}, and did not when it was recorded")
            answers[want.key] = whole.answers[want.key]
            if want.kind is WantKind.OBJECTS and want.name in whole.objects:
                objects[want.name] = whole.objects[want.name]
            unread += [line for line in whole.unread if line.startswith(f"{want.key}: ")]
        return msgspec.structs.replace(evidence, answers=answers, objects=objects, unread=tuple(unread))


def _about(line: str, whole: Evidence) -> bool:
    """Whether a line about what could not be read is about an answer to a want."""
    return any(line.startswith(f"{key}: ") for key in whole.answers)
