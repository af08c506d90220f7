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
CREATE TABLE quotes (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX quotes_by_end ON quotes (expires_at_ms);

-- Every fix that a device sent, kept for audit even where it does not count.
CREATE TABLE track_points (
    ride_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    lat REAL NOT NULL,
    lon REAL NOT NULL,
    accuracy_m REAL NOT NULL,
    elevation_m REAL,
    PRIMARY KEY (ride_id, seq)
) STRICT, WITHOUT ROWID;
-- Points of a walk by the hundred and more in a row instead of one. No release has stored any in the table before.
DROP TABLE track_points;

-- A ride's track: what is known of it, and the chunk that is being filled.
CREATE TABLE tracks (
    ride_id TEXT PRIMARY KEY,
    progress BLOB NOT NULL,
    tail BLOB NOT NULL,
    touched_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX tracks_by_age ON tracks (touched_at_ms);

-- Its full chunks, numbered from 0 in the order of arrival.
CREATE TABLE track_chunks (
    ride_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    points BLOB NOT NULL,
    PRIMARY KEY (ride_id, number)
) STRICT, WITHOUT ROWID;
-- One-use tickets for sockets of browsers, which cannot send an access token with their handshake.
CREATE TABLE tickets (
    digest BLOB PRIMARY KEY,
    account_id TEXT NOT NULL,
    role TEXT NOT NULL,
    purpose TEXT NOT NULL,
    access_ends_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX tickets_by_end ON tickets (expires_at_ms);
-- What a walker noted on the way, each under an id of the device's own.
CREATE TABLE track_marks (
    ride_id TEXT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('pee', 'poo', 'water', 'photo')),
    at_ms INTEGER NOT NULL,
    lat REAL NOT NULL,
    lon REAL NOT NULL,
    PRIMARY KEY (ride_id, id)
) STRICT, WITHOUT ROWID;
-- The region's number, which its ids carry; 0 where there is one region only.
ALTER TABLE region ADD COLUMN number INTEGER NOT NULL DEFAULT 0 CHECK (number BETWEEN 0 AND 4095);

-- Whose walk a track is of, and what its part of the events is sealed with: a key of this track only.
ALTER TABLE tracks ADD COLUMN tutor_id TEXT;
ALTER TABLE tracks ADD COLUMN seal_key BLOB CHECK (seal_key IS NULL OR length(seal_key) = 32);

-- What the events make, column for column: an owner and its standbys hold the same rows of these at the same event.
CREATE VIEW replicated_rides AS SELECT id, body FROM rides;
CREATE VIEW replicated_offers AS SELECT id, ride_id, walker_id, state, expires_at_ms, distance_m FROM offers;
CREATE VIEW replicated_ride_details AS SELECT ride_id, lat, lon, notes, pin FROM ride_details;
CREATE VIEW replicated_quotes AS SELECT id, account_id, expires_at_ms, body FROM quotes;
CREATE VIEW replicated_commands AS SELECT actor, id, fingerprint, outcome, at_ms FROM commands;
CREATE VIEW replicated_track_chunks AS SELECT ride_id, number, points FROM track_chunks;
CREATE VIEW replicated_track_marks AS SELECT ride_id, id, kind, at_ms, lat, lon FROM track_marks;
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
-- How much an account did today (`day` counts days since 1970 in UTC), for limits per day. Of the region's owner only: a new
-- owner counts anew.
CREATE TABLE daily_counts (
    account TEXT NOT NULL,
    what TEXT NOT NULL,
    day INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (account, what)
) STRICT, WITHOUT ROWID;
-- What was answered before held personal data, and digests that tell what they are of. A command of before, sent again, is
-- another one.
DELETE FROM commands;

-- When a ride was over. For rides that were over before this was noted: 60 days after they were asked for, which is as far
-- ahead as a ride may be asked for; their ids begin with the millisecond in hexadecimal digits.
ALTER TABLE rides ADD COLUMN ended_at_ms INTEGER;
WITH RECURSIVE digits (id, place, ms) AS (
    SELECT id, 1, 0 FROM rides WHERE state IN ('completed', 'interrupted', 'cancelled', 'expired', 'no_show')
    UNION ALL
    SELECT id, place + 1, ms * 16 + instr('0123456789abcdef', substr(replace(id, '-', ''), place, 1)) - 1
    FROM digits WHERE place <= 12
)
UPDATE rides SET ended_at_ms = digits.ms + 60 * 86400000 FROM digits WHERE digits.id = rides.id AND digits.place = 13;

CREATE INDEX rides_ended ON rides (ended_at_ms) WHERE ended_at_ms IS NOT NULL;
CREATE INDEX offers_by_end ON offers (expires_at_ms);
CREATE INDEX daily_counts_by_day ON daily_counts (day);

-- Up to when rows of each kind were removed because their time was over.
CREATE TABLE purges (
    what TEXT PRIMARY KEY,
    before_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Where the pets of a quote are fetched, sealed with its tutor's key; none in what was stored before, whose body says it.
ALTER TABLE quotes ADD COLUMN place BLOB;

DROP VIEW replicated_quotes;
CREATE VIEW replicated_quotes AS SELECT id, account_id, expires_at_ms, body, place FROM quotes;

-- What is a person's, to be found when they are erased.
CREATE INDEX quotes_by_account ON quotes (account_id);
CREATE INDEX tracks_by_tutor ON tracks (tutor_id) WHERE tutor_id IS NOT NULL;
-- What the region's events hold of a track: how many bytes of its tail, since when they lack something (NULL where they lack
-- nothing), and up to which number each of the newest of them tells the walk.
ALTER TABLE tracks ADD COLUMN told_bytes INTEGER NOT NULL DEFAULT 0 CHECK (told_bytes >= 0);
ALTER TABLE tracks ADD COLUMN untold_since_ms INTEGER;
ALTER TABLE tracks ADD COLUMN told_in BLOB NOT NULL DEFAULT x'';

-- Walks that may be under way: what they stored since their last event was never told.
UPDATE tracks SET untold_since_ms = touched_at_ms
WHERE seal_key IS NOT NULL AND touched_at_ms > (SELECT max(touched_at_ms) - 86400000 FROM tracks);

CREATE INDEX tracks_untold ON tracks (untold_since_ms) WHERE untold_since_ms IS NOT NULL;
