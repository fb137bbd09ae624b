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
    """One entry of a rollout history. ``seen_well``: the store recorded it as well."""

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
    IMAGE_CONFIG = "image-config"  # what an image itself says: its entrypoint, ports, user, architecture
    PREEMPTED = "preempted"  # which pods of a namespace had to make room, and for whom (events of the scheduler)
    USAGE = "usage"  # what containers of the subject's pods use now (metrics API of its namespace), a line each
    OBJECTS = "objects"  # the objects of one kind (`incidents.objects.LISTED`) beside the subject


POD_PATHS = {"Pod": "/spec", "CronJob": "/spec/jobTemplate/spec/template/spec"}


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

    ``present`` is the digest of the pod template that stands now, taken before anything was masked; ``seen_well``:
    that template was recorded as well, which is known of kinds without revisions too.
    ``speed``: what durations of the cluster are divided by, 1 everywhere but on an embedded one.
    ``affects``: subjects whose incidents this one explains.
    ``objects`` holds what was listed for ``WantKind.OBJECTS``, by kind: of the subject's namespace, or of the cluster
    for kinds that have none; of ConfigMaps and Secrets the names of their keys, with no value. A kind that was asked
    for and is not there could not be listed.
    ``answers`` holds what was read for a ``Want``; a want that could not be answered has its reason in
    ``unread`` and an empty answer, so that nobody asks again.
    """

    subject: Subject
    snapshot: Snapshot
    health: Health
    speed: float = 1.0
    present: str = ""
    seen_well: bool = False
    revisions: tuple[Revision, ...] = ()
    logs: tuple[LogExcerpt, ...] = ()
    events: tuple[EventLine, ...] = ()
    answers: dict[str, tuple[str, ...]] = {}
    objects: dict[str, tuple[dict[str, Any], ...]] = {}
    affects: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    taken_at: datetime

    @property
    def template(self) -> dict[str, Any]:
        """The pod template the subject has now; a bare Pod is its own template."""
        return pod_template(self.snapshot.workload)

    @property
    def pod_spec(self) -> dict[str, Any]:
        """The pod spec of the present template."""
        spec: dict[str, Any] = self.template.get("spec") or {}
        return spec

    @property
    def pod_path(self) -> str:
        """Where the pod spec is within the subject: the field path that proposals begin with."""
        return POD_PATHS.get(self.subject.kind, "/spec/template/spec")

    @property
    def containers(self) -> tuple[dict[str, Any], ...]:
        """The containers of the present template."""
        return tuple(self.pod_spec.get("containers") or ())

    @property
    def init_containers(self) -> tuple[dict[str, Any], ...]:
        """The init containers of the present template, sidecars among them."""
        return tuple(self.pod_spec.get("initContainers") or ())

    def container(self, name: str) -> dict[str, Any] | None:
        """One container of the present template by name, init containers included: names are shared with those."""
        found = (one for one in (*self.containers, *self.init_containers) if one.get("name") == name)
        return next(found, None)

    def container_path(self, name: str) -> str:
        """The field path of one container, as proposals address it."""
        init = any(one.get("name") == name for one in self.init_containers)
        return f"{self.pod_path}/{'initContainers' if init else 'containers'}[{name}]"

    def asked(self, want: Want) -> bool:
        """Whether a want has been answered, be it that nothing could be read."""
        return want.key in self.answers

    def listed(self, kind: str) -> tuple[dict[str, Any], ...] | None:
        """The objects of a kind that were listed; None where nobody has asked, or they could not be listed."""
        return self.objects.get(kind)

    @property
    def present_revisions(self) -> tuple[Revision, ...]:
        """The revisions with the present template: one, unless a controller keeps two alike."""
        return tuple(revision for revision in self.revisions if revision.digest == self.present)

    @property
    def other_revisions(self) -> tuple[Revision, ...]:
        """The revisions with another template."""
        return tuple(revision for revision in self.revisions if revision.digest != self.present)

    @property
    def present_sets(self) -> tuple[dict[str, Any], ...]:
        """The ReplicaSets, or ControllerRevisions in their form, of the present template."""
        names = {revision.name for revision in self.present_revisions}
        return tuple(item for item in self.snapshot.replica_sets if item["metadata"]["name"] in names)

    @property
    def last_good(self) -> Revision | None:
        """The newest revision known to work that is not the present one."""
        good = [revision for revision in self.other_revisions if revision.good]
        return max(good, key=lambda revision: revision.number, default=None)
