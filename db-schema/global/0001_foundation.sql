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
