-- The region this file holds, and the epoch of its owner.
CREATE TABLE region (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    name TEXT NOT NULL,
    epoch INTEGER NOT NULL CHECK (epoch > 0)
) STRICT;

-- The log and the outbox: every change of state, in order, never altered.
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    type TEXT NOT NULL,
    stream_id TEXT NOT NULL,
    record BLOB NOT NULL,
    digest BLOB NOT NULL CHECK (length(digest) = 32)
) STRICT;

CREATE TRIGGER events_are_contiguous BEFORE INSERT ON events
WHEN new.seq <> (SELECT ifnull(max(seq), 0) + 1 FROM events)
BEGIN
    SELECT raise(ABORT, 'constraint: events are numbered without a gap');
END;

CREATE TRIGGER events_stay BEFORE UPDATE ON events
BEGIN
    SELECT raise(ABORT, 'constraint: an event is never changed');
END;

CREATE TRIGGER events_are_kept BEFORE DELETE ON events
BEGIN
    SELECT raise(ABORT, 'constraint: an event is never removed');
END;

-- What was answered to each command, so that a repeat is answered the same.
CREATE TABLE commands (
    actor TEXT NOT NULL,
    id TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    outcome BLOB NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (actor, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX commands_by_age ON commands (at_ms);

-- How far each consumer that writes this file has read each stream.
CREATE TABLE consumer_offsets (
    consumer TEXT NOT NULL,
    stream TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (consumer, stream)
) STRICT, WITHOUT ROWID;
