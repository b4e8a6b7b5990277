-- The read model: made from the events, and made anew whenever it is asked for. It stands in a schema of its own.

-- Each is a whole read model. One is active and serves; one may be building beside it.
CREATE TABLE editions (
    edition BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('building', 'active', 'retired')),
    -- The shape of what is in its rows.
    schema_version BIGINT NOT NULL,
    -- The checkpoint: every event up to here is in the rows, or parked.
    position BIGINT NOT NULL DEFAULT 0,
    -- Counts the commits, so that two that read the same rows cannot both write.
    revision BIGINT NOT NULL DEFAULT 0,
    -- When its projection was last seen at work.
    heartbeat_at TIMESTAMPTZ NOT NULL
);
CREATE UNIQUE INDEX editions_one_active ON editions (state) WHERE state = 'active';
CREATE UNIQUE INDEX editions_one_building ON editions (state) WHERE state = 'building';

CREATE TABLE orders (
    edition BIGINT NOT NULL,
    order_id UUID NOT NULL,
    user_id UUID NOT NULL,
    -- The order as its events left it.
    body JSONB NOT NULL,
    version BIGINT NOT NULL,
    created_position BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    last_position BIGINT NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (edition, order_id)
);
-- A user's orders, the newest first; positions are unique, so a page's end is a place between two orders.
CREATE INDEX orders_of_user ON orders (edition, user_id, created_position DESC);

-- Events that could not be applied, each with the reason. The order's row stays as it was before the first of them.
CREATE TABLE parked (
    edition BIGINT NOT NULL,
    position BIGINT NOT NULL,
    order_id UUID NOT NULL,
    version BIGINT NOT NULL,
    kind TEXT NOT NULL,
    reason TEXT NOT NULL,
    parked_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (edition, position)
);
CREATE INDEX parked_of_order ON parked (edition, order_id);
