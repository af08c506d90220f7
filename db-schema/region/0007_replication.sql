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
