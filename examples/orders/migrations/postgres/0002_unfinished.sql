-- Orders that wait for a provider: those whose last event asks for something. Whoever finishes them reads as many rows as there are of them, not
-- all events. The database keeps it by itself, so an older program that still appends keeps it too.
CREATE TABLE unfinished (
    stream   uuid   PRIMARY KEY,
    position bigint NOT NULL UNIQUE
);

CREATE FUNCTION keep_unfinished() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.kind IN ('PaymentRequested', 'ShipmentRequested', 'RefundRequested') THEN
        INSERT INTO unfinished (stream, position) VALUES (NEW.stream, NEW.position)
            ON CONFLICT (stream) DO UPDATE SET position = EXCLUDED.position;
    ELSE
        DELETE FROM unfinished WHERE stream = NEW.stream;
    END IF;
    RETURN NULL;
END
$$;

-- It waits for appends under way, so the statement below sees all that the trigger does not. An order's first event answers nothing.
CREATE TRIGGER keep_unfinished AFTER INSERT ON events FOR EACH ROW
    WHEN (NEW.version > 1 OR NEW.kind IN ('PaymentRequested', 'ShipmentRequested', 'RefundRequested'))
    EXECUTE FUNCTION keep_unfinished();

INSERT INTO unfinished (stream, position)
    SELECT stream, position FROM events JOIN streams USING (stream, version)
    WHERE kind IN ('PaymentRequested', 'ShipmentRequested', 'RefundRequested');

-- Answers are forgotten the oldest first.
CREATE INDEX command_results_by_age ON command_results (recorded_at);
