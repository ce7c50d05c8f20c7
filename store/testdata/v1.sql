-- A ledger of version 1, written by hand: checksums computed outside of this program.
-- Never edit: every later version must still read it.
PRAGMA application_id = 1382380405;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE cursors (
    name  TEXT NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL,
    crc   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "cursors" VALUES('nats',3,2835503915);
CREATE TABLE events (
    pos     INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id  TEXT NOT NULL REFERENCES heads (run_id),
    seq     INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    unix_ms INTEGER NOT NULL,
    kind    TEXT NOT NULL,
    body    TEXT NOT NULL,
    crc     INTEGER NOT NULL,
    UNIQUE (run_id, seq)
) STRICT;
INSERT INTO "events" VALUES(1,'0193a5c2-7c11-7aa0-9f00-3f2b8c1d9e77',1,0,1732245226123,'status','{"status":"preparing"}',108837220);
INSERT INTO "events" VALUES(2,'nightly_7',1,0,1732245226125,'status','{"status":"preparing"}',692422201);
INSERT INTO "events" VALUES(3,'0193a5c2-7c11-7aa0-9f00-3f2b8c1d9e77',2,1,1732245227000,'worker','{"action":"started","pid":4711}',3261649790);
INSERT INTO "events" VALUES(4,'0193a5c2-7c11-7aa0-9f00-3f2b8c1d9e77',3,1,1732245230500,'error','{"message":"Größe: 3 µm \"quoted\""}',1240053899);
INSERT INTO "events" VALUES(5,'nightly_7',2,1,1732245231000,'checkpoint','{"action":"verified","step":150}',2007933810);
CREATE TABLE heads (
    run_id TEXT NOT NULL PRIMARY KEY,
    seq    INTEGER NOT NULL,
    crc    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "heads" VALUES('0193a5c2-7c11-7aa0-9f00-3f2b8c1d9e77',3,1240053899);
INSERT INTO "heads" VALUES('nightly_7',2,2007933810);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('events',5);
COMMIT;
