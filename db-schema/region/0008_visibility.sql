-- Places of walkers are told blurred. The key of the blur is this file's own and never leaves it.
CREATE TABLE presence_key (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    key BLOB NOT NULL CHECK (length(key) = 32)
) STRICT;

INSERT INTO presence_key (one, key) VALUES (1, randomblob(32));

-- Presence is of the moment: walkers' phones tell it again within minutes. `shown_` is the blurred place, which is all that
-- other accounts are told of, or can search by.
DROP TABLE presence;
CREATE TABLE presence (
    walker_id TEXT PRIMARY KEY,
    lat REAL NOT NULL,
    lon REAL NOT NULL,
    cell TEXT NOT NULL,
    shown_lat REAL NOT NULL,
    shown_lon REAL NOT NULL,
    shown_cell TEXT NOT NULL,
    rating_milli INTEGER NOT NULL,
    capacity INTEGER NOT NULL,
    sizes INTEGER NOT NULL,
    card BLOB NOT NULL,
    seen_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX presence_by_cell ON presence (cell, lat, lon, seen_at_ms);
CREATE INDEX presence_by_shown_cell ON presence (shown_cell, shown_lat, shown_lon, rating_milli, seen_at_ms);
CREATE INDEX presence_by_age ON presence (seen_at_ms);

-- What a walker has accepted, and what a tutor has open: asked with each acceptance and each request.
CREATE INDEX rides_held ON rides (walker_id, pets) WHERE state IN ('accepted', 'arrived', 'started', 'paused');
CREATE INDEX rides_open ON rides (tutor_id)
WHERE state IN ('requested', 'offered', 'accepted', 'arrived', 'started', 'paused');

-- Rides whose timer failed: passed over until then, so that one bad row does not stop the others.
CREATE TABLE timers_set_aside (
    ride_id TEXT PRIMARY KEY,
    failures INTEGER NOT NULL,
    until_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
