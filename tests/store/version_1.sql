BEGIN TRANSACTION;
CREATE TABLE changes (
        id TEXT PRIMARY KEY,
        incident TEXT NOT NULL REFERENCES incidents (id),
        state TEXT NOT NULL,
        target_uid TEXT NOT NULL,
        body TEXT NOT NULL
    ) STRICT;
INSERT INTO "changes" VALUES('change-1','00000000-0000-0000-0000-000000000001','applied','uid-web','{"id":"change-1","incident":"00000000-0000-0000-0000-000000000001","round":1,"target":{"api_version":"apps/v1","kind":"Deployment","namespace":"shop","name":"web","uid":"uid-web"},"proposal":{"target":{"api_version":"apps/v1","kind":"Deployment","namespace":"shop","name":"web","uid":"uid-web"},"action":[{"type":"set-field","path":"/spec/template/spec/containers[web]/image","expected":"nginx:1.27","value":"nginx:1.28"}],"ends":"image-pull","reason":"because a test says so","risk":"low","confidence":0.95,"author":"playbook/test"},"patch":[],"diff":[],"inverse":{"operations":[]},"digest":"d","baseline":{"ready":0,"symptoms":["image-pull"]},"generation":0,"spec":"","state":"applied","prepared_at":"2026-11-21T12:00:00Z","deadline":"2026-11-21T12:10:00Z"}');
CREATE TABLE events_counted (
        incident TEXT NOT NULL REFERENCES incidents (id),
        event_uid TEXT NOT NULL,
        count INTEGER NOT NULL,
        PRIMARY KEY (incident, event_uid)
    ) STRICT;
INSERT INTO "events_counted" VALUES('00000000-0000-0000-0000-000000000001','event-1',1);
INSERT INTO "events_counted" VALUES('00000000-0000-0000-0000-000000000001','event-2',1);
INSERT INTO "events_counted" VALUES('00000000-0000-0000-0000-000000000002','event-3',1);
CREATE TABLE evidence (
        incident TEXT NOT NULL REFERENCES incidents (id),
        round INTEGER NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (incident, round)
    ) STRICT;
INSERT INTO "evidence" VALUES('00000000-0000-0000-0000-000000000001',1,'{"subject":{"cluster":"cluster-1","api_version":"apps/v1","kind":"Deployment","namespace":"shop","name":"web","uid":"uid-web","manager":""},"snapshot":{"workload":{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"shop","uid":"uid-web","generation":2,"resourceVersion":"77","annotations":{}},"spec":{"replicas":1,"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"web","image":"nginx:x"}]}}},"status":{"observedGeneration":2,"replicas":1,"updatedReplicas":1,"readyReplicas":0,"availableReplicas":0,"conditions":[]}},"replica_sets":[{"apiVersion":"apps/v1","kind":"ReplicaSet","metadata":{"name":"web-h2","namespace":"shop","uid":"uid-h2","labels":{"app":"web","pod-template-hash":"h2"},"annotations":{"deployment.kubernetes.io/revision":"2"},"ownerReferences":[{"apiVersion":"apps/v1","kind":"Deployment","name":"web","uid":"uid-web","controller":true}]},"spec":{"selector":{"matchLabels":{"app":"web","pod-template-hash":"h2"}},"template":{"metadata":{"labels":{"app":"web","pod-template-hash":"h2"}},"spec":{"containers":[{"name":"web","image":"nginx:x"}]}}},"status":{}}],"pods":[{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web-1","namespace":"shop","uid":"uid-web-1","creationTimestamp":"2026-11-21T11:59:00Z","labels":{"app":"web","pod-template-hash":"h2"},"ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web-h2","uid":"uid-h2","controller":true}]},"spec":{"containers":[{"name":"web","image":"nginx:x"}]},"status":{"phase":"Running","conditions":[{"type":"Ready","status":"False","reason":"","message":"","lastUpdateTime":"2026-11-21T12:00:00Z"}],"containerStatuses":[{"name":"web","restartCount":0,"state":{"waiting":{"reason":"ImagePullBackOff","message":"Back-off pulling image \"nginx:x\": ErrImagePull: rpc error: code = NotFound desc = failed to pull and unpack image \"nginx:x\": failed to resolve reference \"nginx:x\": nginx:x: not found"}},"lastState":{}}]}}],"read_at":"2026-11-21T12:00:00Z"},"health":{"state":"failing","findings":[{"symptom":"image-pull","detail":"Back-off pulling image \"nginx:x\": ErrImagePull: rpc error: code = NotFound desc = failed to pull and unpack image \"nginx:x\": failed to resolve reference \"nginx:x\": nginx:x: not found","pod":"web-1","container":"web"}],"until":null,"ready":0,"desired":1},"present":"845a58369b2e8733","revisions":[{"name":"web-h2","number":2,"digest":"845a58369b2e8733","template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"web","image":"nginx:x"}]}},"ready":0,"seen_well":true}],"logs":[{"pod":"web-1","container":"web","previous":true,"text":"boom"}],"events":[{"about":"Pod/web-1","type":"Warning","reason":"Failed","message":"not found","count":1,"last_seen":"2026-11-21T12:00:00Z"}],"answers":{"known-images:nginx":["nginx:1"]},"unread":["x"],"taken_at":"2026-11-21T12:00:00Z"}');
CREATE TABLE good_revisions (
        subject_key TEXT NOT NULL,
        digest TEXT NOT NULL,
        seen_at TEXT NOT NULL,
        PRIMARY KEY (subject_key, digest)
    ) STRICT;
INSERT INTO "good_revisions" VALUES('cluster-1/uid-web','digest-1','2026-11-21T12:00:00+00:00');
CREATE TABLE incidents (
        id TEXT PRIMARY KEY,
        subject_key TEXT NOT NULL,
        status TEXT NOT NULL,
        opened_at TEXT NOT NULL,
        body TEXT NOT NULL
    ) STRICT;
INSERT INTO "incidents" VALUES('00000000-0000-0000-0000-000000000001','cluster-1/uid-web','open','2026-11-21T12:00:00+00:00','{"id":"00000000-0000-0000-0000-000000000001","subject":{"cluster":"cluster-1","api_version":"apps/v1","kind":"Deployment","namespace":"shop","name":"web","uid":"uid-web","manager":""},"status":"open","first_signal":{"about":{"api_version":"v1","kind":"Pod","namespace":"shop","name":"web-1","uid":"uid-web-1"},"reason":"Failed","symptom":"image-pull","message":"Error: ErrImagePull","first_seen":"2026-11-21T12:00:00Z","last_seen":"2026-11-21T12:00:00Z","count":1,"source":"event","event_uid":"event-1"},"last_signal":{"about":{"api_version":"v1","kind":"Pod","namespace":"shop","name":"web-1","uid":"uid-web-1"},"reason":"Failed","symptom":"image-pull","message":"Error: ErrImagePull","first_seen":"2026-11-21T12:00:00Z","last_seen":"2026-11-21T12:00:00Z","count":1,"source":"event","event_uid":"event-2"},"signals":2,"opened_at":"2026-11-21T12:00:00Z","outcome":null,"summary":"","ended_at":null,"spec":"","follows":null}');
INSERT INTO "incidents" VALUES('00000000-0000-0000-0000-000000000002','cluster-1/uid-other','closed','2026-11-21T12:00:00+00:00','{"id":"00000000-0000-0000-0000-000000000002","subject":{"cluster":"cluster-1","api_version":"apps/v1","kind":"Deployment","namespace":"shop","name":"web","uid":"uid-other","manager":""},"status":"closed","first_signal":{"about":{"api_version":"v1","kind":"Pod","namespace":"shop","name":"web-1","uid":"uid-web-1"},"reason":"Failed","symptom":"image-pull","message":"Error: ErrImagePull","first_seen":"2026-11-21T12:00:00Z","last_seen":"2026-11-21T12:00:00Z","count":1,"source":"event","event_uid":"event-3"},"last_signal":{"about":{"api_version":"v1","kind":"Pod","namespace":"shop","name":"web-1","uid":"uid-web-1"},"reason":"Failed","symptom":"image-pull","message":"Error: ErrImagePull","first_seen":"2026-11-21T12:00:00Z","last_seen":"2026-11-21T12:00:00Z","count":1,"source":"event","event_uid":"event-3"},"signals":1,"opened_at":"2026-11-21T12:00:00Z","outcome":"suppressed","summary":"","ended_at":"2026-11-21T12:00:00Z","spec":"","follows":null}');
CREATE TABLE leases (
        key TEXT PRIMARY KEY,
        holder TEXT NOT NULL,
        expires_at REAL NOT NULL
    ) STRICT;
INSERT INTO "leases" VALUES('subject/cluster-1/uid-web','host/1/aaaa',1795262460.0);
CREATE TABLE meta (
        key TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) STRICT;
INSERT INTO "meta" VALUES('identity','00000000000000000000000000000003');
CREATE TABLE outbox (
        key TEXT PRIMARY KEY,
        incident TEXT NOT NULL,
        body TEXT NOT NULL,
        sent_at TEXT
    ) STRICT;
INSERT INTO "outbox" VALUES('k','00000000-0000-0000-0000-000000000001','{"key":"k","title":"t","sections":[{"lines":["a"],"heading":"","verbatim":false}],"severity":"warning","incident":"00000000-0000-0000-0000-000000000001"}',NULL);
CREATE TABLE rounds (
        incident TEXT NOT NULL REFERENCES incidents (id),
        number INTEGER NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (incident, number)
    ) STRICT;
INSERT INTO "rounds" VALUES('00000000-0000-0000-0000-000000000001',1,'{"number":1,"diagnosis":{"family":"image","cause":"typo","confidence":0.9,"rests_on":["a","b"]},"proposal":{"target":{"api_version":"apps/v1","kind":"Deployment","namespace":"shop","name":"web","uid":"uid-web"},"action":{"type":"roll-back","replica_set":"web-h1","digest":"d"},"ends":"image-pull","reason":"because a test says so","risk":"low","confidence":0.95,"author":"playbook/test"},"verdict":{"rulings":[{"rule":"mode","answer":"allow","reason":"auto","until":null}]},"diff":[{"pointer":"/spec/x","before":null,"after":{"a":[1,null]}}],"change":null,"change_state":null,"verification":{"result":"better","detail":"so so","ready":1}}');
CREATE TABLE timeline (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        incident TEXT NOT NULL,
        at TEXT NOT NULL,
        step TEXT NOT NULL,
        detail TEXT NOT NULL
    ) STRICT;
INSERT INTO "timeline" VALUES(1,'00000000-0000-0000-0000-000000000001','2026-11-21T12:00:00+00:00','sent','{"change":"change-1"}');
CREATE UNIQUE INDEX one_open_incident ON incidents (subject_key) WHERE status <> 'closed';
CREATE INDEX incidents_by_status ON incidents (status, opened_at);
CREATE INDEX changes_by_incident ON changes (incident);
CREATE INDEX changes_by_state ON changes (state);
CREATE INDEX timeline_by_incident ON timeline (incident, sequence);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('timeline',1);
COMMIT;
PRAGMA user_version = 1;
