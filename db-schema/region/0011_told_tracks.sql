-- What the region's events hold of a track: how many bytes of its tail, since when they lack something (NULL where they lack
-- nothing), and up to which number each of the newest of them tells the walk.
ALTER TABLE tracks ADD COLUMN told_bytes INTEGER NOT NULL DEFAULT 0 CHECK (told_bytes >= 0);
ALTER TABLE tracks ADD COLUMN untold_since_ms INTEGER;
ALTER TABLE tracks ADD COLUMN told_in BLOB NOT NULL DEFAULT x'';

-- Walks that may be under way: what they stored since their last event was never told.
UPDATE tracks SET untold_since_ms = touched_at_ms
WHERE seal_key IS NOT NULL AND touched_at_ms > (SELECT max(touched_at_ms) - 86400000 FROM tracks);

CREATE INDEX tracks_untold ON tracks (untold_since_ms) WHERE untold_since_ms IS NOT NULL;
