-- The read model: made from the events, and made anew whenever it is asked for. It stands in a file of its own.

-- Each is a whole read model. One is active and serves; one may be building beside it.
CREATE TABLE editions (
    edition INTEGER PRIMARY KEY AUTOINCREMENT,
    state TEXT NOT NULL CHECK (state IN ('building', 'active', 'retired')),
    -- The shape of what is in its rows.
    schema_version INTEGER NOT NULL,
    -- The checkpoint: every event up to here is in the rows, or parked.
    position INTEGER NOT NULL DEFAULT 0,
    -- Counts the commits, so that two that read the same rows cannot both write.
    revision INTEGER NOT NULL DEFAULT 0,
    -- When its projection was last seen at work.
    heartbeat_at TEXT NOT NULL
);
CREATE UNIQUE INDEX editions_one_active ON editions (state) WHERE state = 'active';
CREATE UNIQUE INDEX editions_one_building ON editions (state) WHERE state = 'building';

CREATE TABLE orders (
    edition INTEGER NOT NULL,
    order_id BLOB NOT NULL,
    user_id BLOB NOT NULL,
    -- The order as its events left it.
    body TEXT NOT NULL,
    version INTEGER NOT NULL,
    created_position INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    last_position INTEGER NOT NULL,
    updated_at TEXT NOT NULL,
    PRIMARY KEY (edition, order_id)
);
-- A user's orders, the newest first; positions are unique, so a page's end is a place between two orders.
CREATE INDEX orders_of_user ON orders (edition, user_id, created_position DESC);

-- Events that could not be applied, each with the reason. The order's row stays as it was before the first of them.
CREATE TABLE parked (
    edition INTEGER NOT NULL,
    position INTEGER NOT NULL,
    order_id BLOB NOT NULL,
    version INTEGER NOT NULL,
    kind TEXT NOT NULL,
    reason TEXT NOT NULL,
    parked_at TEXT NOT NULL,
    PRIMARY KEY (edition, position)
);
CREATE INDEX parked_of_order ON parked (edition, order_id);
