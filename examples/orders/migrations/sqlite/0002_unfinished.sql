-- Orders that wait for a provider: those whose last event asks for something. Whoever finishes them reads as many rows as there are of them, not
-- all events. The database keeps it by itself, so an older program that still appends keeps it too.
CREATE TABLE unfinished (
    stream   TEXT    PRIMARY KEY,
    position INTEGER NOT NULL UNIQUE
) STRICT, WITHOUT ROWID;

CREATE TRIGGER events_that_ask AFTER INSERT ON events
    WHEN NEW.kind IN ('PaymentRequested', 'ShipmentRequested', 'RefundRequested')
BEGIN
    INSERT INTO unfinished (stream, position) VALUES (NEW.stream, NEW.position)
        ON CONFLICT (stream) DO UPDATE SET position = excluded.position;
END;

-- An order's first event answers nothing.
CREATE TRIGGER events_that_answer AFTER INSERT ON events
    WHEN NEW.version > 1 AND NEW.kind NOT IN ('PaymentRequested', 'ShipmentRequested', 'RefundRequested')
BEGIN
    DELETE FROM unfinished WHERE stream = NEW.stream;
END;

INSERT INTO unfinished (stream, position)
    SELECT stream, position FROM events JOIN streams USING (stream, version)
    WHERE kind IN ('PaymentRequested', 'ShipmentRequested', 'RefundRequested');

-- Answers are forgotten the oldest first.
CREATE INDEX command_results_by_age ON command_results (recorded_at);
