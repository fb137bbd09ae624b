"""The tables of the store, and how a store of an older version becomes one of this version.

Values are JSON as ``incidents.codec`` writes them; the columns beside them are what is searched for. What must
never happen twice is a constraint here, not a convention elsewhere: one open incident a subject, one message
of a kind an incident, one request an incident that a person can still answer, one answer a request, one change
an approval, one record behind each record of the audit. Moments in columns that are compared are seconds since
1970; rows are listed in the order in which they came, which their rowid keeps.

A statement that has been released is never edited: a change to the tables is another migration.
"""

from __future__ import annotations

_FIRST = (
    """CREATE TABLE meta (
        key TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) STRICT""",
    """CREATE TABLE incidents (
        id TEXT PRIMARY KEY,
        subject_key TEXT NOT NULL,
        status TEXT NOT NULL,
        opened_at TEXT NOT NULL,
        body TEXT NOT NULL
    ) STRICT""",
    "CREATE UNIQUE INDEX one_open_incident ON incidents (subject_key) WHERE status <> 'closed'",
    "CREATE INDEX incidents_by_status ON incidents (status, opened_at)",
    """CREATE TABLE events_counted (
        incident TEXT NOT NULL REFERENCES incidents (id),
        event_uid TEXT NOT NULL,
        count INTEGER NOT NULL,
        PRIMARY KEY (incident, event_uid)
    ) STRICT""",
    """CREATE TABLE rounds (
        incident TEXT NOT NULL REFERENCES incidents (id),
        number INTEGER NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (incident, number)
    ) STRICT""",
    """CREATE TABLE changes (
        id TEXT PRIMARY KEY,
        incident TEXT NOT NULL REFERENCES incidents (id),
        state TEXT NOT NULL,
        target_uid TEXT NOT NULL,
        body TEXT NOT NULL
    ) STRICT""",
    "CREATE INDEX changes_by_incident ON changes (incident)",
    "CREATE INDEX changes_by_state ON changes (state)",
    """CREATE TABLE evidence (
        incident TEXT NOT NULL REFERENCES incidents (id),
        round INTEGER NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (incident, round)
    ) STRICT""",
    """CREATE TABLE timeline (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        incident TEXT NOT NULL,
        at TEXT NOT NULL,
        step TEXT NOT NULL,
        detail TEXT NOT NULL
    ) STRICT""",
    "CREATE INDEX timeline_by_incident ON timeline (incident, sequence)",
    """CREATE TABLE good_revisions (
        subject_key TEXT NOT NULL,
        digest TEXT NOT NULL,
        seen_at TEXT NOT NULL,
        PRIMARY KEY (subject_key, digest)
    ) STRICT""",
    """CREATE TABLE leases (
        key TEXT PRIMARY KEY,
        holder TEXT NOT NULL,
        expires_at REAL NOT NULL
    ) STRICT""",
    """CREATE TABLE outbox (
        key TEXT PRIMARY KEY,
        incident TEXT NOT NULL,
        body TEXT NOT NULL,
        sent_at TEXT
    ) STRICT""",
)

_SECOND = (
    "ALTER TABLE incidents ADD COLUMN ended_at REAL",
    """UPDATE incidents SET ended_at =
        CAST(strftime('%s', coalesce(json_extract(body, '$.ended_at'), opened_at)) AS REAL)
        WHERE status = 'closed'""",
    "CREATE INDEX incidents_by_end ON incidents (ended_at) WHERE status = 'closed'",
    "DELETE FROM events_counted WHERE incident IN (SELECT id FROM incidents WHERE status = 'closed')",
    "ALTER TABLE changes ADD COLUMN cluster TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE changes ADD COLUMN prepared_at REAL NOT NULL DEFAULT 0",
    "ALTER TABLE changes ADD COLUMN ended_at REAL",
    "ALTER TABLE changes ADD COLUMN approval TEXT NOT NULL DEFAULT ''",
    """UPDATE changes SET
        cluster = coalesce((SELECT json_extract(incidents.body, '$.subject.cluster') FROM incidents
                            WHERE incidents.id = changes.incident), ''),
        prepared_at = CAST(strftime('%s', json_extract(body, '$.prepared_at')) AS REAL)""",
    "CREATE INDEX changes_by_start ON changes (cluster, prepared_at)",
    "CREATE INDEX changes_by_end ON changes (cluster, ended_at)",
    "CREATE UNIQUE INDEX one_change_an_approval ON changes (approval) WHERE approval <> ''",
    """CREATE TABLE requests (
        id TEXT PRIMARY KEY,
        incident TEXT NOT NULL REFERENCES incidents (id),
        digest TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('open', 'approved', 'rejected', 'expired', 'void', 'used')),
        change TEXT UNIQUE REFERENCES changes (id) DEFERRABLE INITIALLY DEFERRED,
        body TEXT NOT NULL,
        CHECK ((state = 'used') = (change IS NOT NULL))
    ) STRICT""",
    "CREATE UNIQUE INDEX one_live_request ON requests (incident) WHERE state IN ('open', 'approved')",
    "CREATE INDEX requests_by_incident ON requests (incident)",
    "CREATE INDEX requests_by_state ON requests (state)",
    """CREATE TABLE decisions (
        id TEXT PRIMARY KEY,
        incident TEXT NOT NULL REFERENCES incidents (id),
        request TEXT UNIQUE REFERENCES requests (id),
        kind TEXT NOT NULL CHECK (kind IN ('approve', 'reject', 'retry')),
        delivered_at TEXT,
        body TEXT NOT NULL,
        CHECK ((kind = 'retry') = (request IS NULL))
    ) STRICT""",
    "CREATE UNIQUE INDEX one_waiting_retry ON decisions (incident) WHERE kind = 'retry' AND delivered_at IS NULL",
    "CREATE INDEX decisions_by_incident ON decisions (incident)",
    "CREATE INDEX decisions_undelivered ON decisions (delivered_at) WHERE delivered_at IS NULL",
    """CREATE TABLE switches (
        name TEXT PRIMARY KEY,
        body TEXT NOT NULL
    ) STRICT""",
    """CREATE TABLE audit (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        at TEXT NOT NULL,
        step TEXT NOT NULL,
        detail TEXT NOT NULL,
        previous TEXT NOT NULL UNIQUE,
        hash TEXT NOT NULL UNIQUE
    ) STRICT""",
    """CREATE TRIGGER audit_is_never_rewritten BEFORE UPDATE ON audit
        BEGIN SELECT RAISE(ABORT, 'an audit record is never rewritten'); END""",
    """CREATE TRIGGER audit_is_never_shortened BEFORE DELETE ON audit
        BEGIN SELECT RAISE(ABORT, 'an audit record is never deleted'); END""",
    """CREATE TABLE images (
        cluster TEXT NOT NULL,
        repository TEXT NOT NULL,
        image TEXT NOT NULL,
        PRIMARY KEY (cluster, repository, image)
    ) STRICT, WITHOUT ROWID""",
    # A lease is measured by the machine's steady clock now; those of the old kind were of processes that are gone.
    "DROP TABLE leases",
    """CREATE TABLE leases (
        key TEXT PRIMARY KEY,
        holder TEXT NOT NULL,
        seconds REAL NOT NULL,
        runs_out REAL NOT NULL
    ) STRICT""",
    "CREATE INDEX outbox_by_incident ON outbox (incident)",
    "CREATE INDEX outbox_unsent ON outbox (sent_at) WHERE sent_at IS NULL",
)

_THIRD = (
    "ALTER TABLE timeline ADD COLUMN count INTEGER NOT NULL DEFAULT 1",
    "ALTER TABLE timeline ADD COLUMN last_at TEXT",
)

_FOURTH = (
    """CREATE TABLE model_calls (
        id TEXT PRIMARY KEY,
        incident TEXT NOT NULL,
        agent TEXT NOT NULL,
        model TEXT NOT NULL,
        day TEXT NOT NULL,
        input_tokens INTEGER NOT NULL,
        output_tokens INTEGER NOT NULL,
        money REAL NOT NULL,
        settled INTEGER NOT NULL DEFAULT 0
    ) STRICT""",
    "CREATE INDEX model_calls_by_incident ON model_calls (incident)",
    "CREATE INDEX model_calls_by_day ON model_calls (day)",
    """CREATE TABLE model_answers (
        key TEXT PRIMARY KEY,
        body TEXT NOT NULL,
        used INTEGER NOT NULL
    ) STRICT""",
    "CREATE INDEX model_answers_by_use ON model_answers (used)",
)

_FIFTH = (
    """CREATE TABLE runs (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        incident TEXT NOT NULL REFERENCES incidents (id),
        body BLOB NOT NULL
    ) STRICT""",
    "CREATE INDEX runs_by_incident ON runs (incident)",
)

_SIXTH = (
    """CREATE INDEX incidents_by_cause ON incidents (json_extract(body, '$.caused_by'))
        WHERE status <> 'closed' AND json_extract(body, '$.caused_by') IS NOT NULL""",
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST, _SECOND, _THIRD, _FOURTH, _FIFTH, _SIXTH)
SCHEMA_VERSION = len(MIGRATIONS)

ABOUT_AN_INCIDENT = (
    "decisions",
    "requests",
    "changes",
    "rounds",
    "evidence",
    "events_counted",
    "timeline",
    "outbox",
    "runs",
    "model_calls",
)
"""Every table with a column ``incident``, in an order in which rows may be deleted."""
