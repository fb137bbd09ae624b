"""Everything that was read from the cluster to decide about one incident: redacted once, by the collector.

Playbooks, models and replays see this value and nothing else.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from incidents.health import Health
from incidents.snapshot import Snapshot, pod_template
from incidents.subjects import Subject


class Revision(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a Deployment's rollout history. ``seen_well``: the store recorded it as well."""

    name: str
    number: int
    digest: str
    template: dict[str, Any]
    ready: int
    seen_well: bool = False

    @property
    def good(self) -> bool:
        """Whether it is known to work: it has ready pods now, or was recorded as well.

        Being the previous number is no evidence.
        """
        return self.ready > 0 or self.seen_well


class LogExcerpt(msgspec.Struct, frozen=True, kw_only=True):
    """The bounded end of one container's log; ``previous`` is the log of the run before this one."""

    pod: str
    container: str
    previous: bool
    text: str


class EventLine(msgspec.Struct, frozen=True, kw_only=True):
    """One event about the subject or something it owns, as text for a reader."""

    about: str
    type: str
    reason: str
    message: str
    count: int
    last_seen: str


class WantKind(StrEnum):
    """What a playbook may ask to have read beyond the usual."""

    KNOWN_IMAGES = "known-images"  # images that nodes hold and workloads use, of one repository
    IMAGE_TAGS = "image-tags"  # tags that an allowed registry lists for one repository


class Want(msgspec.Struct, frozen=True):
    """One thing a playbook asks for, and the name it is about."""

    kind: WantKind
    name: str

    @property
    def key(self) -> str:
        """Under which key of ``Evidence.answers`` the answer stands."""
        return f"{self.kind}:{self.name}"


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """One reading of the world about one subject.

    ``present`` is the digest of the pod template that stands now, taken before anything was masked.
    ``affects``: subjects whose incidents this one explains.
    ``answers`` holds what was read for a ``Want``; a want that could not be answered has its reason in
    ``unread`` and an empty answer, so that nobody asks again.
    """

    subject: Subject
    snapshot: Snapshot
    health: Health
    present: str = ""
    revisions: tuple[Revision, ...] = ()
    logs: tuple[LogExcerpt, ...] = ()
    events: tuple[EventLine, ...] = ()
    answers: dict[str, tuple[str, ...]] = {}
    affects: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    taken_at: datetime

    @property
    def template(self) -> dict[str, Any]:
        """The pod template the subject has now; a bare Pod is its own template."""
        return pod_template(self.snapshot.workload)

    @property
    def containers(self) -> tuple[dict[str, Any], ...]:
        """The containers of the present template."""
        return tuple(self.template.get("spec", {}).get("containers") or ())

    def container(self, name: str) -> dict[str, Any] | None:
        """One container of the present template by name."""
        return next((container for container in self.containers if container.get("name") == name), None)

    @property
    def last_good(self) -> Revision | None:
        """The newest revision known to work that is not the present one."""
        good = [revision for revision in self.revisions if revision.good and revision.digest != self.present]
        return max(good, key=lambda revision: revision.number, default=None)
