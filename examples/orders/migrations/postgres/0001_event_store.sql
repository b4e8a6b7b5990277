-- One row for each stream: its version is what appends agree on.
CREATE TABLE streams (
    stream  uuid   PRIMARY KEY,
    version bigint NOT NULL CHECK (version > 0)
);

-- A position is given out in an append's transaction, after that has its transaction id: the reader's horizon depends on it.
CREATE TABLE events (
    position       bigint      GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY,
    stream         uuid        NOT NULL,
    version        bigint      NOT NULL CHECK (version > 0),
    event_id       uuid        NOT NULL UNIQUE,
    kind           text        NOT NULL,
    schema_version integer     NOT NULL CHECK (schema_version > 0),
    payload        jsonb       NOT NULL,
    metadata       jsonb       NOT NULL,
    recorded_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (stream, version)
);

-- What commands were answered, by their Idempotency-Key.
CREATE TABLE command_results (
    key            text        PRIMARY KEY,
    request_sha256 bytea       NOT NULL CHECK (length(request_sha256) = 32),
    status         integer     NOT NULL CHECK (status BETWEEN 100 AND 599),
    body           jsonb       NOT NULL,
    position       bigint      NOT NULL,
    recorded_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE snapshots (
    stream      uuid        PRIMARY KEY,
    version     bigint      NOT NULL CHECK (version > 0),
    schema      text        NOT NULL,
    state       jsonb       NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
