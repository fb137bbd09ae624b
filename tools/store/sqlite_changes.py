"""Changes, each new state of which is an audit record, and what was learnt of the cluster besides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from incidents.changes import Change, ChangeState
from incidents.codec import encode
from incidents.decisions import Decision
from incidents.objects import ChangeId, ClusterId, IncidentId
from incidents.subjects import Subject
from tools.store.audit import change_detail
from tools.store.database import Rows
from tools.store.succession import made_anew
from tools.store.tables import Tables, kept_once, marks

_SEEN_AGAIN = timedelta(days=1)  # a revision seen well is written down again no more often


class ChangeTables(Tables):
    """The port's parts ``Changes`` and ``Memory``."""

    async def save_change(self, change: Change) -> bool:
        """Write a change's present state, unless it has ended; a new state is an audit record with it."""
        return await self._database.write(lambda rows: self._saved(rows, change))

    def _saved(self, rows: Rows, change: Change) -> bool:
        known = rows.texts("SELECT state FROM changes WHERE id = ?", (change.id,))
        if known and ChangeState(known[0]).is_last:
            return False
        if change.made:
            made_anew(rows, change)
        rows.run(
            "INSERT INTO changes (id, incident, state, target_uid, approval, prepared_at, ended_at, cluster, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?,"
            " coalesce((SELECT json_extract(body, '$.subject.cluster') FROM incidents WHERE id = ?), ''), ?)"
            " ON CONFLICT (id) DO UPDATE SET state = excluded.state, approval = excluded.approval,"
            " prepared_at = excluded.prepared_at, ended_at = excluded.ended_at, body = excluded.body",
            (
                change.id,
                change.incident,
                change.state,
                change.target.uid,
                change.approval,
                change.prepared_at.timestamp(),
                change.ended_at.timestamp() if change.ended_at else None,
                change.incident,
                encode(change),
            ),
        )
        if known != [change.state]:
            key = bytes.fromhex(kept_once(rows, "audit-key"))
            detail = change_detail(change, approved_by=_approver(rows, change.approval), key=key)
            self._audited(rows, f"change.{change.state.value}", **detail)
        return True

    async def change(self, change_id: ChangeId) -> Change | None:
        """One change by its id."""
        return await self._database.read(
            lambda rows: rows.body("SELECT body FROM changes WHERE id = ?", (change_id,), Change)
        )

    async def changes(self, incident: IncidentId) -> list[Change]:
        """An incident's changes in the order in which they were prepared."""
        query = "SELECT body FROM changes WHERE incident = ? ORDER BY rowid"
        return await self._database.read(lambda rows: rows.bodies(query, (incident,), Change))

    async def changes_in(self, *states: ChangeState) -> list[Change]:
        """All changes in one of these states, in the order in which they were prepared."""
        query = f"SELECT body FROM changes WHERE state IN ({marks(states)}) ORDER BY rowid"  # noqa: S608 - marks are question marks
        return await self._database.read(lambda rows: rows.bodies(query, states, Change))

    async def changes_since(self, cluster: ClusterId, since: datetime) -> list[Change]:
        """Changes to one cluster that were prepared or ended since, in the order in which they were prepared."""
        query = (
            "SELECT body FROM changes WHERE (cluster = ? AND prepared_at >= ?) OR (cluster = ? AND ended_at >= ?)"
            " ORDER BY rowid"
        )
        moment = since.timestamp()
        return await self._database.read(lambda rows: rows.bodies(query, (cluster, moment, cluster, moment), Change))

    # --- what was learnt of the cluster

    async def record_good(self, subject: Subject, digest: str) -> None:
        """Remember that a revision of a subject was seen well."""
        statement = (
            "INSERT INTO good_revisions (subject_key, digest, seen_at) VALUES (?, ?, ?)"
            " ON CONFLICT DO UPDATE SET seen_at = excluded.seen_at WHERE good_revisions.seen_at < ?"
        )
        now = self._now()
        values = (subject.key, digest, now.isoformat(), (now - _SEEN_AGAIN).isoformat())
        await self._database.write(lambda rows: rows.run(statement, values))

    async def good_revisions(self, subject: Subject) -> frozenset[str]:
        """Template digests of the subject's revisions that were seen well."""
        query = "SELECT digest FROM good_revisions WHERE subject_key = ?"
        return await self._database.read(lambda rows: frozenset(rows.texts(query, (subject.key,))))

    async def record_images(self, cluster: ClusterId, images: Mapping[str, Sequence[str]]) -> None:
        """Replace what is known of the images that a cluster holds, by ``registry/repository``."""
        present = {(repository, image) for repository, held in images.items() for image in held}

        def work(rows: Rows) -> None:  # only the difference is written: a sweep that finds nothing new costs nothing
            known = set(rows.rows("SELECT repository, image FROM images WHERE cluster = ?", (cluster,)))
            for repository, image in known - present:
                rows.run(
                    "DELETE FROM images WHERE cluster = ? AND repository = ? AND image = ?",
                    (cluster, repository, image),
                )
            for repository, image in present - known:
                rows.run("INSERT INTO images VALUES (?, ?, ?)", (cluster, repository, image))

        await self._database.write(work)

    async def images(self, cluster: ClusterId, repository: str) -> tuple[str, ...]:
        """The images of one repository that the last sweep saw."""
        query = "SELECT image FROM images WHERE cluster = ? AND repository = ? ORDER BY image"
        return await self._database.read(lambda rows: tuple(rows.texts(query, (cluster, repository))))


def _approver(rows: Rows, approval: str) -> str:
    """Who approved the request that a change rests on; empty where nobody was asked."""
    if not approval:
        return ""
    given = rows.body("SELECT body FROM decisions WHERE request = ?", (approval,), Decision)
    return given.by if given else ""
