"""Whose incident it is, where a change makes the subject's object anew: the same one, whatever uid the object has.

While such a change is on its way nobody knows the new uid yet, and events about the new object may be told before the
answer is: until the change has been applied or put back, the name decides. Then the incident's subject is the new
object, in the same transaction in which the change says so.
"""

from __future__ import annotations

import msgspec
import structlog

from incidents.changes import Change
from incidents.codec import encode
from incidents.incident import Incident
from incidents.objects import ObjectRef
from incidents.subjects import Subject
from tools.store.database import Rows

_OF_SUBJECT = "SELECT body FROM incidents WHERE subject_key = ? AND status <> 'closed'"
_ON_THE_WAY = "SELECT body FROM changes WHERE state IN ('sent', 'undoing') AND json_extract(body, '$.anew') IS NOT NULL"
_INCIDENT = "SELECT body FROM incidents WHERE id = ?"

log = structlog.get_logger(__name__)


def open_incident(rows: Rows, subject: Subject) -> Incident | None:
    """The subject's incident that is not closed."""
    found = rows.body(_OF_SUBJECT, (subject.key,), Incident)
    if found is not None:
        return found
    for change in rows.bodies(_ON_THE_WAY, (), Change):
        incident = rows.body(_INCIDENT, (change.incident,), Incident)
        if incident is None or incident.subject.cluster != subject.cluster:
            continue
        if names(incident.subject) == names(subject) == names(change.target):
            return rows.body(_OF_SUBJECT, (incident.subject.key,), Incident)
    return None


def made_anew(rows: Rows, change: Change) -> None:
    """Have the incident's subject be the object that a change has made in its place."""
    incident = rows.body(_INCIDENT, (change.incident,), Incident)
    if incident is None or names(incident.subject) != names(change.target) or incident.subject.uid == change.made:
        return
    subject = incident.subject.made_anew(change.made)
    if rows.body(_OF_SUBJECT, (subject.key,), Incident) is not None:
        log.warning("incident.doubled", incident=incident.id, subject=str(subject))
        return  # the new object has an incident of its own by now, and one is enough
    rows.run(
        "UPDATE incidents SET subject_key = ?, body = ? WHERE id = ?",
        (subject.key, encode(msgspec.structs.replace(incident, subject=subject)), incident.id),
    )


def names(one: Subject | ObjectRef) -> tuple[str, str, str, str]:
    """What an object keeps when it is made anew."""
    return one.api_version, one.kind, one.namespace, one.name
