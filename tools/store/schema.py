"""The tables of the store, and how a store of an older version becomes one of this version.

Values are JSON as ``incidents.codec`` writes them; the columns beside them are what is searched for. What must
never happen twice is a constraint here, not a convention elsewhere: one open incident a subject, one message
of a kind an incident.
"""

from __future__ import annotations

SCHEMA_VERSION = 1

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE meta (
        key TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) STRICT;
    CREATE TABLE incidents (
        id TEXT PRIMARY KEY,
        subject_key TEXT NOT NULL,
        status TEXT NOT NULL,
        opened_at TEXT NOT NULL,
        body TEXT NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX one_open_incident ON incidents (subject_key) WHERE status <> 'closed';
    CREATE INDEX incidents_by_status ON incidents (status, opened_at);
    CREATE TABLE events_counted (
        incident TEXT NOT NULL REFERENCES incidents (id),
        event_uid TEXT NOT NULL,
        count INTEGER NOT NULL,
        PRIMARY KEY (incident, event_uid)
    ) STRICT;
    CREATE TABLE rounds (
        incident TEXT NOT NULL REFERENCES incidents (id),
        number INTEGER NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (incident, number)
    ) STRICT;
    CREATE TABLE changes (
        id TEXT PRIMARY KEY,
        incident TEXT NOT NULL REFERENCES incidents (id),
        state TEXT NOT NULL,
        target_uid TEXT NOT NULL,
        body TEXT NOT NULL
    ) STRICT;
    CREATE INDEX changes_by_incident ON changes (incident);
    CREATE INDEX changes_by_state ON changes (state);
    CREATE TABLE evidence (
        incident TEXT NOT NULL REFERENCES incidents (id),
        round INTEGER NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (incident, round)
    ) STRICT;
    CREATE TABLE timeline (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        incident TEXT NOT NULL,
        at TEXT NOT NULL,
        step TEXT NOT NULL,
        detail TEXT NOT NULL
    ) STRICT;
    CREATE INDEX timeline_by_incident ON timeline (incident, sequence);
    CREATE TABLE good_revisions (
        subject_key TEXT NOT NULL,
        digest TEXT NOT NULL,
        seen_at TEXT NOT NULL,
        PRIMARY KEY (subject_key, digest)
    ) STRICT;
    CREATE TABLE leases (
        key TEXT PRIMARY KEY,
        holder TEXT NOT NULL,
        expires_at REAL NOT NULL
    ) STRICT;
    CREATE TABLE outbox (
        key TEXT PRIMARY KEY,
        incident TEXT NOT NULL,
        body TEXT NOT NULL,
        sent_at TEXT
    ) STRICT;
    """,
)
