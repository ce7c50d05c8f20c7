-- The newest row of every run, moved in the same transaction as its rows. It makes an append
-- one look-up, and a run whose last rows vanished tells on itself.
CREATE TABLE heads (
    run_id TEXT NOT NULL PRIMARY KEY,
    seq    INTEGER NOT NULL,
    crc    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The events. AUTOINCREMENT, so that a position is never given twice: readers keep cursors.
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

-- Named positions of readers of the events.
CREATE TABLE cursors (
    name  TEXT NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL,
    crc   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
