-- One row for each stream: its version is what appends agree on.
CREATE TABLE streams (
    stream  TEXT    PRIMARY KEY,
    version INTEGER NOT NULL CHECK (version > 0)
) STRICT, WITHOUT ROWID;

-- Writers are one after the other, so positions are in order of commit.
CREATE TABLE events (
    position       INTEGER PRIMARY KEY AUTOINCREMENT,
    stream         TEXT    NOT NULL,
    version        INTEGER NOT NULL CHECK (version > 0),
    event_id       TEXT    NOT NULL UNIQUE,
    kind           TEXT    NOT NULL,
    schema_version INTEGER NOT NULL CHECK (schema_version > 0),
    payload        TEXT    NOT NULL,
    metadata       TEXT    NOT NULL,
    recorded_at    TEXT    NOT NULL,
    UNIQUE (stream, version)
) STRICT;

-- What commands were answered, by their Idempotency-Key.
CREATE TABLE command_results (
    key            TEXT    PRIMARY KEY,
    request_sha256 BLOB    NOT NULL CHECK (length(request_sha256) = 32),
    status         INTEGER NOT NULL CHECK (status BETWEEN 100 AND 599),
    body           TEXT    NOT NULL,
    position       INTEGER NOT NULL,
    recorded_at    TEXT    NOT NULL
) STRICT;

CREATE TABLE snapshots (
    stream      TEXT    PRIMARY KEY,
    version     INTEGER NOT NULL CHECK (version > 0),
    schema      TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    recorded_at TEXT    NOT NULL
) STRICT;
