-- Projections of the ride events. Dropping them and replaying the events gives the same rows.
CREATE TABLE rides (
    id TEXT PRIMARY KEY,
    tutor_id TEXT NOT NULL,
    walker_id TEXT,
    quote_id TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    version INTEGER NOT NULL,
    pets INTEGER NOT NULL,
    cell TEXT NOT NULL,
    due_at_ms INTEGER,
    body BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX rides_by_tutor ON rides (tutor_id, id);
CREATE INDEX rides_by_walker ON rides (walker_id, id) WHERE walker_id IS NOT NULL;
CREATE INDEX rides_due ON rides (due_at_ms) WHERE due_at_ms IS NOT NULL;
CREATE INDEX rides_waiting ON rides (cell) WHERE state IN ('requested', 'offered');

CREATE TABLE offers (
    id TEXT PRIMARY KEY,
    ride_id TEXT NOT NULL,
    walker_id TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'accepted', 'declined', 'expired', 'withdrawn')),
    expires_at_ms INTEGER NOT NULL,
    distance_m INTEGER NOT NULL,
    UNIQUE (ride_id, walker_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX offers_open ON offers (walker_id) WHERE state = 'open';

-- What events do not carry: personal data and secrets of a ride. Erased with the person.
CREATE TABLE ride_details (
    ride_id TEXT PRIMARY KEY,
    lat REAL NOT NULL,
    lon REAL NOT NULL,
    notes TEXT NOT NULL,
    pin TEXT NOT NULL,
    pin_failures INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- Where walkers are and what they take. Of the moment: not in the log.
CREATE TABLE presence (
    walker_id TEXT PRIMARY KEY,
    lat REAL NOT NULL,
    lon REAL NOT NULL,
    cell TEXT NOT NULL,
    rating_milli INTEGER NOT NULL,
    capacity INTEGER NOT NULL,
    sizes INTEGER NOT NULL,
    card BLOB NOT NULL,
    seen_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX presence_by_cell ON presence (cell, lat, lon, rating_milli);
